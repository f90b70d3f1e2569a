"""The arithmetic of the key/value cache, against published figures."""

from typing import Any

import pytest

from core.models.memory import cache_bytes_per_value, kv_bytes_per_token, max_context


def llama(layers: int, hidden: int, heads: int, kv_heads: int, **more: Any) -> dict[str, Any]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        **more,
    }


@pytest.mark.parametrize(
    ("config", "dtype", "expected"),
    [
        # Shapes and figures: transformers' caches measured for each shape; those of arXiv:2505.09343, table 1, for the
        # three it lists (DeepSeek-V3 70.272 kB, Qwen2.5-72B 327.680 kB, Llama-3.1-405B 516.096 kB, all in BF16).
        ({"num_layers": 12, "num_heads": 12, "hidden_size": 768}, "float16", 36_864),  # gpt-neo-125m
        ({"num_layers": 12, "num_heads": 12, "hidden_size": 768}, "float32", 73_728),
        ({"num_hidden_layers": 44, "num_attention_heads": 64, "hidden_size": 6144}, "float16", 1_081_344),  # neox-20b
        (llama(32, 4096, 32, 8), "bfloat16", 131_072),  # Llama-3.1-8B
        (llama(80, 8192, 64, 8), "bfloat16", 327_680),  # Llama-3.1-70B, Qwen2.5-72B
        (llama(126, 16384, 128, 8), "bfloat16", 516_096),  # Llama-3.1-405B
        (llama(32, 4096, 32, 8, num_local_experts=8), "bfloat16", 131_072),  # Mixtral-8x7B
        (llama(24, 896, 14, 2), "bfloat16", 12_288),  # Qwen2.5-0.5B
        (llama(48, 2048, 32, 4, head_dim=128), "bfloat16", 98_304),  # Qwen3-30B-A3B
        (llama(61, 7168, 128, 128, kv_lora_rank=512, qk_rope_head_dim=64), "bfloat16", 70_272),  # DeepSeek-V3
        ({"n_layer": 12, "n_head": 12, "n_embd": 768}, "float32", 73_728),  # gpt2
        ({"n_layer": 24, "n_head": 16, "n_embd": 2048, "multi_query": True}, "bfloat16", 12_288),  # starcoderbase-1b
        (
            {"n_layers": 32, "n_heads": 32, "d_model": 4096, "attn_config": {"kv_n_heads": 8}},
            "bfloat16",
            131_072,
        ),  # MPT
    ],
)
def test_published_figures(config: dict[str, Any], dtype: str, expected: int) -> None:
    assert kv_bytes_per_token(config, dtype) == expected


def test_falcon_means_one_head_unless_its_decoder_is_new() -> None:
    falcon = {"num_hidden_layers": 32, "num_attention_heads": 71, "hidden_size": 4544, "num_kv_heads": 71}
    assert kv_bytes_per_token({**falcon, "multi_query": True, "new_decoder_architecture": False}, "bfloat16") == 8192
    new = {**falcon, "num_kv_heads": 8, "multi_query": True, "new_decoder_architecture": True}
    assert kv_bytes_per_token(new, "bfloat16") == 8 * 8192


def test_a_head_size_of_null_is_worked_out() -> None:
    assert kv_bytes_per_token(llama(32, 4096, 32, 8, head_dim=None), "bfloat16") == 131_072


def test_the_language_part_of_a_model_that_sees_counts() -> None:
    config = {"text_config": llama(32, 4096, 32, 8, max_position_embeddings=8192), "vision_config": {"hidden_size": 9}}
    assert kv_bytes_per_token(config, "bfloat16") == 131_072
    assert max_context(config) == 8192


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"num_hidden_layers": 4},
        {"num_hidden_layers": 4, "num_attention_heads": 3, "hidden_size": 10},
        {"num_hidden_layers": "4", "num_attention_heads": 2, "hidden_size": 8},
        {"num_hidden_layers": True, "num_attention_heads": 2, "hidden_size": 8},
        {"num_hidden_layers": 0, "num_attention_heads": 2, "hidden_size": 8},
        {**llama(4, 8, 2, 2), "is_encoder_decoder": True},
        {**llama(4, 8, 2, 2), "layer_types": ["linear_attention", "full_attention"]},
        {**llama(4, 8, 2, 2), "layer_types": "full_attention"},
    ],
)
def test_a_config_that_does_not_tell_gives_none(config: dict[str, Any]) -> None:
    assert kv_bytes_per_token(config, "float16") is None


def test_sliding_layers_are_counted_in_full() -> None:
    config = llama(2, 64, 4, 4)
    sliding = {**config, "layer_types": ["sliding_attention", "full_attention"], "sliding_window": 8}
    assert kv_bytes_per_token(sliding, "float16") == kv_bytes_per_token(config, "float16")


@pytest.mark.parametrize(
    ("dtype", "config", "expected"),
    [
        ("float32", {}, 4),
        ("float8_e4m3fn", {"torch_dtype": "bfloat16"}, 2),
        ("int32", {"dtype": "float32"}, 4),
        ("uint8", {}, 2),
        (None, {"torch_dtype": "torch.float32"}, 4),
        (None, {}, 2),
    ],
)
def test_the_cache_has_the_type_the_model_calculates_in(
    dtype: str | None, config: dict[str, Any], expected: int
) -> None:
    assert cache_bytes_per_value(config, dtype) == expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [({"max_position_embeddings": 2048}, 2048), ({"n_positions": 1024}, 1024), ({"max_seq_len": 7}, 7), ({}, None)],
)
def test_the_longest_context(config: dict[str, Any], expected: int | None) -> None:
    assert max_context(config) == expected
