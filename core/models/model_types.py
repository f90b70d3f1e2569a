"""The language model in a Hugging Face `config.json`, by names that are the same for every architecture.

A config leaves out what is the default of the class that transformers reads it with, and families name things
differently (`n_layer`, `num_layers`). Both are looked up in `data/model_types.json`, which
`core.models.model_types_refresh` makes of transformers' classes; of model types that are not in it, common spellings
are understood. Heads are counts, lengths are tokens, sizes are elements.
"""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

STATE_SIZE: Final = "state_size"
INTEGERS: Final = (
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "hidden_size",
    "intermediate_size",
    "vocab_size",
    "max_position_embeddings",
    "sliding_window",
    "sliding_window_pattern",
    "max_window_layers",
    "attention_chunk_size",
    "type_vocab_size",
    # Gemma 3n and 4: layers that attend to everything have other heads, and some share what others keep
    "global_head_dim",
    "num_global_key_value_heads",
    "num_kv_shared_layers",
    # encoders and decoders
    "encoder_layers",
    "decoder_layers",
    "num_decoder_layers",
    "encoder_attention_heads",
    "decoder_attention_heads",
    "encoder_ffn_dim",
    "decoder_ffn_dim",
    "d_kv",
    "d_ff",
    "max_source_positions",
    "max_target_positions",
    "num_mel_bins",
    "relative_attention_num_buckets",
    # mixtures of experts
    "num_local_experts",
    "num_experts",
    "n_routed_experts",
    "n_shared_experts",
    "moe_intermediate_size",
    "shared_expert_intermediate_size",
    "num_experts_per_tok",
    "first_k_dense_replace",
    "decoder_sparse_step",
    # compressed attention
    "kv_lora_rank",
    "q_lora_rank",
    "qk_rope_head_dim",
    "qk_nope_head_dim",
    "v_head_dim",
    # state-space and linear layers
    STATE_SIZE,
    "conv_kernel",
    "expand",
    "n_groups",
    "num_heads",
    "mamba_d_state",
    "mamba_d_conv",
    "mamba_expand",
    "mamba_n_heads",
    "mamba_d_head",
    "mamba_n_groups",
    "attn_layer_period",
    "attn_layer_offset",
    "linear_num_key_heads",
    "linear_num_value_heads",
    "linear_key_head_dim",
    "linear_value_head_dim",
    "linear_conv_kernel_dim",
    "full_attention_interval",
)
"""Names of whole numbers above 0."""
BOOLEANS: Final = (
    "use_sliding_window",
    "tie_word_embeddings",
    "is_encoder_decoder",
    "multi_query",
    "new_decoder_architecture",
    "parallel_attn",
    "attention_bias",
    "mlp_bias",
    "use_bias",
    "bias",
    "qkv_bias",
    "use_qkv_bias",
    "qk_layernorm",
    "use_qk_norm",
    "use_parallel_residual",
    "enable_bias",
)
OF_THE_WHOLE: Final = ("is_encoder_decoder", "tie_word_embeddings")
"""Names that say something of the whole model, wherever they stand."""
LISTS: Final = ("layer_types", "layers_block_type", "mlp_only_layers")
"""Names of lists: kinds of layers, or numbers of layers."""
ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "num_hidden_layers": ("n_layer", "n_layers", "num_layers", "num_transformer_layers"),
    "num_attention_heads": ("n_head", "n_heads", "num_heads"),
    "num_key_value_heads": ("num_kv_heads", "n_head_kv", "n_kv_heads"),
    "head_dim": ("kv_channels",),
    "hidden_size": ("n_embd", "d_model", "n_embed"),
    "intermediate_size": ("n_inner", "ffn_dim", "d_ff", "ffn_hidden_size"),
    "vocab_size": ("padded_vocab_size",),
    "max_position_embeddings": (
        "n_positions",
        "n_ctx",
        "max_seq_len",
        "seq_length",
        "max_sequence_length",
        "model_max_length",
    ),
    "sliding_window_pattern": ("_sliding_window_pattern", "global_attn_every_n_layers"),
    "full_attention_interval": ("layer_group_size",),
    STATE_SIZE: ("ssm_state_size",),
    "mamba_n_heads": ("mamba_num_heads",),
    "mamba_d_head": ("mamba_head_dim",),
    "mamba_n_groups": ("mamba_ngroups",),
}
"""Other spellings, of model types that the table lacks too."""
_NESTED: Final[Mapping[str, tuple[str, str]]] = {  # MPT, DBRX
    "num_key_value_heads": ("attn_config", "kv_n_heads"),
    "intermediate_size": ("ffn_config", "ffn_hidden_size"),
    "num_local_experts": ("ffn_config", "moe_num_experts"),
    "num_experts_per_tok": ("ffn_config", "moe_top_k"),
}
_PARTS: Final = (
    ("text_config",),
    ("llm_config",),
    ("language_config",),
    ("thinker_config", "text_config"),
)
"""Where model types that the table lacks describe their language model."""
_MAY_BE_ZERO: Final = frozenset(
    {
        "max_window_layers",
        "type_vocab_size",
        "num_kv_shared_layers",
        "num_local_experts",
        "num_experts",
        "n_routed_experts",
        "n_shared_experts",
        "shared_expert_intermediate_size",
        "first_k_dense_replace",
        "attn_layer_offset",
        "relative_attention_num_buckets",
    }
)
_ROWS_OF_LAYERS: Final = (
    # What tells a class which layers attend to what. Where a config states one of these, the default is not for it.
    "sliding_window_pattern",
    "_sliding_window_pattern",
    "global_attn_every_n_layers",
    "full_attention_interval",
    "layer_group_size",
    "attn_layer_period",
    "attn_layer_offset",
    "hybrid_layer_ids",
    "local_layer_ids",
    "linear_attn_config",
    "no_rope_layer_interval",
)
_LETTERS: Final[Mapping[str, str]] = {"M": "mamba", "*": "attention", "-": "mlp", "E": "moe"}
"""Nemotron-H, `hybrid_override_pattern`."""
_FULL: Final = "full_attention"
_LINEAR: Final = "linear_attention"
_LARGEST_NUMBER: Final = 10**12
_MOST_LAYERS: Final = 10_000

Row = Mapping[str, Any]
_NO_ROW: Final[Row] = MappingProxyType({})


@cache
def model_types() -> Mapping[str, Row]:
    """Return what transformers knows of each model type: `names`, `defaults`, `part`, `part_type` and `layers`."""
    data = json.loads(files("core.models").joinpath("data/model_types.json").read_text(encoding="utf-8"))
    return MappingProxyType(data["types"])


def language_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a `config.json` says of the language model, with the common names beside the model's own.

    That is the nested part of a model that also sees or hears, else the config itself. A value that the config states
    wins over the default of the model's class; `null`, or one of the wrong type, counts as none, whatever the default.
    `num_key_value_heads` is there whenever `num_attention_heads` is, and `sliding_window` only where layers may use it.
    Never raises.
    """
    part, row = _language_part(config)
    found = dict(part)
    if "model_type" not in found and "model_type" in row:
        found["model_type"] = row["model_type"]
    for name in (*INTEGERS, *BOOLEANS, *LISTS):
        value = _value(name, part, row)
        if value is None:
            found.pop(name, None)
        else:
            found[name] = value
    _inherit(found, part, config)
    if found.get("use_sliding_window") is False:
        found.pop("sliding_window", None)
    heads = _key_value_heads(found, part)
    if heads is not None:
        found["num_key_value_heads"] = heads
    if kinds := _layer_types(found, part, row):
        found["layer_types"] = kinds
    return found


def _language_part(config: Mapping[str, Any]) -> tuple[Mapping[str, Any], Row]:
    """Return the part of a config that describes the language model, and what is known of that part's model type."""
    row = _row(config)
    paths = _PARTS if not row or "part" in row else _PARTS[:1]
    for path in (row.get("part", ()), *paths):
        part: Any = config
        for name in path:
            part = part.get(name) if isinstance(part, dict) else None
        if path and isinstance(part, dict):
            return part, _row(part) or _row({"model_type": row.get("part_type")})
    # Older configs of some models (Qwen2-VL) describe the language model beside everything else.
    return config, _row({"model_type": row["part_type"]}) if "part" in row else row


def _row(config: Mapping[str, Any]) -> Row:
    name = config.get("model_type")
    row = model_types().get(name) if isinstance(name, str) else None
    return _NO_ROW if row is None else {**row, "model_type": name}


def _value(name: str, part: Mapping[str, Any], row: Row) -> Any:
    """Return the value of a common name: stated, or the class's default; `None` for none."""
    stated_none = False
    for spelling in _spellings(name, row):
        if spelling in part:
            value = part[spelling]
            if _valid(name, value):
                return value
            stated_none = True  # what makes no sense is not what the class has by default either
    if name in _NESTED:
        outer, inner = _NESTED[name]
        nested = part.get(outer)
        if isinstance(nested, dict) and _valid(name, nested.get(inner)):
            return nested[inner]
    # Kinds of layers that are null are reckoned anew.
    return None if stated_none else row.get("defaults", _NO_ROW).get(name)


def _spellings(name: str, row: Row) -> Iterable[str]:
    names = row.get("names", _NO_ROW)
    yield name
    if name in names:
        yield names[name]
    # `num_heads` is something else where the class has no attention.
    known = not row or name in names or name in row.get("defaults", _NO_ROW) or name == "max_position_embeddings"
    if known or name in ("num_key_value_heads", "intermediate_size", "sliding_window_pattern"):
        yield from ALIASES.get(name, ())


def _valid(name: str, value: object) -> bool:
    if name in BOOLEANS:
        return isinstance(value, bool)
    if name in LISTS:
        kind = int if name == "mlp_only_layers" else str
        return isinstance(value, list) and len(value) <= _MOST_LAYERS and all(type(each) is kind for each in value)
    return type(value) is int and (0 if name in _MAY_BE_ZERO else 1) <= value <= _LARGEST_NUMBER


def _inherit(found: dict[str, Any], part: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Add what the whole config, or else its class, says of a part that is silent."""
    defaults = _row(config).get("defaults", _NO_ROW)
    for name in OF_THE_WHOLE:
        value = next((each for each in (config.get(name), defaults.get(name)) if isinstance(each, bool)), None)
        if value is not None and not isinstance(part.get(name), bool):
            # An encoder-decoder within (BLIP-2 with T5) is one, whatever the whole is called.
            found[name] = value or (name == "is_encoder_decoder" and found.get(name) is True)


def _key_value_heads(found: Mapping[str, Any], part: Mapping[str, Any]) -> int | None:
    heads: int | None = found.get("num_attention_heads")
    stated: int | None = found.get("num_key_value_heads")
    if heads is None:
        return stated
    shared = found.get("multi_query") is True
    match found.get("model_type"):
        case "falcon":  # counts its key/value heads in the new architecture only
            return (stated or heads) if found.get("new_decoder_architecture") is True else 1 if shared else heads
        case "gpt_bigcode":
            return 1 if shared else heads
    if part.get("multi_query_attention") is True and _valid("num_heads", part.get("multi_query_group_num")):
        return int(part["multi_query_group_num"])  # ChatGLM
    return stated or (1 if shared else heads)


def _layer_types(found: Mapping[str, Any], part: Mapping[str, Any], row: Row) -> list[str] | None:
    """Return the kinds of layers, in the words of transformers; `None` where nothing tells them, or `found` does."""
    layers: int | None = found.get("num_hidden_layers")
    if layers is None or layers > _MOST_LAYERS or "layer_types" in found:
        return None
    if "layers_block_type" in found:
        return None
    letters, repeated = part.get("hybrid_override_pattern"), part.get("block_types")
    if isinstance(letters, str) and len(letters) == layers and set(letters) <= set(_LETTERS):
        return [_LETTERS[letter] for letter in letters]
    if isinstance(repeated, list) and repeated and set(map(str, repeated)) <= {"recurrent", "attention"}:
        kinds = [_LINEAR if each == "recurrent" else "sliding_attention" for each in repeated]  # RecurrentGemma
        return (kinds * (layers // len(kinds) + 1))[:layers]
    spelled = part.get("sliding_window_pattern")
    if isinstance(spelled, str) and spelled and set(spelled) <= {"L", "G"}:  # EXAONE: local and global in turn
        return [_FULL if spelled[number % len(spelled)] == "G" else "sliding_attention" for number in range(layers)]
    numbers = part.get("attn_type_list")
    if isinstance(numbers, list) and len(numbers) == layers:  # MiniMax
        return [_FULL if each == 1 else _LINEAR for each in numbers]
    for name, other in (("attn_layer_indices", _LINEAR), ("full_attn_idxs", "conv")):  # Bamba, LFM2
        if (chosen := _numbers(part.get(name))) is not None:
            return [_FULL if number in chosen else other for number in range(layers)]
    stated = part.get("linear_attn_config")
    chosen = _numbers(stated.get("full_attn_layers")) if isinstance(stated, dict) else None
    if chosen is not None:  # Kimi Linear counts from 1
        return [_FULL if number in chosen else _LINEAR for number in range(1, layers + 1)]
    untouched: int | None = found.get("max_window_layers")
    if untouched is not None and "sliding_window" in found:  # Qwen
        return [_FULL if number < untouched else "sliding_attention" for number in range(layers)]
    pattern = row.get("layers")
    if pattern is None or any(part.get(name) for name in _ROWS_OF_LAYERS):
        return None
    if back := pattern.get("backwards"):
        return list((back * (layers // len(back) + 1))[:layers][::-1])
    first, last = pattern.get("first", [])[:layers], pattern.get("last", [])
    rest = pattern["row"] * (layers // len(pattern["row"]) + 1)
    return [*first, *rest[: max(0, layers - len(first) - len(last))], *last][-layers:]


def _numbers(value: object) -> frozenset[int] | None:
    """Return the numbers in a list; `None` for what is no list of whole numbers."""
    if isinstance(value, list) and all(type(each) is int for each in value):
        return frozenset(value)
    return None
