"""The cache that a model keeps of what it has read: how many values, for how many tokens, divided how.

Formulas as in vLLM's cache specifications and transformers' caches:

- attention with any number of key/value heads (MHA, GQA, MQA): 2 · layers · kv heads · head size for each token;
- attention to a sliding window: the same, for no more tokens than the window;
- compressed attention (MLA, DeepSeek): layers · (kv_lora_rank + qk_rope_head_dim), whole on every GPU;
- state-space and linear layers: a state of fixed size for each sequence;
- an encoder's output that a decoder attends to: like attention, of the encoder's length, for each sequence;
- an encoder alone keeps nothing.

Checked against published figures in `tests/unit/test_published_figures.py`, which names them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final, Literal

from core.models.config_reading import stated_dtype, whole_number
from core.models.figures import Confidence
from core.models.model_types import language_config

_BYTES: Final[Mapping[str, int]] = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}
_FULL: Final = frozenset({"full_attention", "attention", "global_attention", "global", "full", "indexed_attention"})
_SLIDING: Final = frozenset({"sliding_attention", "chunked_attention", "local_attention", "local", "window_attention"})
_STATE: Final = frozenset({"linear_attention", "mamba", "mamba2", "recurrent", "conv"})
_NOTHING: Final = frozenset({"mlp", "moe"})
_STATE_MODELS: Final = frozenset({"mamba", "mamba2", "falcon_mamba"})
_OFFSET_POSITIONS: Final = frozenset({"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet", "longformer"})
"""Families whose table of positions begins with two that no token gets (the padding's index, plus one)."""
_IRREGULAR: Final = frozenset({"num_kv_shared_layers", "cross_attention_layers", "per_layer_config", "block_configs"})
"""What says that not all layers keep the same: they are counted as if they did, which is the most they can take."""
_LARGEST_STATE: Final = 256
"""Values of state for each of twice the hidden width: no published state-space layer keeps more."""
_STATE_FACTOR: Final = 2
"""States are kept in 32 bits beside a model in 16."""

PartKind = Literal["attention", "window", "latent", "state", "encoder"]


@dataclass(frozen=True, slots=True)
class CachePart:
    """Layers that keep the same kind of thing. Counts are of values, not bytes, over all the `layers` together.

    `values_per_token` are kept for each token, `window` tokens at most; `fixed_values` for each sequence whatever its
    length. `heads` are the key/value heads that GPUs can divide among them, `None` where each keeps all.
    """

    kind: PartKind
    layers: int
    values_per_token: int
    formula: str
    window: int | None = None
    fixed_values: int = 0
    heads: int | None = None

    def values(self, tokens: int, *, gpus: int = 1, margin: int = 0) -> int:
        """Return what one of `gpus` GPUs keeps of a sequence of `tokens`.

        `margin` is how many tokens more than its window an engine keeps, because it computes so many at a time.
        """
        kept = tokens if self.window is None else min(tokens, self.window + margin)
        whole = self.values_per_token * kept + self.fixed_values
        if gpus == 1 or self.kind == "latent":
            return whole
        if self.heads is None:
            return ceil(whole / gpus)
        return whole * max(1, self.heads // gpus) // self.heads


@dataclass(frozen=True, slots=True)
class KvCache:
    """All that a model keeps for one sequence; nothing when it has no parts."""

    parts: tuple[CachePart, ...]
    confidence: Confidence = "exact"

    @property
    def values_per_token(self) -> int:
        """What each token adds as long as no window is full."""
        return sum(part.values_per_token for part in self.parts)

    @property
    def lasting_values_per_token(self) -> int:
        """What each token adds once every window is full."""
        return sum(part.values_per_token for part in self.parts if part.window is None)

    def values(self, tokens: int, *, gpus: int = 1, margin: int = 0) -> int:
        """Return what one of `gpus` GPUs keeps of a sequence of `tokens`; see `CachePart.values`."""
        return sum(part.values(tokens, gpus=gpus, margin=margin) for part in self.parts)


NO_CACHE: Final = KvCache(())


def cache_bytes_per_value(config: Mapping[str, Any], dtype: str | None) -> int:
    """Return the size of one cached value: that of the type the model calculates in.

    That is the type of the weights where it is a floating point type of 16 bits or more. Weights in 8 bits or fewer are
    calculated in the type the config states, else in 16 bits; the cache is not made of smaller values for their sake.
    """
    for name in (dtype, stated_dtype(config)):
        if name is not None and name in _BYTES:
            return _BYTES[name]
    return 2


def max_context(config: Mapping[str, Any]) -> int | None:
    """Return how many tokens the model can attend to; `None` when the config does not tell."""
    language = language_config(config)
    # Of a decoder that writes what an encoder heard, its own length counts (Whisper: 448).
    stated = whole_number(language, "max_target_positions", "max_position_embeddings", "n_positions")
    if stated is not None and language.get("model_type") in _OFFSET_POSITIONS:
        return max(1, stated - 2)
    return stated


def layer_count(config: Mapping[str, Any]) -> int | None:
    """Return the number of layers; `None` when the config does not tell."""
    return whole_number(language_config(config), "num_hidden_layers")


def kv_cache_of(config: Mapping[str, Any]) -> KvCache | None:
    """Return what a model that generates keeps for each sequence; `None` when the config does not tell."""
    language = language_config(config)
    if config.get("is_encoder_decoder") is True or language.get("is_encoder_decoder") is True:
        return _encoder_decoder(language)
    layers = whole_number(language, "num_hidden_layers")
    if layers is None:
        return None
    if language.get("model_type") in _STATE_MODELS:
        state = _state(language, layers)
        return KvCache((state,), "estimated") if state else None
    kinds, told = _layer_kinds(language, layers)
    return _decoder(language, kinds, told and not _IRREGULAR & language.keys())


def _decoder(language: Mapping[str, Any], kinds: Sequence[PartKind | None], told: bool) -> KvCache | None:
    counts = {kind: sum(1 for each in kinds if each == kind) for kind in ("attention", "window", "state")}
    parts: list[CachePart] = []
    if rank := whole_number(language, "kv_lora_rank"):
        rope, count = whole_number(language, "qk_rope_head_dim") or 0, counts["attention"] + counts["window"]
        parts.append(CachePart("latent", count, count * (rank + rope), f"{count} layers · ({rank} + {rope})"))
    elif counts["attention"] or counts["window"]:
        found = _attention(language, counts["attention"], counts["window"])
        if found is None:
            return None
        parts += found
    if counts["state"]:
        state = _state(language, counts["state"])
        if state is None:
            return None
        parts.append(state)
    return KvCache(tuple(parts), "exact" if told and not counts["state"] else "estimated")


def _attention(language: Mapping[str, Any], full: int, sliding: int) -> list[CachePart] | None:
    """Return the layers that attend to everything and those that attend to a window; `None` if heads are not told."""
    heads = whole_number(language, "num_attention_heads")
    size = _head_size(language, heads)
    if heads is None or size is None:
        return None
    kv_heads = whole_number(language, "num_key_value_heads") or heads
    each = language.get("num_key_value_heads_per_layer")
    if not sliding and isinstance(each, list | tuple) and len(each) == full and all(type(n) is int for n in each):
        total = sum(max(0, n) for n in each)
        return [CachePart("attention", full, 2 * total * size, f"2 · {total} kv heads of all layers · {size}", heads=1)]
    parts = []
    for kind, count in (("attention", full), ("window", sliding)):
        if count:
            window = whole_number(language, "sliding_window", "attention_chunk_size") if kind == "window" else None
            parts.append(
                CachePart(
                    "window" if kind == "window" else "attention",
                    count,
                    2 * count * kv_heads * size,
                    f"2 · {count} layers · {kv_heads} kv heads · {size}",
                    window=window,
                    heads=kv_heads,
                )
            )
    return parts


def _head_size(language: Mapping[str, Any], heads: int | None) -> int | None:
    size, hidden = whole_number(language, "head_dim"), whole_number(language, "hidden_size")
    if size is not None:
        return size
    return hidden // heads if heads and hidden and hidden % heads == 0 else None


def _layer_kinds(language: Mapping[str, Any], layers: int) -> tuple[Sequence[PartKind | None], bool]:
    """Return what each layer keeps (`None`: nothing), and whether the config tells it."""
    stated = language.get("layer_types") or language.get("layers_block_type") or _by_period(language, layers)
    window = whole_number(language, "sliding_window", "attention_chunk_size")
    if isinstance(stated, list | tuple) and stated:
        kinds: list[PartKind | None] = []
        told = True
        for name in stated:
            if name in _FULL or (name in _SLIDING and window is None):
                kinds.append("attention")
            elif name in _SLIDING:
                kinds.append("window")
            elif name in _STATE:
                kinds.append("state")
            elif name in _NOTHING:
                kinds.append(None)
            else:  # whatever it is: full attention keeps the most
                kinds.append("attention")
                told = False
        # A list of another length is not believed: everything in full is the most that it can be.
        return (kinds, told) if len(kinds) == layers else (["attention"] * layers, False)
    window = whole_number(language, "sliding_window")
    if window is None or language.get("use_sliding_window") is False:
        return ["attention"] * layers, True
    pattern = whole_number(language, "sliding_window_pattern", "_sliding_window_pattern")
    if pattern is not None:  # every so many layers one attends to everything
        return ["window" if number % pattern else "attention" for number in range(1, layers + 1)], True
    first = whole_number(language, "max_window_layers") if language.get("use_sliding_window") is True else None
    if first is not None:  # Qwen: the layers from this one on
        return ["attention" if number < first else "window" for number in range(layers)], True
    return ["window"] * layers, True


def _by_period(language: Mapping[str, Any], layers: int) -> list[str] | None:
    """Return the kinds of layers that are given by how often attention comes: Jamba, Qwen3-Next."""
    period = whole_number(language, "attn_layer_period")
    offset = language.get("attn_layer_offset")
    if period is not None and isinstance(offset, int) and offset >= 0:
        return ["attention" if number % period == offset else "mamba" for number in range(layers)]
    interval = whole_number(language, "full_attention_interval")
    if interval is not None:
        return ["full_attention" if (number + 1) % interval == 0 else "linear_attention" for number in range(layers)]
    return None


def _state(language: Mapping[str, Any], layers: int) -> CachePart | None:
    """Return the states of `layers` layers: what runs through them, and the last inputs of their convolution."""
    hidden = whole_number(language, "hidden_size")
    key_heads, key = whole_number(language, "linear_num_key_heads"), whole_number(language, "linear_key_head_dim")
    value_heads = whole_number(language, "linear_num_value_heads")
    value = whole_number(language, "linear_value_head_dim")
    if key_heads and key and value_heads and value:  # gated delta net (Qwen3-Next)
        kernel = whole_number(language, "linear_conv_kernel_dim") or 4
        state, inputs = value_heads * key * value, (2 * key_heads * key + value_heads * value) * kernel
        words = f"{value_heads} heads · {key} · {value}"
    else:
        size = whole_number(language, "state_size", "mamba_d_state")
        kernel = whole_number(language, "conv_kernel", "mamba_d_conv") or 4
        expand = whole_number(language, "expand", "mamba_expand") or 2
        heads, width = whole_number(language, "mamba_n_heads"), whole_number(language, "mamba_d_head")
        if hidden is None:
            return None
        size = size or _LARGEST_STATE
        inner = heads * width if heads and width else expand * hidden
        groups = whole_number(language, "n_groups", "mamba_n_groups") or 0
        state, inputs = inner * size, (inner + 2 * groups * size) * kernel
        words = f"{inner} · {size}"
    fixed = layers * (_STATE_FACTOR * state + inputs)
    return CachePart(
        "state", layers, 0, f"{layers} layers · ({_STATE_FACTOR} · {words} + {inputs})", fixed_values=fixed
    )


def _encoder_decoder(language: Mapping[str, Any]) -> KvCache | None:
    layers = whole_number(language, "decoder_layers", "num_decoder_layers", "num_hidden_layers")
    heads = whole_number(language, "decoder_attention_heads", "num_attention_heads")
    hidden = whole_number(language, "hidden_size")
    size = whole_number(language, "d_kv") or (hidden // heads if heads and hidden and hidden % heads == 0 else None)
    if layers is None or heads is None or size is None:
        return None
    each = 2 * layers * heads * size
    words = f"2 · {layers} layers · {heads} heads · {size}"
    length = whole_number(language, "max_source_positions", "max_position_embeddings", "n_positions")
    told = length is not None
    length = length or 512
    return KvCache(
        (
            CachePart("attention", layers, each, words, heads=heads),
            CachePart("encoder", layers, 0, f"{words} · {length} inputs", fixed_values=each * length, heads=heads),
        ),
        "exact" if told else "estimated",
    )
