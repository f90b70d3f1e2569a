"""The arithmetic of the key/value cache, against published figures."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.models.kv_cache import CachePart, KvCache, cache_bytes_per_value, kv_cache_of, max_context


def kv_bytes_per_token(config: dict[str, Any], dtype: str) -> int | None:
    cache = kv_cache_of(config)
    return None if cache is None else cache.values_per_token * cache_bytes_per_value(config, dtype)


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
    falcon = {
        "model_type": "falcon",
        "num_hidden_layers": 32,
        "num_attention_heads": 71,
        "hidden_size": 4544,
        "num_kv_heads": 71,
    }
    assert kv_bytes_per_token({**falcon, "multi_query": True, "new_decoder_architecture": False}, "bfloat16") == 8192
    new = {**falcon, "num_kv_heads": 8, "multi_query": True, "new_decoder_architecture": True}
    assert kv_bytes_per_token(new, "bfloat16") == 8 * 8192


def test_a_head_size_of_null_is_worked_out() -> None:
    assert kv_bytes_per_token(llama(32, 4096, 32, 8, head_dim=None), "bfloat16") == 131_072


def test_a_list_of_layers_that_is_none_counts_as_absent() -> None:
    assert kv_bytes_per_token({**llama(4, 8, 2, 2), "layer_types": "full_attention"}, "float16") == 128


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
    ],
)
def test_a_config_that_does_not_tell_gives_none(config: dict[str, Any]) -> None:
    assert kv_bytes_per_token(config, "float16") is None


def parts(config: dict[str, Any]) -> dict[str, CachePart]:
    cache = kv_cache_of(config)
    assert cache is not None
    return {part.kind: part for part in cache.parts}


def test_layers_with_a_window_keep_no_more_than_it() -> None:
    config = llama(4, 64, 4, 4, sliding_window=8)
    found = kv_cache_of({**config, "layer_types": ["sliding_attention", "full_attention"] * 2})
    assert found is not None
    assert found.values_per_token == 2 * 4 * 64
    assert found.lasting_values_per_token == 2 * 2 * 64
    assert found.values(8) == 8 * 2 * 4 * 64
    assert found.values(100) == (100 + 8) * 2 * 2 * 64
    assert found.values(100, margin=4) == (100 + 12) * 2 * 2 * 64
    assert found.confidence == "exact"


def test_every_so_many_layers_of_gemma_attend_to_everything() -> None:
    config = {
        "text_config": llama(62, 5376, 32, 16, head_dim=128, sliding_window=1024, sliding_window_pattern=6),
    }
    found = parts(config)
    assert (found["attention"].layers, found["window"].layers) == (10, 52)
    # 81,920 bytes of each token last, 425,984 for the last 1,024 of them: transformers' caches, in bfloat16.
    assert found["attention"].values_per_token * 2 == 81_920
    assert (found["window"].values_per_token * 2, found["window"].window) == (425_984, 1024)


def test_qwens_window_counts_only_when_it_is_used() -> None:
    config = llama(4, 64, 4, 4, model_type="qwen2", sliding_window=8, max_window_layers=3)
    assert set(parts({**config, "use_sliding_window": False})) == {"attention"}
    used = parts({**config, "use_sliding_window": True})
    assert (used["attention"].layers, used["window"].layers) == (3, 1)


def test_the_local_layers_of_gpt_neo_are_cached_in_full() -> None:
    config = {
        "model_type": "gpt_neo",
        "num_layers": 12,
        "num_heads": 12,
        "hidden_size": 768,
        "window_size": 256,
        "attention_types": [[["global", "local"], 6]],
    }
    assert set(parts(config)) == {"attention"}


def test_a_list_of_layers_of_another_length_is_not_believed() -> None:
    config = llama(4, 64, 4, 4, sliding_window=8)
    found = kv_cache_of({**config, "layer_types": ["sliding_attention"] * 2})
    assert found is not None
    assert (found.lasting_values_per_token, found.confidence) == (2 * 4 * 64, "estimated")


def test_an_encoder_decoder_keeps_what_the_encoder_made_for_each_sequence() -> None:
    whisper = {
        "model_type": "whisper",
        "is_encoder_decoder": True,
        "d_model": 1280,
        "decoder_layers": 32,
        "decoder_attention_heads": 20,
        "max_source_positions": 1500,
        "max_target_positions": 448,
    }
    found = kv_cache_of(whisper)
    assert found is not None
    assert found.values_per_token * 2 == 163_840
    assert parts(whisper)["encoder"].fixed_values * 2 == 245_760_000
    assert max_context(whisper) == 448


def test_state_space_models_keep_the_same_however_long_the_text_is() -> None:
    mamba = {
        "model_type": "mamba",
        "num_hidden_layers": 64,
        "hidden_size": 2560,
        "state_size": 16,
        "conv_kernel": 4,
        "expand": 2,
    }
    found = kv_cache_of(mamba)
    assert found is not None
    assert found.values(1) == found.values(100_000) == 64 * (2 * 5120 * 16 + 5120 * 4)
    assert found.confidence == "estimated"


def test_of_jambas_layers_one_in_eight_attends() -> None:
    jamba = {
        "model_type": "jamba",
        **llama(32, 4096, 32, 8),
        "attn_layer_period": 8,
        "attn_layer_offset": 4,
        "mamba_d_state": 16,
        "mamba_d_conv": 4,
        "mamba_expand": 2,
    }
    found = parts(jamba)
    assert (found["attention"].layers, found["state"].layers) == (4, 28)
    # AI21's paper (arXiv:2403.19887, table 1): 4 GB of cache at 256k tokens, in 16 bits.
    assert found["attention"].values_per_token * 2 * 256 * 1024 == 4 * 2**30


def test_kinds_of_layers_that_nobody_knows_are_counted_as_what_keeps_most() -> None:
    found = kv_cache_of({**llama(2, 64, 4, 4), "layer_types": ["full_attention", "quantum"]})
    assert found is not None
    assert (found.values_per_token, found.confidence) == (2 * 2 * 64, "estimated")


def test_a_state_of_unknown_size_is_taken_at_its_largest() -> None:
    found = parts({**llama(2, 64, 4, 4), "layer_types": ["linear_attention", "full_attention"]})
    assert found["state"].fixed_values >= 2 * 64 * 256


def test_local_and_global_layers_may_be_spelled_in_letters() -> None:
    found = parts({**llama(8, 64, 4, 4), "sliding_window": 16, "sliding_window_pattern": "LLLG"})
    assert (found["window"].layers, found["attention"].layers) == (6, 2)


def test_layers_that_share_what_they_keep_are_not_exact() -> None:
    found = kv_cache_of({**llama(4, 64, 4, 4), "num_kv_shared_layers": 2})
    assert found is not None
    assert found.confidence == "estimated"


def test_gpus_divide_key_value_heads_and_keep_one_at_least() -> None:
    cache = kv_cache_of(llama(32, 4096, 32, 8))
    assert cache is not None
    whole = cache.values(100)
    assert [cache.values(100, gpus=gpus) for gpus in (1, 2, 4, 8, 16)] == [
        whole,
        whole // 2,
        whole // 4,
        whole // 8,
        whole // 8,
    ]


def test_compressed_attention_is_kept_whole_by_each_gpu() -> None:
    cache = kv_cache_of(llama(61, 7168, 128, 128, kv_lora_rank=512, qk_rope_head_dim=64))
    assert cache is not None
    assert cache.values(100, gpus=8) == cache.values(100)


counts = st.integers(1, 200)
caches = st.builds(
    lambda full, window, size, heads, fixed: KvCache(
        (
            CachePart("attention", full, 2 * full * heads * size, "", heads=heads),
            CachePart("window", full, 2 * full * heads * size, "", window=window, heads=heads),
            CachePart("state", full, 0, "", fixed_values=fixed),
        )
    ),
    counts,
    st.integers(1, 10_000),
    st.sampled_from([64, 128]),
    st.sampled_from([1, 2, 4, 8, 16, 32]),
    st.integers(0, 10**9),
)


@given(caches, st.integers(0, 10**6), st.integers(0, 10**6), st.sampled_from([1, 2, 4, 8]))
def test_law_more_tokens_never_keep_less_and_more_gpus_never_keep_more_each(
    cache: KvCache, tokens: int, more: int, gpus: int
) -> None:
    assert cache.values(tokens + more, gpus=gpus) >= cache.values(tokens, gpus=gpus)
    assert cache.values(tokens, gpus=gpus) <= cache.values(tokens)
    assert cache.values(tokens, gpus=gpus) * gpus >= cache.values(tokens)


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
