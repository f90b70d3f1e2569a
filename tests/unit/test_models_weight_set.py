"""Which files of a model are packaged, and which repositories are refused."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import RefusedError, UsageError
from core.external_text import clean_line
from core.models.facts import ModelFacts, ModelFile, ShardIndex
from core.models.layout import kind_of, wanted_index
from core.models.reference import HubReference
from core.models.weight_set import select_weight_set

MB = 10**6
GPT_NEO_125M = {  # sizes as the Hub lists them, rounded
    ".gitattributes": 445,
    "README.md": 4_000,
    "config.json": 1_010,
    "flax_model.msgpack": 500 * MB,
    "generation_config.json": 119,
    "merges.txt": 456_000,
    "model.safetensors": 526 * MB,
    "pytorch_model.bin": 526 * MB,
    "rust_model.ot": 526 * MB,
    "special_tokens_map.json": 357,
    "tokenizer.json": 2_110_000,
    "tokenizer_config.json": 560,
    "vocab.json": 899_000,
}


def facts(files: dict[str, int], *indexes: ShardIndex) -> ModelFacts:
    listed = tuple(ModelFile(path, size) for path, size in sorted(files.items()))
    return ModelFacts(reference=HubReference("acme/tiny"), revision="0" * 40, files=listed, indexes=indexes)


def shards(count: int, stem: str = "model", suffix: str = "safetensors", size: int = 100) -> dict[str, int]:
    return {f"{stem}-{number:05}-of-{count:05}.{suffix}": size for number in range(1, count + 1)}


def index_of(files: dict[str, int], path: str = "model.safetensors.index.json") -> ShardIndex:
    return ShardIndex(path, tuple(sorted(files)))


def test_gpt_neo_125m_is_packaged_once() -> None:
    found = select_weight_set(facts(GPT_NEO_125M))
    assert found.format == "safetensors"
    assert [file.path for file in found.weights] == ["model.safetensors"]
    assert found.shards == 1
    assert found.weight_bytes == 526 * MB
    left_out = {each.file.path: each.reason for each in found.left_out}
    assert left_out == {
        ".gitattributes": "git's own",
        "flax_model.msgpack": "weights in another format",
        "pytorch_model.bin": "weights in another format",
        "rust_model.ot": "weights in another format",
    }
    assert len(found.files) == 9


def test_gpt_neox_20b_is_46_safetensors_shards() -> None:
    safe = shards(46, size=900 * MB)
    files = {
        "config.json": 1,
        "tokenizer.json": 1,
        "model.safetensors.index.json": 60_000,
        "pytorch_model.bin.index.json": 60_000,
        **safe,
        **shards(46, "pytorch_model", "bin", 900 * MB),
    }
    found = select_weight_set(facts(files, index_of(safe)))
    assert found.shards == 46
    assert found.weight_bytes == 46 * 900 * MB
    assert "model.safetensors.index.json" in {file.path for file in found.support}
    assert len(found.left_out) == 47


def test_pickles_are_taken_where_there_is_nothing_else() -> None:
    found = select_weight_set(facts({"config.json": 1, "pytorch_model.bin": 5, "training_args.bin": 3}))
    assert (found.format, found.weight_bytes) == ("pytorch", 5)
    assert [(each.file.path, each.reason) for each in found.left_out] == [
        ("training_args.bin", "what training left behind")
    ]


def test_sharded_pickles() -> None:
    files = shards(3, "pytorch_model", "bin")
    index = "pytorch_model.bin.index.json"
    found = select_weight_set(facts({"config.json": 1, index: 1, **files}, index_of(files, index)))
    assert (found.format, found.shards) == ("pytorch", 3)


def test_a_single_file_wins_over_shards_beside_it() -> None:
    files = shards(2)
    listed = {"config.json": 1, "model.safetensors": 7, "model.safetensors.index.json": 1, **files}
    found = select_weight_set(facts(listed))
    assert [file.path for file in found.weights] == ["model.safetensors"]
    assert len(found.left_out) == 3


def test_names_in_the_index_count_whatever_they_are() -> None:
    found = select_weight_set(
        facts(
            {"config.json": 1, "model.safetensors.index.json": 1, "part-a.safetensors": 3, "part-b.safetensors": 4},
            index_of({"part-a.safetensors": 1, "part-b.safetensors": 1}),
        )
    )
    assert found.weight_bytes == 7


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("special_tokens_map.json", True),
        ("tokenizer.model", True),
        ("spiece.model", True),
        ("added_tokens.json", True),
        ("preprocessor_config.json", True),
        ("chat_template.jinja", True),
        ("additional_chat_templates/tool_use.jinja", True),
        ("LICENSE", True),
        ("onnx/model.onnx", False),
        ("model.onnx_data", False),
        ("original/consolidated.00.pth", False),
        ("openvino_model.bin", False),
        ("checkpoint-500/model.safetensors", False),
        ("optimizer.pt", False),
        ("modeling_custom.py", False),
        ("examples/cat.png", False),
        ("image.png", False),
        ("eval/results.json", False),
        ("model.fp16.safetensors", False),
        ("A.PTH", False),
        ("model.llamafile", False),
        ("model.nemo", False),
        ("model.safetensors.zst", False),
        ("train.parquet", False),
        ("weights.joblib", False),
        ("weights.pickle", False),
        ("saved_model.pb", False),
        ("model.keras", False),
        ("model.onnx.data", False),
        ("imatrix.dat", False),
        ("tiny.imatrix", False),
        ("adapter_config.json", False),
    ],
)
def test_what_goes_along(path: str, kept: bool) -> None:
    found = select_weight_set(facts({"config.json": 1, "model.safetensors": 1, path: 1}))
    assert (path in {file.path for file in found.support}) is kept
    assert (path in {each.file.path for each in found.left_out}) is not kept


@pytest.mark.parametrize(
    ("path", "size", "kept"),
    [
        ("model.new", 100 * MB + 1, False),
        ("model.new", 100 * MB, True),
        ("LICENSE", 20_000, True),
        ("tokenizer.json", 200 * MB, True),
        ("tokenizer.model", 200 * MB, True),
        ("qwen.tiktoken", 200 * MB, True),
    ],
)
def test_large_files_of_unknown_kinds_stay_behind(path: str, size: int, kept: bool) -> None:
    found = select_weight_set(facts({"config.json": 1, "model.safetensors": 1, path: size}))
    assert (path in {file.path for file in found.support}) is kept
    assert [each.reason for each in found.left_out] == ([] if kept else ["not known to be read when serving"])


def test_an_adapter_beside_a_model_is_not_loaded_by_chance() -> None:
    files = {"config.json": 1, "model.safetensors": 9, "adapter_config.json": 1, "adapter_model.safetensors": 2}
    found = select_weight_set(facts(files))
    assert {each.file.path: each.reason for each in found.left_out} == {
        "adapter_config.json": "an adapter beside the model, which is not loaded",
        "adapter_model.safetensors": "an adapter beside the model, which is not loaded",
    }


def test_a_missing_shard_is_named() -> None:
    files = shards(3)
    there = {path: size for path, size in files.items() if "00002" not in path}
    with pytest.raises(RefusedError, match=r"lacks 1 of 3 weight files: model-00002-of-00003\.safetensors"):
        select_weight_set(facts({"config.json": 1, "model.safetensors.index.json": 1, **there}, index_of(files)))


def test_a_shard_that_the_index_forgets_is_missed_by_the_count() -> None:
    files = shards(3)
    listed = dict(list(files.items())[:2])
    with pytest.raises(RefusedError, match="00003-of-00003"):
        select_weight_set(facts({"config.json": 1, "model.safetensors.index.json": 1, **listed}, index_of(listed)))


def test_many_missing_shards_are_counted() -> None:
    files = shards(30)
    with pytest.raises(RefusedError, match=r"lacks 30 of 30 weight files: .* and 27 more"):
        select_weight_set(facts({"config.json": 1, "model.safetensors.index.json": 1}, index_of(files)))


def test_names_in_an_index_are_safe_to_show() -> None:
    index = ShardIndex("model.safetensors.index.json", ("../../\x1b[2J\x9d52;c;x\x07.safetensors",))
    with pytest.raises(RefusedError, match="lacks 1 of 1") as caught:
        select_weight_set(facts({"config.json": 1, index.path: 10}, index))
    assert clean_line(caught.value.message) == caught.value.message


def test_shards_without_an_index_are_refused() -> None:
    with pytest.raises(RefusedError, match=r"2 shards but no model\.safetensors\.index\.json"):
        select_weight_set(facts({"config.json": 1, **shards(2)}))


def test_shards_without_an_index_are_passed_over_for_what_loads() -> None:
    found = select_weight_set(facts({"config.json": 1, "pytorch_model.bin": 5, **shards(2)}))
    assert [file.path for file in found.weights] == ["pytorch_model.bin"]


def test_shards_may_lie_in_a_folder_that_the_index_names() -> None:
    files = shards(2, "w/model")
    found = select_weight_set(facts({"config.json": 1, "model.safetensors.index.json": 1, **files}, index_of(files)))
    assert [file.path for file in found.weights] == sorted(files)
    assert not found.left_out
    del files["w/model-00002-of-00002.safetensors"]
    with pytest.raises(RefusedError, match=r"lacks 1 of 2 weight files: w/model-00002-of-00002\.safetensors"):
        select_weight_set(facts({"config.json": 1, "model.safetensors.index.json": 1, **files}, index_of(files)))


@pytest.mark.parametrize(
    ("named", "missing"),
    [
        (["pytorch_model_00001-of-00003.bin", "pytorch_model_00002-of-00003.bin"], "pytorch_model_00003-of-00003.bin"),
        (["pytorch_model-00000-of-00002.bin"], "pytorch_model-00001-of-00002.bin"),
        (["part2-1-of-2.bin"], "part2-2-of-2.bin"),
        (["a.bin-00002-of-00002.bin"], "a.bin-00001-of-00002.bin"),
    ],
)
def test_names_of_any_kind_are_counted(named: list[str], missing: str) -> None:
    path = "pytorch_model.bin.index.json"
    files = {"config.json": 1, path: 1, **dict.fromkeys(named, 5)}
    with pytest.raises(RefusedError, match=f"lacks 1 of {len(named) + 1} weight files: {re.escape(missing)}"):
        select_weight_set(facts(files, ShardIndex(path, tuple(named))))
    whole = select_weight_set(facts({**files, missing: 5}, ShardIndex(path, (*named, missing))))
    assert whole.shards == len(named) + 1
    with pytest.raises(RefusedError, match=f"does not name {re.escape(missing)}"):
        select_weight_set(facts({**files, missing: 5}, ShardIndex(path, tuple(named))))


def test_several_sets_under_one_index_are_each_complete() -> None:
    files = {**shards(2, "language"), **shards(3, "vision")}
    listed = {"config.json": 1, "model.safetensors.index.json": 1, **files}
    assert select_weight_set(facts(listed, index_of(files))).shards == 5
    del listed["vision-00003-of-00003.safetensors"]
    with pytest.raises(RefusedError, match="lacks 1 of 5"):
        select_weight_set(facts(listed, index_of(files)))


def test_an_index_that_counts_without_end_is_refused() -> None:
    index = ShardIndex("model.safetensors.index.json", ("a-00001-of-99999.safetensors", "b-00001-of-99999.safetensors"))
    with pytest.raises(RefusedError, match="counts more than 100,000 weight files"):
        select_weight_set(facts({"config.json": 1, index.path: 1}, index))


@pytest.mark.parametrize("named", ["evil.bin", "config.json", "evil.safetensors.pt"])
def test_an_index_names_weights_of_its_own_format_only(named: str) -> None:
    index = ShardIndex("model.safetensors.index.json", ("model-00001-of-00001.safetensors", named))
    files = {"config.json": 1, index.path: 1, **shards(1), named: 5}
    with pytest.raises(RefusedError, match=rf"names {re.escape(named)}, where only \*\.safetensors files may be"):
        select_weight_set(facts(files, index))


@pytest.mark.parametrize(
    ("files", "words", "fix"),
    [
        ([".gitattributes", "README.md"], r"holds no model, only \.gitattributes, README\.md", "Choose a model"),
        (["pytorch_lora_weights.safetensors", "README.md"], "is a LoRA for a diffusers pipeline", "fuse_lora"),
        (
            ["consolidated.safetensors", "params.json", "tekken.json"],
            "only in the form that its authors'",
            "conversion",
        ),
        (["consolidated.00.pth", "config.json"], r"authors' own code loads \(consolidated\.00\.pth\)", "conversion"),
        (["config.json", "model.fp16.safetensors"], r"as a variant \(model\.fp16", "rename it to model.safetensors"),
        (
            ["config.json", "model.fp16-00001-of-00002.safetensors", "model.fp16-00002-of-00002.safetensors"],
            "as a variant",
            "save the model anew",
        ),
        (["config.json", "diffusion_pytorch_model.safetensors"], "is a part of a diffusers pipeline", "model_index"),
        (["config.json", "llama.safetensors"], r"; it has llama\.safetensors, which nothing loads", "Choose a model"),
        (["model.onnx.data", "MODEL.ONNX", "README.md"], r"no config\.json, .*; it offers ONNX", "Choose a model"),
        (
            ["modules.json", "0_Transformer/config.json", "0_Transformer/model.safetensors", "1_Pooling/config.json"],
            "keeps its transformer in the folder 0_Transformer",
            "move what is in 0_Transformer to the top",
        ),
        (["modules.json", "0_WordEmbeddings/pytorch_model.bin"], "none is a transformer", "Choose a model"),
    ],
)
def test_what_is_there_in_place_of_a_model_is_named(files: list[str], words: str, fix: str) -> None:
    with pytest.raises(RefusedError, match=words) as refused:
        select_weight_set(facts(dict.fromkeys(files, 5)))
    assert fix in refused.value.fix


def test_mixed_sets_are_refused() -> None:
    files = {**shards(2), **shards(3)}
    with pytest.raises(RefusedError, match="mixes shards of sets of 2 and 3 files"):
        select_weight_set(facts({"config.json": 1, "model.safetensors.index.json": 1, **files}, index_of(files)))


def test_an_index_that_names_nothing_is_refused() -> None:
    with pytest.raises(RefusedError, match="names no weight files"):
        select_weight_set(facts({"config.json": 1, "model.safetensors.index.json": 1}, index_of({})))


def test_an_empty_weight_file_is_refused() -> None:
    with pytest.raises(RefusedError, match="is empty"):
        select_weight_set(facts({"config.json": 1, "model.safetensors": 0}))


def scanned(files: dict[str, int], unsafe: str) -> ModelFacts:
    return replace(facts(files), unsafe_files=(unsafe,))


def test_weights_that_the_hub_calls_unsafe_are_refused() -> None:
    with pytest.raises(RefusedError, match=r"call pytorch_model\.bin of acme/tiny unsafe") as refused:
        select_weight_set(scanned({"config.json": 1, "pytorch_model.bin": 5}, "pytorch_model.bin"))
    assert "safetensors" in refused.value.fix
    files = {"config.json": 1, "pytorch_model.bin.index.json": 1, **shards(3, "pytorch_model", "bin")}
    index = index_of(shards(3, "pytorch_model", "bin"), "pytorch_model.bin.index.json")
    sharded = replace(facts(files, index), unsafe_files=("pytorch_model-00002-of-00003.bin",))
    with pytest.raises(RefusedError, match="00002-of-00003"):
        select_weight_set(sharded)


def test_whatever_else_is_packaged_must_be_safe_too() -> None:
    with pytest.raises(RefusedError, match=r"tokenizer\.model"):
        select_weight_set(scanned({"config.json": 1, "model.safetensors": 5, "tokenizer.model": 1}, "tokenizer.model"))


@pytest.mark.parametrize("path", ["pytorch_model.bin", "training_args.bin", "evil.py"])
def test_unsafe_files_that_stay_behind_refuse_nothing(path: str) -> None:
    found = select_weight_set(scanned({"config.json": 1, "model.safetensors": 5, path: 1}, path))
    assert [file.path for file in found.weights] == ["model.safetensors"]


def test_no_weights_tells_what_there_is() -> None:
    with pytest.raises(RefusedError, match=r"no weights that can be packaged; it offers Flax, ONNX"):
        select_weight_set(facts({"config.json": 1, "flax_model.msgpack": 5, "model.onnx": 5}))


def test_a_variant_of_a_model_without_variants_is_refused() -> None:
    with pytest.raises(UsageError, match="comes in one variant only"):
        select_weight_set(facts(GPT_NEO_125M), variant="fp16")


def test_a_repository_without_a_config_is_refused() -> None:
    with pytest.raises(RefusedError, match=r"no config\.json"):
        select_weight_set(facts({"model.safetensors": 1, "README.md": 1}))


def test_an_index_is_wanted_only_where_it_decides() -> None:
    assert wanted_index({"model.safetensors": 1, "model.safetensors.index.json": 1}) is None
    assert wanted_index({"model.safetensors.index.json": 1, **shards(2)}) == "model.safetensors.index.json"
    assert wanted_index(shards(2)) is None
    assert wanted_index({"model.safetensors": 1, "pytorch_model.bin.index.json": 1}) is None


def test_the_library_of_an_unknown_kind_is_not_guessed() -> None:
    assert kind_of({"README.md"}) is None


@given(
    st.dictionaries(
        st.from_regex(r"[a-z_]{1,9}(/[a-z_]{1,9})?\.(json|txt|bin|safetensors|py|md|onnx|png)", fullmatch=True),
        st.integers(1, 10**12),
        max_size=12,
    )
)
def test_every_file_is_packaged_or_left_out_once(files: dict[str, int]) -> None:
    for kind in ("model_index.json", "adapter_config.json", "modules.json"):
        files.pop(kind, None)
    whole = facts({**files, "config.json": 1, "model.safetensors": 1})
    found = select_weight_set(whole)
    accounted = [*found.weights, *found.support, *(each.file for each in found.left_out)]
    assert sorted(accounted, key=lambda file: file.path) == list(whole.files)
    assert found.packaged_bytes <= whole.repository_bytes
