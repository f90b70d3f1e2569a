"""The number of parameters of the model that a Hugging Face `config.json` describes, without its weights.

Exact for the families whose formula is known, with the head that the config's class has; nothing for others. Buffers
(masks, positions, a router's bias) are no parameters, nor are layers that predict further tokens (DeepSeek's MTP).
"""

from collections.abc import Mapping
from typing import Any, Final

from core.models.config_reading import architecture
from core.models.decoder_parameters import DECODERS, decoder_head, decoder_parameters, mamba_parameters
from core.models.encoder_parameters import ENCODERS, PAIRS, encoder_parameters, siglip_parameters
from core.models.model_types import language_config
from core.models.parameter_shapes import Config, UntoldError, holds, number

_GEMMA3: Final = DECODERS["gemma3_text"]
_HETEROGENEOUS: Final = "per_layer_config"
"""Where transformers 5 keeps what only some layers have."""


def parameters_from_config(config: Mapping[str, Any]) -> int | None:
    """Return the number of parameters of the model that a `config.json` describes; `None` where it is not known.

    `architectures` tells the head: a model that writes has an output layer, which counts unless it is the table of
    embeddings (`tie_word_embeddings`, by default as the model's class has it).
    """
    named = architecture(config)
    if named is None or config.get(_HETEROGENEOUS):
        return None
    try:
        return _parameters(config, language_config(config), named)
    except UntoldError:
        return None


def _parameters(config: Config, language: Config, named: str) -> int:
    model_type = config.get("model_type")
    if not isinstance(model_type, str):
        raise UntoldError("model_type")
    if (decoder := DECODERS.get(model_type)) is not None:
        head = _head(named, decoder.prefix)
        return decoder_parameters(language, decoder) + decoder_head(language, decoder, head)
    if (encoder := ENCODERS.get(model_type)) is not None:
        return encoder_parameters(language, encoder, _head(named, encoder.prefix))
    if (pair := PAIRS.get(model_type)) is not None:
        return pair.parameters(language, _head(named, pair.prefix))
    if (model_type, named) == ("gemma3", "Gemma3ForConditionalGeneration"):
        return _gemma3(config, language)
    if model_type == "mamba" and named in {"MambaForCausalLM", "MambaModel"}:
        own = number(language, "vocab_size") * number(language, "hidden_size")
        untied = named == "MambaForCausalLM" and not holds(language, "tie_word_embeddings")
        return mamba_parameters(language) + (own if untied else 0)
    raise UntoldError(model_type)


def _head(named: str, prefix: str) -> str:
    """Return how the name of a class ends; the class is of no known family when it begins otherwise."""
    if not named.startswith(prefix):
        raise UntoldError(named)
    return named.removeprefix(prefix)


def _gemma3(config: Config, language: Config) -> int:
    vision = config.get("vision_config")
    if language is config or not isinstance(vision, dict) or language.get("model_type") != "gemma3_text":
        raise UntoldError("vision_config")
    seen = number(vision, "hidden_size")
    projector = seen * number(language, "hidden_size") + seen
    written = decoder_parameters(language, _GEMMA3) + decoder_head(language, _GEMMA3, "ForCausalLM")
    return siglip_parameters(vision) + projector + written
