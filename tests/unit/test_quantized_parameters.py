"""How many parameters quantized checkpoints have, and what their configs say of how they are quantized."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.models.parameters import count_parameters
from core.models.quantization import Quantization, quantization_of
from core.models.safetensors_header import StoredParameters

LLAMA_8B: Mapping[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
}
WHOLE = 8_030_261_248
UNKNOWN: Mapping[str, Any] = {"architectures": ["FooForCausalLM"], "model_type": "foo"}
W8A8 = {"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": {"num_bits": 8}}}}


def counted(config: Mapping[str, Any], checkpoint: Mapping[str, int], weight_bytes: int = 0) -> tuple[int | None, str]:
    stored = StoredParameters(checkpoint)
    return count_parameters(
        stored, config, quantization_of(config), weight_bytes=weight_bytes, dtype=config.get("torch_dtype")
    )


@pytest.mark.parametrize(
    ("stated", "checkpoint"),
    [
        (W8A8, {"BF16": 1_050_673_152, "I8": 6_979_321_856}),
        ({"quant_method": "gptq", "bits": 8}, {"F16": 1_159_000_000, "I32": 1_760_000_000}),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, {"BF16": 1_050_000_000, "I8": 6_980_000_000}),
        (
            {"quant_method": "modelopt", "quant_algo": "NVFP4"},
            {"BF16": 1_050_673_152, "U8": 3_489_660_928, "F8_E4M3": 436_207_616},
        ),
        ({"quant_method": "new"}, {"BF16": 1_050_673_152, "U8": 3_489_660_928}),
        ({"bits": 4, "group_size": 64}, {"BF16": 250_954_752, "U32": 1_003_733_504}),
    ],
)
def test_packed_weights_are_reckoned_from_the_config(stated: Mapping[str, Any], checkpoint: Mapping[str, int]) -> None:
    assert counted({**LLAMA_8B, "quantization_config": stated}, checkpoint) == (WHOLE, "estimated")


@pytest.mark.parametrize(
    ("stated", "checkpoint", "parameters"),
    [
        (W8A8, {"BF16": 1000, "I8": 7000}, 8000),
        ({"quant_method": "gptq", "bits": 8}, {"F16": 1000, "I32": 1750}, 8000),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, {"BF16": 1000, "U8": 3500}, 8000),
        ({"bits": 4}, {"BF16": 1000, "U32": 875}, 8000),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, {"BF16": 1000, "U8": 3500}, 8000),
    ],
)
def test_of_families_that_are_not_reckoned_packed_weights_are_unpacked(
    stated: Mapping[str, Any], checkpoint: Mapping[str, int], parameters: int
) -> None:
    assert counted({**UNKNOWN, "quantization_config": stated}, checkpoint) == (parameters, "estimated")


def test_few_weights_are_packed_where_the_embedding_is_most_of_the_model() -> None:
    stated = {"quant_method": "gptq", "bits": 4}
    found = counted({**UNKNOWN, "quantization_config": stated}, {"BF16": 170_000_000, "I32": 12_500_000})
    assert found == (270_000_000, "estimated")


def test_counters_beside_weights_in_fp8_are_none_of_them() -> None:
    stated = {"quant_method": "fp8", "weight_block_size": [128, 128]}
    checkpoint = {"F8_E4M3": 7_000_000_000, "BF16": 1_000_000_000, "I64": 64}
    assert counted({**UNKNOWN, "quantization_config": stated}, checkpoint) == (8_000_000_000, "exact")


def test_masks_are_no_parameters_of_what_is_not_quantized() -> None:
    assert counted(UNKNOWN, {"F32": 125_198_592, "U8": 25_165_824}) == (125_198_592, "exact")
    assert counted(UNKNOWN, {"F32": 1000, "U8": 9000}) == (1000, "estimated")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"quantization": {"bits": 4, "group_size": 64}}, Quantization("mlx", 4, 64)),
        ({"quantization_config": {"bits": 8, "group_size": 32}}, Quantization("mlx", 8, 32)),
        ({"quantization": {"bits": 6}, "quantization_config": {"bits": 6}}, Quantization("mlx", 6)),
        (
            {"quantization": {"bits": 4}, "quantization_config": {"quant_method": "awq", "bits": 4}},
            Quantization("awq", 4),
        ),
        ({"quantization": {"bits": "4"}}, None),
        ({"quantization": "4bit"}, None),
        ({"quantization_config": {"load_in_4bit": True, "bits": 4}}, Quantization("bitsandbytes", 4)),
        ({"quantization_config": {"quant_method": "modelopt", "quant_algo": "NVFP4"}}, Quantization("modelopt", 4)),
        ({"quantization_config": {"quant_method": "modelopt", "quant_algo": "FP8"}}, Quantization("modelopt", 8)),
        ({"quantization_config": {"quant_method": "modelopt", "quant_algo": "MIXED"}}, Quantization("modelopt")),
    ],
)
def test_how_mlx_and_model_optimizer_say_it(config: Mapping[str, Any], expected: Quantization | None) -> None:
    assert quantization_of(config) == expected


def test_what_the_hub_lists_under_mlx_is_laid_out_for_it() -> None:
    assert quantization_of({}, "mlx") == Quantization("mlx")
    original = {"quantization": {"bits": 4, "group_size": 32}, "quantization_config": {"quant_method": "mxfp4"}}
    assert quantization_of(original, "mlx") == Quantization("mlx", 4, 32)
    assert quantization_of({}, "transformers") is None


@given(st.dictionaries(st.sampled_from(["BF16", "F8_E4M3", "I64", "U8", "BOOL", "F4", "?"]), st.integers(0, 2**40)))
def test_the_bytes_of_a_checkpoint_are_those_of_its_elements(counts: dict[str, int]) -> None:
    each = {"BF16": 4, "F8_E4M3": 2, "I64": 16, "U8": 2, "BOOL": 2, "F4": 1, "?": 0}
    assert StoredParameters(counts).bytes == sum(each[name] * count for name, count in counts.items()) // 2
