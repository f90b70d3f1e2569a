"""How much memory a model takes beside its weights: the arithmetic of the key/value cache. All sizes are bytes.

Formulas as in vLLM's cache specifications and transformers' caches; checked against published figures in
`tests/unit/test_models_memory.py`, which names them.
"""

from collections.abc import Mapping
from typing import Any, Final

from core.models.config_reading import stated_dtype, text_config, whole_number

_BYTES: Final[Mapping[str, int]] = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}
_FULLY_CACHED: Final = frozenset({"full_attention", "sliding_attention", "chunked_attention", "attention"})


def cache_bytes_per_value(config: Mapping[str, Any], dtype: str | None) -> int:
    """Return the size of one cached value: that of the type the model calculates in.

    That is the type of the weights where it is a floating point type of 16 bits or more. Weights in 8 bits or fewer are
    calculated in the type the config states, else in 16 bits; the cache is not made of smaller values for their sake.
    """
    for name in (dtype, stated_dtype(config)):
        if name is not None and name in _BYTES:
            return _BYTES[name]
    return 2


def kv_bytes_per_token(config: Mapping[str, Any], dtype: str | None) -> int | None:
    """Return what the cache grows by with each token of one sequence; `None` when the config does not tell.

    Attention with any number of key/value heads (MHA, GQA, MQA): 2 · layers · kv heads · head size · bytes; with a
    compressed cache (MLA, DeepSeek): layers · (kv_lora_rank + qk_rope_head_dim) · bytes. Layers with a sliding window
    are counted in full, which is the most they can take. Encoder-decoders and state-space layers are not known here.
    """
    text = text_config(config)
    layers = whole_number(text, "num_hidden_layers", "num_layers", "n_layer", "n_layers")
    if layers is None or config.get("is_encoder_decoder") is True or not _all_layers_attend(text):
        return None
    each = cache_bytes_per_value(config, dtype)
    rank = whole_number(text, "kv_lora_rank")
    if rank is not None:
        return layers * (rank + (whole_number(text, "qk_rope_head_dim") or 0)) * each
    heads = whole_number(text, "num_attention_heads", "num_heads", "n_head", "n_heads")
    if heads is None:
        return None
    head_size = whole_number(text, "head_dim")
    if head_size is None:
        hidden = whole_number(text, "hidden_size", "n_embd", "d_model")
        if hidden is None or hidden % heads:
            return None
        head_size = hidden // heads
    return 2 * layers * _kv_heads(text, heads) * head_size * each


def max_context(config: Mapping[str, Any]) -> int | None:
    """Return how many tokens the model can attend to; `None` when the config does not tell."""
    text = text_config(config)
    return whole_number(
        text, "max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "max_sequence_length", "seq_length"
    )


def layer_count(config: Mapping[str, Any]) -> int | None:
    """Return the number of layers; `None` when the config does not tell."""
    return whole_number(text_config(config), "num_hidden_layers", "num_layers", "n_layer", "n_layers")


def _kv_heads(text: Mapping[str, Any], heads: int) -> int:
    # Falcon states num_kv_heads = heads, and means it only in its new decoder architecture.
    if text.get("multi_query") is True and text.get("new_decoder_architecture") is not True:
        return 1
    nested = text.get("attn_config")  # MPT, DBRX
    in_nested = whole_number(nested, "kv_n_heads") if isinstance(nested, dict) else None
    return whole_number(text, "num_key_value_heads", "num_kv_heads", "n_head_kv") or in_nested or heads


def _all_layers_attend(text: Mapping[str, Any]) -> bool:
    kinds = text.get("layer_types") or text.get("layers_block_type") or ()
    return isinstance(kinds, list | tuple) and all(kind in _FULLY_CACHED for kind in kinds)
