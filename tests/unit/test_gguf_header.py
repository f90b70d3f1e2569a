"""Headers of GGUF files: read whole, cut anywhere, hostile; and what names of such files say."""

import contextlib
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import NotFoundError, RefusedError, SagewizardError
from core.external_text import clean_line
from core.models.gguf_header import (
    FIRST_READ,
    SECOND_READ,
    config_of,
    parse_gguf,
    quantization_of,
    read_gguf,
    split_of,
)
from core.models.kv_cache import kv_cache_of
from tests.gguf_file import gguf_bytes
from tests.listings import load_listing

LLAMA: Mapping[str, object] = {
    "general.architecture": "llama",
    "general.file_type": 15,
    "llama.block_count": 32,
    "llama.context_length": 8192,
    "llama.embedding_length": 4096,
    "llama.feed_forward_length": 14336,
    "llama.attention.head_count": 32,
    "llama.attention.head_count_kv": 8,
    "llama.attention.key_length": 128,
    "llama.rope.freq_base": 500000.0,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.tokens": ["<s>", "a", "Ġthe", ""],
    "tokenizer.ggml.scores": [0.5, -1.0],
    "tokenizer.ggml.add_bos_token": True,
    "tokenizer.chat_template": "{% for message in messages %}\n{{ message }}{% endfor %}",
    "general.large": 2**40,
    "general.negative": -3,
}
TENSORS = (("token_embd.weight", (4096, 4), "Q6_K"), ("output_norm.weight", (4096,), "F32"), ("x", (2, 3, 4), 77))


def with_values(*more: bytes) -> bytes:
    """A file with values that are given as they are: key, type and all."""
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(more)) + b"".join(more)


def raw(kind: int, encoded: bytes, key: bytes = b"k") -> bytes:
    return struct.pack("<Q", len(key)) + key + struct.pack("<I", kind) + encoded


def shape_of(values: Mapping[str, object]) -> dict[str, Any]:
    return dict(config_of(parse_gguf(gguf_bytes(values))))


@pytest.mark.parametrize("version", [2, 3])
def test_a_whole_header_is_read(version: int) -> None:
    found = parse_gguf(gguf_bytes(LLAMA, TENSORS, version, data=b"weights"))
    assert (found.version, found.tensor_count, found.complete) == (version, 3, True)
    assert found.values == {
        **{key: value for key, value in LLAMA.items() if key not in {"tokenizer.ggml.tokens"}},
        "tokenizer.ggml.scores": (0.5, -1.0),
        "tokenizer.chat_template": "{% for message in messages %} {{ message }}{% endfor %}",
    }
    assert found.lengths == {"tokenizer.ggml.tokens": 4}
    assert found.parameters == 4096 * 4 + 4096 + 24
    assert found.weight_types == {"Q6_K": 16384, "F32": 4096, "type 77": 24}
    assert found.has_chat_template is True


def test_a_header_cut_anywhere_yields_a_beginning_of_its_values() -> None:
    content = gguf_bytes(LLAMA, TENSORS)
    whole = parse_gguf(content)
    names, before = list(whole.values), 0
    for end in range(len(content)):
        found = parse_gguf(content[:end])
        assert list(found.values) == names[: len(found.values)]
        assert all(whole.values[name] == value for name, value in found.values.items())
        assert found.lengths.items() <= whole.lengths.items()
        assert found.has_chat_template in {None, True}
        assert len(found.values) >= before
        assert found.parameters is None
        assert found.complete <= (len(found.values) == len(names))
        before = len(found.values)


def test_the_key_alone_tells_of_a_chat_template_that_is_cut_off() -> None:
    content = gguf_bytes({"tokenizer.chat_template": "{{ messages }}" * 100})
    assert parse_gguf(content[:200]).has_chat_template is True
    assert parse_gguf(content[:20]).has_chat_template is None
    assert parse_gguf(gguf_bytes({"tokenizer.chat_template": ""})).has_chat_template is False
    assert parse_gguf(gguf_bytes({"a": 1})).has_chat_template is False


_KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
_NUMBERS = (
    st.booleans(),
    st.integers(-(2**63), -1),
    st.integers(0, 2**32 - 1),
    st.integers(2**32, 2**64 - 1),
    st.floats(width=32, allow_nan=False, allow_infinity=False),
)
_VALUES = st.one_of(*_NUMBERS, st.text(max_size=50), *(st.lists(each, max_size=5) for each in _NUMBERS))


@settings(max_examples=150)
@given(st.dictionaries(_KEYS, _VALUES, max_size=8), st.lists(st.lists(st.integers(0, 1000), max_size=4), max_size=4))
def test_what_is_written_is_read(values: dict[str, Any], shapes: Sequence[Sequence[int]]) -> None:
    tensors = [(f"t{number}", shape, "F16") for number, shape in enumerate(shapes)]
    found = parse_gguf(gguf_bytes(values, tensors))
    expected = {
        key: tuple(value) if isinstance(value, list) else clean_line(value) if isinstance(value, str) else value
        for key, value in values.items()
    }
    assert (found.values, found.complete, found.tensor_count) == (expected, True, len(shapes))


@settings(max_examples=300)
@given(st.binary(max_size=300), st.sampled_from([b"", b"GGUF\3\0\0\0", b"GGUF\2\0\0\0" + b"\1" + b"\0" * 7 + b"\5"]))
def test_arbitrary_bytes_raise_nothing_but_refusals(content: bytes, start: bytes) -> None:
    with contextlib.suppress(SagewizardError):
        config_of(parse_gguf(start + content))


@settings(max_examples=200)
@given(st.data())
def test_damaged_headers_raise_nothing_but_refusals(data: st.DataObject) -> None:
    content = bytearray(gguf_bytes(LLAMA, TENSORS))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(SagewizardError):
        config_of(parse_gguf(bytes(content)))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid", "is not a GGUF file"),
        (gguf_bytes(LLAMA, version=1), "is GGUF of version 1"),
        (gguf_bytes(LLAMA, version=4), "is GGUF of version 4"),
        (gguf_bytes(LLAMA, version=3, order=">"), "is a big-endian GGUF file"),
        (with_values(raw(8, struct.pack("<Q", 2**63))), "malformed.*9,223,372,036,854,775,808 entries"),
        (with_values(raw(9, struct.pack("<IQ", 4, 2**40))), "malformed.*1,099,511,627,776 entries"),
        (with_values(raw(9, struct.pack("<IQ", 9, 1) * 6)), "malformed.*nested too deep"),
        (with_values(raw(13, b"")), "malformed.*a value of type 13"),
        (with_values(raw(4, b"\0" * 4), raw(4, b"\0" * 4)), "malformed.*gives k twice"),
        (with_values(raw(4, b"", key=b"k" * 70_000)), "malformed.*70,000 entries or characters"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**62), "malformed.*4,611,686,018,427,387,904 entries"),
        (gguf_bytes({}, [("t", (1, 1, 1, 1, 1), "F32")]), "a tensor has 5 dimensions"),
        (gguf_bytes({}, [("t", (2**40, 2**40), "F32")]), "more elements than any file"),
    ],
)
def test_what_cannot_be_read_is_refused(content: bytes, told: str) -> None:
    with pytest.raises(SagewizardError, match=f"^model.gguf is .*{told.removeprefix('is ')}") as caught:
        parse_gguf(content, "model.gguf")
    assert caught.value.fix


@pytest.mark.parametrize(
    "value",
    [
        raw(8, struct.pack("<Q", 2**30) + b"abc"),
        raw(9, struct.pack("<IQ", 8, 2**30) + (struct.pack("<Q", 2**62) + b"abc")),
        raw(9, struct.pack("<IQ", 12, 2**30) + b"\0" * 800),
        raw(9, struct.pack("<IQ", 9, 2**30) + struct.pack("<IQ", 4, 0) * 3),
    ],
)
def test_lengths_that_the_bytes_do_not_bear_out_end_the_reading(value: bytes) -> None:
    found = parse_gguf(with_values(raw(4, struct.pack("<I", 7), key=b"before"), value))
    assert (found.values, found.complete) == ({"before": 7}, False)


def test_nested_and_long_arrays_are_passed_over() -> None:
    nested = raw(9, struct.pack("<IQ", 9, 2) + struct.pack("<IQI", 4, 1, 5) + struct.pack("<IQQ", 8, 1, 2) + b"ab")
    numbers = raw(9, struct.pack("<IQ", 4, 5000) + b"\0" * 20_000, key=b"numbers")
    found = parse_gguf(with_values(nested, numbers, raw(0, b"\7", key=b"after")))
    assert (found.values, found.lengths, found.complete) == ({"after": 7}, {"k": 2, "numbers": 5000}, True)


def test_texts_are_cleaned_and_bounded() -> None:
    values = {"title": "a\x1b]0;owned\x07b\nc", "long": "x" * 100_000, "\x1b[31mkey": 1}
    found = parse_gguf(gguf_bytes(values)).values
    assert found == {"title": "ab c", "long": "x" * 500, "key": 1}


def test_numbers_that_are_none_count_as_absent() -> None:
    found = parse_gguf(gguf_bytes({"nan": float("nan"), "many": [1.0, float("inf")], "one": 1.5}))
    assert (found.values, found.complete) == ({"one": 1.5}, True)


def test_the_first_read_tells_the_shape_behind_which_a_vocabulary_is_cut() -> None:
    tokens = [f"token{number}" for number in range(200_000)]
    content = gguf_bytes({**LLAMA, "tokenizer.ggml.tokens": tokens})
    found = parse_gguf(content[:FIRST_READ])
    assert not found.complete
    assert config_of(found) == {
        "model_type": "llama",
        "gguf_file_type": "Q4_K_M",
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "max_position_embeddings": 8192,
        "vocab_size": 200_000,
    }
    assert config_of(parse_gguf(content[: FIRST_READ + SECOND_READ])) == config_of(found)
    assert len(content) > FIRST_READ + SECOND_READ
    assert parse_gguf(content).complete


@pytest.mark.parametrize("stem", ["mistral_7b_instruct_gguf"])
def test_the_headers_of_published_files_give_the_cache_of_their_models(stem: str) -> None:
    listing = load_listing(stem)
    for name, values in listing.headers.items():
        config = shape_of(values)
        assert config["gguf_file_type"] == quantization_of(name)
        cache = kv_cache_of({key: value for key, value in config.items() if key != "model_type"})
        assert cache is not None
        assert cache.values_per_token == 2 * 32 * 8 * 128  # Mistral 7B: 32 layers, 8 of 32 heads, 128


def test_heads_that_differ_by_layer_are_listed() -> None:
    found = shape_of({**LLAMA, "llama.block_count": 3, "llama.attention.head_count_kv": [8, 2, 4]})
    assert (found["num_key_value_heads"], found["num_key_value_heads_per_layer"]) == (8, [8, 2, 4])
    assert "layer_types" not in found


def test_experts_windows_and_other_fields_have_their_names() -> None:
    more = {"expert_count": 128, "expert_used_count": 8, "attention.sliding_window": 4096, "vocab_size": 32000}
    found = shape_of({**LLAMA, **{f"llama.{key}": value for key, value in more.items()}})
    assert (found["num_local_experts"], found["num_experts_per_tok"]) == (128, 8)
    assert (found["sliding_window"], found["vocab_size"]) == (4096, 32000)


def deepseek(**more: object) -> dict[str, Any]:
    """DeepSeek-V2-Lite, as llama.cpp's converter writes it."""
    values = {"block_count": 27, "attention.head_count": 16, "attention.kv_lora_rank": 512, "rope.dimension_count": 64}
    return shape_of(
        {
            "general.architecture": "deepseek2",
            **{f"deepseek2.{key}": value for key, value in {**values, **more}.items()},
        }
    )


def test_compressed_attention_has_its_rank_and_the_rotated_part() -> None:
    found = deepseek(**{"attention.head_count_kv": 1, "attention.key_length": 576, "attention.key_length_mla": 192})
    assert (found["kv_lora_rank"], found["qk_rope_head_dim"]) == (512, 64)
    cache = kv_cache_of({key: value for key, value in found.items() if key != "model_type"})
    assert cache is not None
    assert cache.values_per_token == 27 * (512 + 64)


def test_older_files_of_compressed_models_keep_whole_keys() -> None:
    found = deepseek(**{"attention.head_count_kv": 16, "attention.key_length": 192})
    assert "kv_lora_rank" not in found
    assert (found["num_key_value_heads"], found["head_dim"]) == (16, 192)


def state_space(**more: object) -> dict[str, Any]:
    values = {"block_count": 4, "embedding_length": 2560, "ssm.state_size": 16, "ssm.conv_kernel": 4}
    return shape_of(
        {
            "general.architecture": "net",
            **{
                f"net.{key.replace('__', '.')}": value
                for key, value in {**values, "ssm.inner_size": 5120, **more}.items()
            },
        }
    )


def test_state_space_models_have_the_size_of_their_state() -> None:
    found = state_space(attention__head_count=0, feed_forward_length=0)
    assert (found["state_size"], found["conv_kernel"], found["intermediate_size"]) == (16, 4, 5120)
    assert (found["expand"], found["layer_types"]) == (2, ["mamba"] * 4)
    assert "num_attention_heads" not in found


def test_layers_without_heads_keep_a_state_in_mixed_models() -> None:
    kept = [0, 8, 0, 0]
    found = state_space(attention__head_count=32, attention__head_count_kv=kept, feed_forward_length=[0, 64, 64, 0])
    assert found["layer_types"] == ["mamba", "attention", "mlp", "mamba"]
    assert (found["num_key_value_heads"], found["intermediate_size"]) == (8, 64)
    wide = state_space(attention__head_count=32, attention__head_count_kv=kept, feed_forward_length=64)
    assert wide["layer_types"] == ["mamba", "attention", "mamba", "mamba"]


def test_heads_of_the_second_mamba_are_its_time_steps() -> None:
    found = state_space(ssm__group_count=8, ssm__time_step_rank=80)
    assert (found["n_groups"], found["mamba_n_heads"], found["mamba_d_head"]) == (8, 80, 64)


@pytest.mark.parametrize("odd", [-1, 0, True, "32", 1.5, 2**63, [], [0.5], ["a"]])
def test_odd_values_count_as_absent(odd: object) -> None:
    assert "num_hidden_layers" not in shape_of({**LLAMA, "llama.block_count": odd})
    assert "gguf_file_type" not in shape_of({**LLAMA, "general.file_type": odd if odd != 0 else 9999})


def test_a_guessed_file_type_is_named_too() -> None:
    assert shape_of({"general.file_type": 1024 + 7})["gguf_file_type"] == "Q8_0"


def test_without_an_architecture_little_is_said() -> None:
    assert shape_of({"general.architecture": 7, "llama.block_count": 32}) == {}
    assert parse_gguf(gguf_bytes({"general.architecture": ""})).architecture is None


def test_a_local_file_is_read_as_far_as_its_header_goes(tmp_path: Path) -> None:
    tokens = [f"token{number}" for number in range(100_000)]
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf_bytes({**LLAMA, "tokenizer.ggml.tokens": tokens}, TENSORS, data=b"weights"))
    assert path.stat().st_size > 2**20
    found = read_gguf(path)
    assert (found.complete, found.parameters) == (True, 20504)


def test_a_local_file_that_cannot_be_read_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="There is no file"):
        read_gguf(tmp_path / "model.gguf")
    with pytest.raises(SagewizardError, match="cannot be read"):
        read_gguf(tmp_path)
    (tmp_path / "cut.gguf").write_bytes(gguf_bytes(LLAMA, TENSORS)[:-1])
    with pytest.raises(RefusedError, match=r"cut\.gguf ends within its header"):
        read_gguf(tmp_path / "cut.gguf")
    (tmp_path / "empty.gguf").write_bytes(b"")
    with pytest.raises(RefusedError, match="ends within"):
        read_gguf(tmp_path / "empty.gguf")


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("mistral-7b-instruct-v0.2.Q4_K_M.gguf", "Q4_K_M"),
        ("Model-Q4_K_M-00001-of-00002.gguf", "Q4_K_M"),
        ("Q8_0/Model-Q8_0-00001-of-00002.gguf", "Q8_0"),
        ("qwen2.5-0.5b-instruct-q5_k_s.gguf", "Q5_K_S"),
        ("Meta-Llama-3-8B-Instruct-IQ2_XS.gguf", "IQ2_XS"),
        ("model-IQ3_M.gguf", "IQ3_M"),
        ("Model.i1-IQ4_NL.gguf", "IQ4_NL"),
        ("Qwen3-8B-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
        ("model-fp16.gguf", "F16"),
        ("ggml-model-f16.gguf", "F16"),
        ("Model-F32.gguf", "F32"),
        ("Model-BF16-00001-of-00003.gguf", "BF16"),
        ("gpt-oss-20b-MXFP4.gguf", "MXFP4"),
        ("gpt-oss-20b-mxfp4_moe.gguf", "MXFP4_MOE"),
        ("bitnet-TQ2_0.gguf", "TQ2_0"),
        ("Model-F16-Q6_K.gguf", "Q6_K"),
        ("Model-Q4_0_4_4.gguf", "Q4_0_4_4"),
        ("Model_Q3_K_L.gguf", "Q3_K_L"),
        ("model.gguf", None),
        ("Qwen-7B.gguf", None),
        ("Q4_K_M/model.gguf", "Q4_K_M"),
        ("Model-BF16/model-00001-of-00002.gguf", "BF16"),
        ("Q8_0/Model-Q4_K_M.gguf", "Q4_K_M"),
        ("Q4_K_M/parts/model.gguf", None),
        ("rf16a.gguf", None),
        ("", None),
    ],
)
def test_the_quantization_is_in_the_name(name: str, label: str | None) -> None:
    assert quantization_of(name) == label


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("Model-Q4_K_M-00001-of-00002.gguf", ("Model-Q4_K_M", 1, 2)),
        ("Q8_0/Model-00003-of-00003.gguf", ("Q8_0/Model", 3, 3)),
        ("Model-00000-of-00002.gguf", None),
        ("Model-00003-of-00002.gguf", None),
        ("Model-1-of-2.gguf", None),
        ("Model-00001-of-00002.safetensors", None),
        ("-00001-of-00002.gguf", None),
        ("Model.gguf", None),
    ],
)
def test_the_name_of_a_part_tells_which_of_how_many(name: str, split: tuple[str, int, int] | None) -> None:
    assert split_of(name) == split


@settings(max_examples=200)
@given(st.text(max_size=80))
def test_any_name_can_be_asked(name: str) -> None:
    label = quantization_of(name)
    assert label is None or (label == label.upper() and label.removeprefix("UD-")[1:] in name.upper())
    split = split_of(name)
    assert split is None or name.startswith(split[0])
