"""How much memory a model's weights and cache take, from what is known of it. All sizes are bytes."""

from core.models.facts import ModelFacts, WeightSet
from core.models.kv_cache import NO_CACHE, KvCache, cache_bytes_per_value, kv_cache_of, max_context
from core.models.tasks import generates


def cache_of(facts: ModelFacts) -> KvCache | None:
    """Return what the model keeps of each sequence; nothing when it does not generate, `None` when it is not known."""
    return kv_cache_of(facts.network.config) if generates(facts) else NO_CACHE


def kv_bytes_per_token(facts: ModelFacts) -> int | None:
    """Return what the cache grows by with each token of one sequence; `None` when the config does not tell.

    Layers with a sliding window are counted, as they are until the window is full; in the type that the weights have,
    or the model calculates in.
    """
    cache = cache_of(facts)
    return None if cache is None else cache.values_per_token * cache_bytes(facts)


def cache_bytes(facts: ModelFacts) -> int:
    """Return the size of one cached value."""
    return cache_bytes_per_value(facts.network.config, facts.network.dtype)


def loaded_dtype(facts: ModelFacts, weights: WeightSet) -> str | None:
    """Return the type that most of the weights have which are loaded.

    What is known of a GGUF repository is what its default file says; the type is that of the file that is taken.
    """
    loaded = weights.base or weights
    return loaded.variant if loaded.format == "gguf" and loaded.variant else facts.network.dtype


def context_limit(facts: ModelFacts) -> int | None:
    """Return the most tokens that the model takes; `None` when nothing tells, or it takes no tokens."""
    if facts.kind == "diffusers":
        return None
    limits = [limit for limit in (max_context(facts.network.config), facts.sequence_limit) if limit]
    return min(limits, default=None)
