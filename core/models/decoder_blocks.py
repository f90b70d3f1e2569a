"""Parameters of the blocks that decoders are made of: attention, and feed-forward networks with and without experts.

Formulas follow the modules of transformers 5.24; `tests/unit/test_parameter_count.py` counts those.
"""

from collections.abc import Callable
from dataclasses import dataclass

from core.models.config_reading import whole_number
from core.models.parameter_shapes import (
    Config,
    Flag,
    UntoldError,
    depth,
    head_size,
    holds,
    linear,
    number,
    number_or_none,
)


@dataclass(frozen=True, slots=True)
class Attention:
    """An attention layer with any number of key/value heads. `norm` counts what normalises queries and keys."""

    qkv_bias: Flag = False
    output_bias: Flag = False
    norm: Callable[[Config], int] = lambda config: 0  # noqa: ARG005
    sinks: bool = False
    """Whether each head has one more value, for attending to nothing."""

    def __call__(self, config: Config) -> int:
        """Return the parameters of one layer.

        Raises:
            UntoldError: the config does not tell.
        """
        hidden, heads, size = number(config, "hidden_size"), number(config, "num_attention_heads"), head_size(config)
        kv_heads = number(config, "num_key_value_heads")
        projected = linear(hidden, (heads + 2 * kv_heads) * size, bias=holds(config, self.qkv_bias))
        output = linear(heads * size, hidden, bias=holds(config, self.output_bias))
        return projected + output + self.norm(config) + (heads if self.sinks else 0)


def norm_by_head(config: Config) -> int:
    """Return the weights of one norm for queries and one for keys, which all heads share."""
    return 2 * head_size(config)


def norm_of_width(config: Config) -> int:
    """Return the weights of norms over all heads together, or over each by itself."""
    return (number(config, "num_attention_heads") + number(config, "num_key_value_heads")) * head_size(config)


def compressed_attention(config: Config) -> int:
    """Return the parameters of one layer of multi-head latent attention (DeepSeek).

    Raises:
        UntoldError: the config does not tell.
    """
    hidden, heads = number(config, "hidden_size"), number(config, "num_attention_heads")
    rank, value = number(config, "kv_lora_rank"), number(config, "v_head_dim")
    rope, plain = number(config, "qk_rope_head_dim"), number(config, "qk_nope_head_dim")
    bias = holds(config, "attention_bias")
    query_rank = whole_number(config, "q_lora_rank")
    if query_rank is None:
        queries = hidden * heads * (rope + plain)
    else:
        queries = linear(hidden, query_rank, bias=bias) + query_rank + query_rank * heads * (rope + plain)
    compressed = linear(hidden, rank + rope, bias=bias) + rank + rank * heads * (plain + value)
    return queries + compressed + linear(heads * value, hidden, bias=bias)


def network(hidden: int, inner: int, *, gated: bool = True, bias: bool = False) -> int:
    """Return the parameters of a feed-forward network: three matrices if gated, else two."""
    return (2 if gated else 1) * linear(hidden, inner, bias=bias) + linear(inner, hidden, bias=bias)


@dataclass(frozen=True, slots=True)
class Dense:
    """The same feed-forward network in each layer."""

    gated: bool = True
    bias: Flag = False
    inner: str = "intermediate_size"
    """The field with its width, which is four times the model's where it is absent or null; empty: always so."""

    def __call__(self, config: Config) -> int:
        """Return the parameters of all layers.

        Raises:
            UntoldError: the config does not tell.
        """
        hidden = number(config, "hidden_size")
        inner = whole_number(config, self.inner) or 4 * hidden
        return depth(config) * network(hidden, inner, gated=self.gated, bias=holds(config, self.bias))


def experts_in_each_layer(config: Config) -> int:
    """Return the parameters of the experts and routers of all layers of Mixtral and OLMoE.

    Raises:
        UntoldError: the config does not tell.
    """
    hidden, count = number(config, "hidden_size"), number(config, "num_local_experts", "num_experts")
    return depth(config) * (hidden * count + count * network(hidden, number(config, "intermediate_size")))


def experts_in_some_layers(config: Config) -> int:
    """Return the parameters of the feed-forward networks of all layers of Qwen's mixtures of experts.

    Raises:
        UntoldError: the config does not tell.
    """
    hidden, count = number(config, "hidden_size"), number_or_none(config, "num_experts")
    dense, layers = frozenset(config.get("mlp_only_layers") or ()), depth(config)
    step = number(config, "decoder_sparse_step")
    sparse = sum(1 for layer in range(layers) if count and layer not in dense and (layer + 1) % step == 0)
    each = hidden * count + count * network(hidden, number(config, "moe_intermediate_size"))
    shared = number_or_none(config, "shared_expert_intermediate_size")
    if shared:
        each += network(hidden, shared) + hidden
    return sparse * each + (layers - sparse) * network(hidden, number(config, "intermediate_size"))


def experts_after_the_first_layers(config: Config) -> int:
    """Return the parameters of the feed-forward networks of all layers of DeepSeek-V2 and -V3.

    The biases of V3's router are no parameters but a buffer of `n_routed_experts` values a layer.

    Raises:
        UntoldError: the config does not tell.
    """
    if config.get("moe_layer_freq") not in (None, 1):
        raise UntoldError("moe_layer_freq")
    hidden, count = number(config, "hidden_size"), number(config, "n_routed_experts")
    inner, shared = number(config, "moe_intermediate_size"), number_or_none(config, "n_shared_experts")
    dense = min(number_or_none(config, "first_k_dense_replace"), depth(config))
    each = hidden * count + count * network(hidden, inner)
    if shared:
        each += network(hidden, inner * shared)
    return (depth(config) - dense) * each + dense * network(hidden, number(config, "intermediate_size"))


def experts_with_biases(config: Config) -> int:
    """Return the parameters of the experts and routers of all layers of gpt-oss.

    Raises:
        UntoldError: the config does not tell.
    """
    hidden, count = number(config, "hidden_size"), number(config, "num_local_experts", "num_experts")
    each = network(hidden, number(config, "intermediate_size"), bias=True)
    return depth(config) * (linear(hidden, count) + count * each)
