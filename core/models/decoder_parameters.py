"""Parameters of models that write: what each family's layers are made of, and the sum of them.

Formulas follow the modules of transformers 5.24; `tests/unit/test_parameter_count.py` counts those.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Final

from core.models.config_reading import whole_number
from core.models.decoder_blocks import (
    Attention,
    Dense,
    compressed_attention,
    experts_after_the_first_layers,
    experts_in_each_layer,
    experts_in_some_layers,
    experts_with_biases,
    norm_by_head,
    norm_of_width,
)
from core.models.parameter_shapes import (
    Config,
    UntoldError,
    depth,
    head_size,
    holds,
    label_count,
    linear,
    number,
)

RMS: Final = 1
"""Values that a norm has for each element of the width: a weight."""
LAYER_NORM: Final = 2
"""Values that a norm has for each element of the width: a weight and a bias."""


@dataclass(frozen=True, slots=True)
class Decoder:
    """What a family of decoders is made of."""

    prefix: str
    """How its classes begin: `Llama` in `LlamaForCausalLM`."""
    attention: Callable[[Config], int] = field(default_factory=Attention)
    """Parameters of one layer's attention."""
    feed_forward: Callable[[Config], int] = field(default_factory=Dense)
    """Parameters of all layers' feed-forward networks."""
    norm: int = RMS
    norms: int | Callable[[Config], int] = 2
    """Norms in a layer, besides those of queries and keys."""
    first_positions: int | None = None
    """Rows of a table of positions before the first position's; `None` without a table."""
    embedding_norm: bool = False
    head_bias: bool = False
    other: Callable[[Config], int] = lambda config: 0  # noqa: ARG005
    """What no other family has, besides its layers."""
    only: Mapping[str, object] = field(default_factory=dict)
    """Fields that the formula holds for only where they are these values or absent."""
    middle: str = ""
    """What follows the prefix in all classes but the one that writes: `Text` in `Gemma3TextModel`."""


def decoder_parameters(config: Config, decoder: Decoder) -> int:
    """Return the parameters of a decoder without its head.

    Raises:
        UntoldError: the config does not tell.
    """
    if any(config.get(name) not in (None, value) for name, value in decoder.only.items()):
        raise UntoldError(decoder.prefix)
    hidden, layers = number(config, "hidden_size"), depth(config)
    norms = decoder.norms if isinstance(decoder.norms, int) else decoder.norms(config)
    embeddings = number(config, "vocab_size") * _embedding_width(config)
    if decoder.first_positions is not None:
        embeddings += (decoder.first_positions + number(config, "max_position_embeddings")) * hidden
    outside = (2 if decoder.embedding_norm else 1) * decoder.norm * hidden  # the last norm
    within = layers * (decoder.attention(config) + norms * decoder.norm * hidden)
    return embeddings + outside + within + decoder.feed_forward(config) + decoder.other(config)


def decoder_head(config: Config, decoder: Decoder, head: str) -> int:
    """Return the parameters of a decoder's head: the end of its class's name tells which.

    Raises:
        UntoldError: there is no such head.
    """
    width = _embedding_width(config)
    if head in {"ForCausalLM", "LMHeadModel"}:
        bias = number(config, "vocab_size") if decoder.head_bias else 0
        return bias + (0 if holds(config, "tie_word_embeddings") else number(config, "vocab_size") * width)
    head = head.removeprefix(decoder.middle) if head.startswith(decoder.middle) else ""
    if head == "ForSequenceClassification":
        return linear(width, label_count(config), bias=False)
    if head == "ForTokenClassification":
        return linear(width, label_count(config))
    if head == "Model":
        return 0
    raise UntoldError(head)


def mamba_parameters(config: Config) -> int:
    """Return the parameters of a Mamba model without its head.

    Raises:
        UntoldError: the config does not tell.
    """
    hidden, state = number(config, "hidden_size"), number(config, "state_size")
    inner = whole_number(config, "intermediate_size") or number(config, "expand") * hidden
    kernel = number(config, "conv_kernel")
    rank = whole_number(config, "time_step_rank") or ceil(hidden / 16)
    bias = config.get("use_bias") is True
    mixer = (
        linear(hidden, 2 * inner, bias=bias)
        + linear(kernel, inner, bias=config.get("use_conv_bias") is not False)
        + inner * (rank + 2 * state)
        + linear(rank, inner)
        + inner * state
        + inner
        + linear(inner, hidden, bias=bias)
    )
    return number(config, "vocab_size") * hidden + depth(config) * (mixer + hidden) + hidden


def _embedding_width(config: Config) -> int:
    return whole_number(config, "word_embed_proj_dim") or number(config, "hidden_size")


def _falcon_norms(config: Config) -> int:
    if config.get("parallel_attn") is not True:
        return 2
    default = 2 if config.get("new_decoder_architecture") is True else 1
    return 2 if (whole_number(config, "num_ln_in_parallel_attn") or default) == 2 else 1


def _opt_projections(config: Config) -> int:
    """Return OPT's two projections between embeddings and a wider model, less a last norm that it does not have."""
    hidden, width = number(config, "hidden_size"), _embedding_width(config)
    last = config.get("do_layer_norm_before") is not False and config.get("_remove_final_layer_norm") is not True
    return (2 * hidden * width if width != hidden else 0) - (0 if last else LAYER_NORM * hidden)


_MPT_NETWORK: Final = Dense(gated=False, inner="")


def _mpt_network(config: Config) -> int:
    heads, kept = number(config, "num_attention_heads"), number(config, "num_key_value_heads")
    details = config.get("attn_config")
    if heads != kept or (isinstance(details, dict) and details.get("qk_ln") is True):
        raise UntoldError("attn_config")
    return _MPT_NETWORK(config)


_BY_CONFIG: Final = Attention("attention_bias", "attention_bias")
_GPT: Final = Decoder(
    "GPT2",
    Attention(qkv_bias=True, output_bias=True),
    Dense(gated=False, bias=True, inner="n_inner"),
    norm=LAYER_NORM,
    first_positions=0,
    only={"add_cross_attention": False},
)
DECODERS: Final[Mapping[str, Decoder]] = {
    "llama": Decoder("Llama", _BY_CONFIG, Dense(bias="mlp_bias")),
    "mistral": Decoder("Mistral"),
    "qwen2": Decoder("Qwen2", Attention(qkv_bias=True)),
    "qwen3": Decoder("Qwen3", Attention("attention_bias", "attention_bias", norm_by_head)),
    "phi3": Decoder("Phi3"),
    "gemma": Decoder("Gemma", _BY_CONFIG),
    "gemma2": Decoder("Gemma2", _BY_CONFIG, norms=4),
    "gemma3_text": Decoder(
        "Gemma3", Attention("attention_bias", "attention_bias", norm_by_head), norms=4, middle="Text"
    ),
    "olmo": Decoder("Olmo", _BY_CONFIG, norm=0),
    "olmo2": Decoder("Olmo2", Attention("attention_bias", "attention_bias", norm_of_width)),
    "olmo3": Decoder("Olmo3", Attention("attention_bias", "attention_bias", norm_of_width)),
    "granite": Decoder("Granite", _BY_CONFIG, Dense(bias="mlp_bias")),
    "smollm3": Decoder("SmolLM3", _BY_CONFIG, Dense(bias="mlp_bias")),
    "glm": Decoder("Glm", Attention("attention_bias")),
    "glm4": Decoder("Glm4", Attention("attention_bias"), norms=4),
    "cohere": Decoder(
        "Cohere",
        Attention("attention_bias", "attention_bias", lambda c: norm_of_width(c) if holds(c, "use_qk_norm") else 0),
        norms=1,
    ),
    "cohere2": Decoder("Cohere2", _BY_CONFIG, norms=1),
    "starcoder2": Decoder(
        "Starcoder2", Attention("use_bias", "use_bias"), Dense(gated=False, bias="use_bias"), norm=LAYER_NORM
    ),
    "stablelm": Decoder(
        "StableLm",
        Attention("use_qkv_bias", norm=lambda c: norm_of_width(c) if holds(c, "qk_layernorm") else 0),
        norm=LAYER_NORM,
        norms=lambda config: 1 if holds(config, "use_parallel_residual") else 2,
    ),
    "nemotron": Decoder("Nemotron", _BY_CONFIG, Dense(gated=False, bias="mlp_bias"), norm=LAYER_NORM),
    "phi": Decoder(
        "Phi",
        Attention(True, True, lambda c: LAYER_NORM * 2 * head_size(c) if holds(c, "qk_layernorm") else 0),
        Dense(gated=False, bias=True),
        norm=LAYER_NORM,
        norms=1,
        head_bias=True,
    ),
    "mixtral": Decoder("Mixtral", feed_forward=experts_in_each_layer),
    "olmoe": Decoder(
        "Olmoe", Attention("attention_bias", "attention_bias", norm_of_width), feed_forward=experts_in_each_layer
    ),
    "qwen2_moe": Decoder("Qwen2Moe", Attention("qkv_bias"), feed_forward=experts_in_some_layers),
    "qwen3_moe": Decoder(
        "Qwen3Moe", Attention("attention_bias", "attention_bias", norm_by_head), feed_forward=experts_in_some_layers
    ),
    "deepseek_v2": Decoder("DeepseekV2", compressed_attention, experts_after_the_first_layers),
    "deepseek_v3": Decoder("DeepseekV3", compressed_attention, experts_after_the_first_layers),
    "gpt_oss": Decoder(
        "GptOss", Attention("attention_bias", "attention_bias", sinks=True), feed_forward=experts_with_biases
    ),
    "gpt2": _GPT,
    "gpt_bigcode": replace(_GPT, prefix="GPTBigCode"),
    "gpt_neo": Decoder(
        "GPTNeo", Attention(output_bias=True), Dense(gated=False, bias=True), norm=LAYER_NORM, first_positions=0
    ),
    "gpt_neox": Decoder("GPTNeoX", _BY_CONFIG, Dense(gated=False, bias=True), norm=LAYER_NORM),
    "gptj": Decoder(
        "GPTJ", feed_forward=Dense(gated=False, bias=True, inner="n_inner"), norm=LAYER_NORM, norms=1, head_bias=True
    ),
    "codegen": Decoder(
        "CodeGen", feed_forward=Dense(gated=False, bias=True, inner="n_inner"), norm=LAYER_NORM, norms=1, head_bias=True
    ),
    "opt": Decoder(
        "OPT",
        Attention("enable_bias", "enable_bias"),
        Dense(gated=False, bias="enable_bias"),
        norm=LAYER_NORM,
        first_positions=2,
        other=_opt_projections,
        only={"layer_norm_elementwise_affine": True},
    ),
    "bloom": Decoder(
        "Bloom", Attention(True, True), Dense(gated=False, bias=True, inner=""), norm=LAYER_NORM, embedding_norm=True
    ),
    "falcon": Decoder(
        "Falcon",
        Attention("bias", "bias"),
        Dense(gated=False, bias="bias", inner="ffn_hidden_size"),
        norm=LAYER_NORM,
        norms=_falcon_norms,
    ),
    "mpt": Decoder("Mpt", feed_forward=_mpt_network, only={"no_bias": True, "expansion_ratio": 4}),
}
"""Families by `model_type`."""
