"""Configs of every architecture by common names: what is stated, what the class adds, what is malformed."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.models.model_types import ALIASES, BOOLEANS, INTEGERS, LISTS, language_config, model_types
from core.models.model_types_refresh import DATA_FILE, data_document, document_text, row_of

COMPARED = (
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "hidden_size",
    "intermediate_size",
    "vocab_size",
    "max_position_embeddings",
    "num_local_experts",
    "kv_lora_rank",
    "tie_word_embeddings",
    "layer_types",
)
DOCUMENT = json.loads(DATA_FILE.read_text(encoding="utf-8"))


DIFFERENT = {
    # Reckoned by the class from parts that a config always states, or that are no such thing (HRM runs layers twice).
    ("dbrx", "num_key_value_heads"),
    ("hrm_text", "num_hidden_layers"),
    ("hy_v4_vl_text", "num_key_value_heads"),
    ("step3p5", "num_local_experts"),
}
LATENT = frozenset({"axk2", "bailing_hybrid", "hy_v4", "hy_v4_vl_text"})
"""Types of compressed attention, whose `head_dim` is not what is cached."""


@pytest.fixture(scope="session")
def config_classes() -> Mapping[str, Any]:
    transformers = pytest.importorskip("transformers")
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING, CONFIG_MAPPING_NAMES

    if transformers.__version__ != DOCUMENT["transformers"]:
        pytest.skip(f"the table is of transformers {DOCUMENT['transformers']}")
    transformers.logging.set_verbosity_error()
    return {name: CONFIG_MAPPING[name] for name in CONFIG_MAPPING_NAMES}


# The table, against transformers itself.


def test_the_packaged_table_is_what_the_installed_transformers_makes(config_classes: Mapping[str, Any]) -> None:
    assert document_text(data_document()) == DATA_FILE.read_text(encoding="utf-8")


def test_the_table_is_small_and_has_a_line_for_each_model_type() -> None:
    text = DATA_FILE.read_text(encoding="utf-8")
    assert len(text) < 150_000
    lines = text.splitlines()
    assert all(any(line.startswith(f'"{name}": {{') for line in lines) for name in list(DOCUMENT["types"])[:50])
    assert len(lines) == len(DOCUMENT["types"]) + 6
    assert list(DOCUMENT["types"]) == sorted(DOCUMENT["types"])


def test_an_empty_config_of_any_type_has_the_values_of_its_class(config_classes: Mapping[str, Any]) -> None:
    compared, wrong = 0, {}
    for name, row in model_types().items():
        if "part" in row:
            continue
        instance, found = config_classes[name](), language_config({"model_type": name})
        instance.allow_global_per_layer_attribute_access = True  # Gemma 4
        for field in COMPARED:
            if field not in found or (name, field) in DIFFERENT or (field == "head_dim" and name in LATENT):
                continue
            built = getattr(instance, field, None)
            if built is not None and isinstance(built, list) == isinstance(found[field], list):
                compared += 1
                if built != found[field]:
                    wrong[name, field] = (built, found[field])
    assert not wrong
    assert compared > 2500


@pytest.mark.parametrize("depth", [1, 2, 7, 30])
@pytest.mark.parametrize(
    "name",
    ["gemma2", "gemma3_text", "cohere2", "gpt_oss", "llama4_text", "jamba", "qwen3_next", "gemma4_text",
     "muse_glimmer_text"],
)  # fmt: skip
def test_kinds_of_layers_are_those_of_the_class_at_any_depth(
    name: str, depth: int, config_classes: Mapping[str, Any]
) -> None:
    built = config_classes[name](num_hidden_layers=depth).layer_types
    assert language_config({"model_type": name, "num_hidden_layers": depth})["layer_types"] == built


# What configs say.


def read(*names: str, **config: Any) -> tuple[Any, ...]:
    found = language_config(config)
    return tuple(found.get(name) for name in names)


def test_what_the_config_states_wins() -> None:
    assert read("num_key_value_heads", "head_dim", model_type="qwen3", num_key_value_heads=2, head_dim=96) == (2, 96)


def test_what_gemma_3_leaves_out_is_its_classs_default() -> None:
    text = {"model_type": "gemma3_text", "hidden_size": 2560, "num_hidden_layers": 34, "sliding_window": 1024}
    found = language_config({"model_type": "gemma3", "text_config": text, "vision_config": {"hidden_size": 1152}})
    assert (found["num_attention_heads"], found["num_key_value_heads"], found["head_dim"]) == (8, 4, 256)
    assert (found["hidden_size"], found["sliding_window"], found["tie_word_embeddings"]) == (2560, 1024, True)
    assert [number for number, kind in enumerate(found["layer_types"]) if kind == "full_attention"] == [
        5,
        11,
        17,
        23,
        29,
    ]


def test_kinds_of_layers_are_not_reckoned_where_the_config_says_how_many_are_full() -> None:
    found = language_config({"model_type": "gemma3_text", "sliding_window_pattern": 2})
    assert found["sliding_window_pattern"] == 2
    assert "layer_types" not in found


def test_the_models_own_spelling_stays() -> None:
    found = language_config({"model_type": "gpt2", "n_layer": 12, "n_embd": 768, "n_head": 12, "n_inner": None})
    assert (found["n_layer"], found["num_hidden_layers"], found["hidden_size"]) == (12, 12, 768)
    assert "intermediate_size" not in found


def test_what_is_nested_inherits_from_the_whole() -> None:
    blip = {"model_type": "blip-2", "text_config": {"model_type": "t5"}, "is_encoder_decoder": False}
    assert language_config(blip)["is_encoder_decoder"] is True
    tied = {"model_type": "llava", "text_config": {"model_type": "llama"}, "tie_word_embeddings": True}
    assert language_config(tied)["tie_word_embeddings"] is True


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "qwen2_5_omni", "thinker_config": {"text_config": {"num_hidden_layers": 3}}},
        {"model_type": "encoder-decoder", "decoder": {"model_type": "bert", "num_hidden_layers": 3}},
        {"model_type": "internvl_chat", "llm_config": {"model_type": "qwen2", "num_hidden_layers": 3}},
        {"model_type": "never_heard_of", "text_config": {"n_layers": 3}},
        {"model_type": "qwen2_vl", "num_hidden_layers": 3, "vision_config": {"depth": 32}},
        {"model_type": "qwen2_vl", "text_config": "none", "num_hidden_layers": 3},
    ],
    ids=["omni", "encoder-decoder", "internvl", "unknown", "flat", "malformed"],
)
def test_the_language_model_is_found_wherever_it_is_described(config: dict[str, Any]) -> None:
    assert language_config(config)["num_hidden_layers"] == 3


@pytest.mark.parametrize(
    ("config", "heads"),
    [
        ({"model_type": "falcon", "num_attention_heads": 71, "num_kv_heads": 71, "multi_query": True}, 1),
        ({"model_type": "falcon", "num_attention_heads": 128, "num_kv_heads": 8, "new_decoder_architecture": True}, 8),
        ({"model_type": "falcon", "num_attention_heads": 64, "multi_query": False, "num_kv_heads": 8}, 64),
        ({"model_type": "RefinedWebModel", "n_head": 71, "multi_query": True}, 1),
        ({"model_type": "RefinedWeb", "n_head": 128, "n_head_kv": 8}, 8),
        ({"model_type": "gpt_bigcode", "n_head": 48}, 1),
        ({"model_type": "gpt_bigcode", "n_head": 48, "multi_query": False}, 48),
        ({"model_type": "mpt", "n_heads": 32, "attn_config": {"kv_n_heads": 8}}, 8),
        ({"model_type": "dbrx", "n_heads": 48, "attn_config": {"kv_n_heads": 8}}, 8),
        ({"model_type": "chatglm", "num_heads": 32, "multi_query_attention": True, "multi_query_group_num": 2}, 2),
        ({"model_type": "llama", "num_attention_heads": 40}, 40),
        ({"model_type": "mistral", "num_attention_heads": 16, "num_key_value_heads": None}, 16),
        ({"model_type": "mistral", "num_attention_heads": 16}, 8),
        ({"num_heads": 12}, 12),
    ],
)  # fmt: skip
def test_key_value_heads_are_resolved(config: dict[str, Any], heads: int) -> None:
    assert language_config(config)["num_key_value_heads"] == heads


@pytest.mark.parametrize(
    ("config", "window"),
    [
        ({"model_type": "mistral"}, 4096),
        ({"model_type": "mistral", "sliding_window": None}, None),
        ({"model_type": "mistral", "sliding_window": 0}, None),
        ({"model_type": "mistral", "sliding_window": "wide"}, None),
        ({"model_type": "qwen2", "sliding_window": 32768}, None),
        ({"model_type": "qwen2", "sliding_window": 32768, "use_sliding_window": False}, None),
        ({"model_type": "qwen2", "sliding_window": 32768, "use_sliding_window": True}, 32768),
        ({"model_type": "gpt_neo", "window_size": 256, "attention_types": [[["global", "local"], 6]]}, None),
        ({"model_type": "recurrent_gemma", "attention_window_size": 2048}, 2048),
    ],
)
def test_a_window_is_there_only_where_layers_use_it(config: dict[str, Any], window: int | None) -> None:
    assert language_config(config).get("sliding_window") == window


def test_qwens_last_layers_slide_where_they_may() -> None:
    config = {"model_type": "qwen2", "num_hidden_layers": 4, "use_sliding_window": True, "max_window_layers": 3}
    assert read("layer_types", **config) == (["full_attention"] * 3 + ["sliding_attention"],)


@pytest.mark.parametrize(
    ("config", "kinds"),
    [
        ({"model_type": "nemotron_h", "num_hidden_layers": 4, "hybrid_override_pattern": "M-*E"},
         ["mamba", "mlp", "attention", "moe"]),
        ({"model_type": "recurrent_gemma", "num_hidden_layers": 3, "block_types": ["recurrent", "attention"]},
         ["linear_attention", "sliding_attention", "linear_attention"]),
        ({"model_type": "minimax", "num_hidden_layers": 3, "attn_type_list": [0, 0, 1]},
         ["linear_attention", "linear_attention", "full_attention"]),
        ({"model_type": "bamba", "num_hidden_layers": 3, "attn_layer_indices": [1]},
         ["linear_attention", "full_attention", "linear_attention"]),
        ({"model_type": "lfm2", "num_hidden_layers": 3, "full_attn_idxs": [2]}, ["conv", "conv", "full_attention"]),
        ({"model_type": "kimi_linear", "num_hidden_layers": 2, "linear_attn_config": {"full_attn_layers": [2]}},
         ["linear_attention", "full_attention"]),
    ],
)  # fmt: skip
def test_kinds_of_layers_are_understood_as_each_family_gives_them(config: dict[str, Any], kinds: list[str]) -> None:
    assert language_config(config)["layer_types"] == kinds


@pytest.mark.parametrize("value", [True, -1, 0, 10**12 + 1, 2.0, "32", [32], {}])
def test_a_malformed_number_counts_as_none_and_not_as_the_default(value: object) -> None:
    assert "num_hidden_layers" not in language_config({"model_type": "llama", "num_hidden_layers": value})
    assert "num_hidden_layers" not in language_config({"num_hidden_layers": value})


@pytest.mark.parametrize("value", ["full", [1, 2], ["full_attention"] * 10_001, {"0": "full"}])
def test_malformed_kinds_of_layers_count_as_absent(value: object) -> None:
    assert "layer_types" not in language_config({"model_type": "llama", "layer_types": value})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = (*INTEGERS, *BOOLEANS, *LISTS, "text_config", "attn_config", "linear_attn_config", "block_types",
          "hybrid_override_pattern", "attn_type_list", "attn_layer_indices", "multi_query_group_num",
          *(spelling for spellings in ALIASES.values() for spelling in spellings))  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    config=st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=12),
    model_type=st.sampled_from(sorted(model_types())) | VALUES,
)
def test_no_config_is_refused_and_every_common_name_is_of_its_type(config: dict[str, Any], model_type: object) -> None:
    found = language_config({**config, "model_type": model_type})
    assert all(type(found[name]) is int and 0 <= found[name] <= 10**12 for name in INTEGERS if name in found)
    assert all(isinstance(found[name], bool) for name in BOOLEANS if name in found)
    assert all(isinstance(found[name], list) for name in LISTS if name in found)


# Rows of the table.


def test_a_class_that_does_not_write_has_no_row(config_classes: Mapping[str, Any]) -> None:
    assert row_of(config_classes["vit"]) == {}


def test_heads_that_attend_to_nothing_are_no_attention_heads() -> None:
    assert "num_attention_heads" not in language_config({"model_type": "mamba2", "num_heads": 128})


def test_a_depth_that_is_reckoned_otherwise_is_not_told() -> None:
    assert "num_hidden_layers" not in language_config({"model_type": "longcat_flash", "num_layers": 28})
