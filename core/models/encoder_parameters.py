"""Parameters of models that read: encoders with their heads, and pairs of an encoder and a decoder.

Formulas follow the modules of transformers 5.24; `tests/unit/test_parameter_count.py` counts those.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from core.models.config_reading import whole_number
from core.models.decoder_blocks import network
from core.models.parameter_shapes import (
    Config,
    UntoldError,
    depth,
    holds,
    label_count,
    linear,
    number,
    number_or_none,
)


@dataclass(frozen=True, slots=True)
class Encoder:
    """A family of encoders like BERT. Its heads are named as its classes end."""

    prefix: str
    pooled: frozenset[str]
    """Heads that stand on the first token's output, put through one more layer."""
    hidden_labels: frozenset[str]
    """Heads that classify with a hidden layer of their own."""
    token_types: bool = True


def encoder_parameters(config: Config, encoder: Encoder, head: str) -> int:
    """Return the parameters of an encoder with its head.

    Raises:
        UntoldError: the config does not tell, or there is no such head.
    """
    if config.get("position_embedding_type") not in (None, "absolute") or holds(config, "add_cross_attention"):
        raise UntoldError(encoder.prefix)
    hidden, vocabulary = number(config, "hidden_size"), number(config, "vocab_size")
    inner = number(config, "intermediate_size", "hidden_dim")
    rows = vocabulary + number(config, "max_position_embeddings")
    if encoder.token_types:
        rows += number_or_none(config, "type_vocab_size")
    total = rows * hidden + 2 * hidden + depth(config) * _layer(hidden, inner)
    if head in encoder.pooled:
        total += linear(hidden, hidden)
    return total + _head(config, encoder, head)


def _layer(hidden: int, inner: int) -> int:
    """Return the parameters of a layer with biases everywhere and two norms."""
    return _attention(hidden) + network(hidden, inner, gated=False, bias=True) + 2 * 2 * hidden


def _attention(hidden: int) -> int:
    return 4 * linear(hidden, hidden)


def _head(config: Config, encoder: Encoder, head: str) -> int:
    hidden, labels = number(config, "hidden_size"), label_count(config)
    if head == "Model":
        return 0
    own = linear(hidden, hidden) if head in encoder.hidden_labels else 0
    if head in {"ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering"}:
        return own + linear(hidden, labels)
    if head == "ForMultipleChoice":
        return own + linear(hidden, 1)
    if head in {"ForMaskedLM", "LMHeadModel", "ForPreTraining"}:
        vocabulary = number(config, "vocab_size")
        tied = holds(config, "tie_word_embeddings")
        words = linear(hidden, hidden) + 2 * hidden + vocabulary + (0 if tied else vocabulary * hidden)
        return words + (linear(hidden, 2) if head == "ForPreTraining" else 0)
    raise UntoldError(head)


_CLASSIFIED: Final = frozenset({"ForSequenceClassification"})
_BERT: Final = Encoder(
    "Bert",
    pooled=frozenset({"Model", "ForSequenceClassification", "ForMultipleChoice", "ForPreTraining"}),
    hidden_labels=frozenset(),
)
_ROBERTA_POOLED: Final = frozenset({"Model", "ForMultipleChoice"})
ENCODERS: Final[Mapping[str, Encoder]] = {
    "bert": _BERT,
    "roberta": Encoder("Roberta", _ROBERTA_POOLED, _CLASSIFIED),
    "xlm-roberta": Encoder("XLMRoberta", _ROBERTA_POOLED, _CLASSIFIED),
    "camembert": Encoder("Camembert", _ROBERTA_POOLED, _CLASSIFIED),
    "distilbert": Encoder(
        "DistilBert", frozenset(), frozenset({"ForSequenceClassification", "ForMultipleChoice"}), token_types=False
    ),
}
"""Families by `model_type`."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A family of encoders with decoders: how its classes begin, and the parameters without and with each head."""

    prefix: str
    parameters: Callable[[Config, str], int]


def _t5(config: Config, head: str) -> int:
    hidden, heads, size = number(config, "hidden_size"), number(config, "num_attention_heads"), number(config, "d_kv")
    projection = config.get("feed_forward_proj")
    gated = isinstance(projection, str) and projection.startswith("gated-")
    feed_forward = network(hidden, number(config, "d_ff"), gated=gated)
    attention, buckets = 4 * hidden * heads * size, number(config, "relative_attention_num_buckets")
    vocabulary = number(config, "vocab_size") * hidden
    encoder = depth(config) * (attention + feed_forward + 2 * hidden) + buckets * heads + hidden
    layers = depth(config, "num_decoder_layers") if config.get("num_decoder_layers") is not None else depth(config)
    decoder = layers * (2 * attention + feed_forward + 3 * hidden) + buckets * heads + hidden
    if head == "EncoderModel":
        return vocabulary + encoder
    if head == "Model":
        return vocabulary + encoder + decoder
    if head == "ForConditionalGeneration":
        # Checkpoints whose config says so have a head of their own, which transformers 5 leaves unused.
        return (2 if config.get("tie_word_embeddings") is False else 1) * vocabulary + encoder + decoder
    raise UntoldError(head)


def _mt5(config: Config, head: str) -> int:
    return _t5({"feed_forward_proj": "gated-gelu", **config}, head)


def _bart(config: Config, head: str, *, last_norms: int = 0, labels: int = 3) -> int:
    hidden, vocabulary = number(config, "hidden_size"), number(config, "vocab_size")
    encoder = depth(config, "encoder_layers") * _layer(hidden, number(config, "encoder_ffn_dim"))
    each = _layer(hidden, number(config, "decoder_ffn_dim")) + _attention(hidden) + 2 * hidden
    decoder = depth(config, "decoder_layers") * each
    positions = 2 * (number(config, "max_position_embeddings") + 2) * hidden
    total = vocabulary * hidden + positions + encoder + decoder + (2 + last_norms) * 2 * hidden
    if not holds(config, "tie_word_embeddings"):
        raise UntoldError("tie_word_embeddings")
    if head in {"Model", "ForConditionalGeneration"}:
        return total
    if head == "ForSequenceClassification":
        return total + linear(hidden, hidden) + linear(hidden, label_count(config, labels))
    raise UntoldError(head)


def _mbart(config: Config, head: str) -> int:
    return _bart(config, head, last_norms=2, labels=2)


def _whisper(config: Config, head: str) -> int:
    hidden = number(config, "hidden_size")
    attention = _attention(hidden) - hidden  # keys have no bias
    listening = linear(3 * number(config, "num_mel_bins"), hidden) + linear(3 * hidden, hidden)
    inner = network(hidden, number(config, "encoder_ffn_dim"), gated=False, bias=True)
    encoder = depth(config, "encoder_layers") * (attention + inner + 4 * hidden)
    inner = network(hidden, number(config, "decoder_ffn_dim"), gated=False, bias=True)
    decoder = depth(config, "decoder_layers") * (2 * attention + inner + 6 * hidden)
    rows = (
        number(config, "max_source_positions") + number(config, "max_target_positions") + number(config, "vocab_size")
    )
    if head not in {"Model", "ForConditionalGeneration"} or not holds(config, "tie_word_embeddings"):
        raise UntoldError(head)
    return listening + encoder + decoder + (rows + 4) * hidden


PAIRS: Final[Mapping[str, Pair]] = {
    "t5": Pair("T5", _t5),
    "mt5": Pair("MT5", _mt5),
    "bart": Pair("Bart", _bart),
    "mbart": Pair("MBart", _mbart),
    "whisper": Pair("Whisper", _whisper),
}
"""Families by `model_type`."""


def siglip_parameters(config: Config) -> int:
    """Return the parameters of a SigLIP vision tower without its pooling head, of its own part of a config.

    Raises:
        UntoldError: the config does not tell, or the tower has a head.
    """
    if config.get("vision_use_head") is not False or config.get("model_type") != "siglip_vision_model":
        raise UntoldError("vision_use_head")
    hidden, patch, image = (number(config, name) for name in ("hidden_size", "patch_size", "image_size"))
    channels = whole_number(config, "num_channels") or 3
    embeddings = linear(channels * patch**2, hidden) + (image // patch) ** 2 * hidden
    return embeddings + depth(config) * _layer(hidden, number(config, "intermediate_size")) + 2 * hidden
