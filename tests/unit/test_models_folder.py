"""Models in folders of this machine."""

import json
import os
import struct
from pathlib import Path

import pytest

from core.cancellation import CancelToken
from core.errors import (
    AccessError,
    CancelledByUser,
    NotFoundError,
    RefusedError,
    SagewizardError,
    UsageError,
)
from core.external_text import clean_line
from core.models.facts import ModelFacts, ModelFile
from core.models.hub import HubClient
from core.models.inspection import inspect_model
from core.models.memory import context_limit, kv_bytes_per_token
from core.models.reference import FolderReference
from core.models.safetensors_header import read_parameters
from core.models.sources import FolderSource, open_source
from core.models.weight_set import select_weight_set
from tests.stand_in_hub import safetensors

CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16"}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    root = tmp_path / "model"
    root.mkdir()
    (root / "config.json").write_text(json.dumps(CONFIG))
    (root / "model.safetensors").write_bytes(safetensors((3, 5), "BF16", 2))
    (root / "tokenizer.json").write_text("{}")
    return root


def look(root: Path) -> ModelFacts:
    return inspect_model(FolderReference(root), HubClient("http://127.0.0.1:9"), CancelToken())


def test_facts_of_a_folder(model: Path) -> None:
    (model / "tokenizer_config.json").write_text('{"chat_template": "x"}')
    facts = look(model)
    assert [file.path for file in facts.files] == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert facts.revision is None
    assert (facts.task, facts.library, facts.architecture) == ("text-generation", "transformers", "LlamaForCausalLM")
    assert (facts.parameters, facts.dtype) == (15, "bfloat16")
    assert facts.chat_template
    assert facts.license is None


def test_shards_are_counted_together(model: Path) -> None:
    (model / "model.safetensors").unlink()
    names = [f"model-{number:05}-of-00002.safetensors" for number in (1, 2)]
    for name in names:
        (model / name).write_bytes(safetensors((4,), "F16", 2))
    index = {"weight_map": {"a": names[0], "b": names[1]}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    facts = look(model)
    assert (facts.parameters, facts.dtype) == (8, "float16")
    assert select_weight_set(facts).shards == 2


def test_hidden_and_cache_folders_are_no_part_of_it(model: Path) -> None:
    for name in (".git/config", ".cache/huggingface/x", "__pycache__/a.pyc", ".env"):
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_text("x")
    assert len(look(model).files) == 3


def test_a_handler_of_the_models_own_is_not_replaced_without_a_word(model: Path) -> None:
    (model / "code").mkdir()
    (model / "code" / "inference.py").write_text("def model_fn(model_dir): ...")
    (warning,) = look(model).warnings
    assert "code/inference.py" in warning


def test_links_to_files_count_and_links_to_folders_do_not(model: Path, tmp_path: Path) -> None:
    blob = tmp_path / "blob"
    (model / "model.safetensors").rename(blob)
    (model / "model.safetensors").symlink_to(blob)
    (model / "loop").symlink_to(model)
    facts = look(model)
    assert {file.path: file.bytes for file in facts.files}["model.safetensors"] == blob.stat().st_size
    assert facts.warnings == (
        "loop is a link to a folder, and is left out.",
        "model.safetensors lead out of the folder as links: what is there is packaged.",
    )


def test_the_links_of_the_hubs_cache_are_as_they_should_be(model: Path, tmp_path: Path) -> None:
    blobs = tmp_path / "models--a--b" / "blobs"
    blobs.mkdir(parents=True)
    snapshot = blobs.parent / "snapshots" / ("0" * 40)
    snapshot.parent.mkdir()
    model.rename(snapshot)
    (snapshot / "model.safetensors").rename(blobs / "abc")
    (snapshot / "model.safetensors").symlink_to("../../blobs/abc")
    (snapshot / "vocab.json").symlink_to("tokenizer.json")
    assert look(snapshot).warnings == ()


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 526000000\n"


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer_config.json", "tokenizer.json"])
def test_pointers_of_git_lfs_are_no_files_to_package(model: Path, name: str) -> None:
    (model / name).write_bytes(POINTER)
    with pytest.raises(RefusedError, match="is a pointer of Git LFS, not the file itself") as refused:
        select_weight_set(look(model))
    assert name in refused.value.message
    assert refused.value.fix == f"Run `git lfs pull` in {model}."


def test_pickles_and_shards_that_are_pointers_are_refused(model: Path) -> None:
    (model / "model.safetensors").rename(model / "model-00001-of-00002.safetensors")
    (model / "model-00002-of-00002.safetensors").write_bytes(POINTER)
    names = [f"model-{number:05}-of-00002.safetensors" for number in (1, 2)]
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": names[0], "b": names[1]}}))
    with pytest.raises(RefusedError, match=r"model-00002-of-00002\.safetensors of .* is a pointer"):
        look(model)
    for name in (*names, "model.safetensors.index.json"):
        (model / name).unlink()
    (model / "pytorch_model.bin").write_bytes(POINTER)
    (model / "tokenizer.json").write_bytes(POINTER)
    with pytest.raises(RefusedError, match=r"pytorch_model\.bin, tokenizer\.json of .* are pointers"):
        select_weight_set(look(model))


def test_pointers_that_stay_behind_refuse_nothing(model: Path) -> None:
    for name in ("flax_model.msgpack", "pytorch_model.bin", "onnx/model.onnx"):
        (model / name).parent.mkdir(exist_ok=True)
        (model / name).write_bytes(POINTER)
    (model / "README.md").write_bytes(b"About " + POINTER)
    assert [file.path for file in select_weight_set(look(model)).weights] == ["model.safetensors"]


def test_names_on_the_disk_are_safe_to_show(model: Path) -> None:
    (model / "x\x1b[2Jy").symlink_to(model)
    os.mkfifo(os.fsencode(model) + b"/p\xff\x9b")
    for warning in look(model).warnings:
        assert clean_line(warning) == warning
        assert warning.isprintable()
        warning.encode()
    (model / "\x1b]0;t\x07.txt").symlink_to("gone")
    with pytest.raises(NotFoundError) as caught:
        look(model)
    assert "\x1b" not in caught.value.message


def test_numbers_beyond_reason_count_as_not_told(model: Path) -> None:
    shape = dict.fromkeys(("num_hidden_layers", "num_attention_heads", "head_dim"), 10**300)
    (model / "config.json").write_text(json.dumps({**CONFIG, **shape, "max_position_embeddings": 9}))
    facts = look(model)
    assert kv_bytes_per_token(facts) is None
    assert context_limit(facts) == 9


def test_words_of_a_config_are_safe_to_show(model: Path) -> None:
    (model / "config.json").write_text(json.dumps({"architectures": ["Llama\x1b[2JForCausalLM"], "dtype": "f\x9b16"}))
    facts = look(model)
    assert facts.architecture == "LlamaForCausalLM"
    header = json.dumps({"w": {"dtype": "F\x1b]0;t\x0716", "shape": [2], "data_offsets": [0, 4]}}).encode()
    (model / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    assert look(model).dtype == "float16"


def test_a_link_that_leads_nowhere(model: Path) -> None:
    (model / "vocab.txt").symlink_to(model / "gone")
    with pytest.raises(NotFoundError, match="not there"):
        look(model)


def test_a_pipe_is_left_out(model: Path) -> None:
    os.mkfifo(model / "pipe")
    facts = look(model)
    assert len(facts.files) == 3
    assert facts.warnings == ("pipe is not a plain file, and is left out.",)


def test_a_name_that_cannot_be_packaged(model: Path) -> None:
    (model / "a\x1b[31mb").write_text("x")
    with pytest.raises(RefusedError, match="unusable name") as caught:
        look(model)
    assert "\x1b" not in str(caught.value)


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no folder"):
        look(tmp_path / "none")


def test_a_file_in_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="is a file"):
        look(tmp_path / "file")


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="is empty"):
        look(tmp_path)


def test_a_folder_that_holds_no_model(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(RefusedError, match="holds no model") as caught:
        look(tmp_path)
    assert "config.json" in caught.value.fix


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read(model: Path) -> None:
    (model / "config.json").chmod(0)
    with pytest.raises(AccessError, match="may not be read"):
        look(model)


@pytest.mark.parametrize("text", ['{"a": ', "[]", '"x"', "[" * 100_000], ids=["cut", "list", "text", "deep"])
def test_a_malformed_config(model: Path, text: str) -> None:
    (model / "config.json").write_text(text)
    with pytest.raises(SagewizardError, match=r"config\.json of .* is not"):
        look(model)


def test_a_config_of_the_wrong_shape_tells_nothing(model: Path) -> None:
    (model / "config.json").write_text('{"architectures": "Llama", "model_type": 7, "torch_dtype": [1]}')
    facts = look(model)
    assert (facts.architecture, facts.task, facts.model_type) == (None, None, None)


@pytest.mark.parametrize("weight_map", [None, [], {"a": 1}])
def test_a_malformed_index(model: Path, weight_map: object) -> None:
    (model / "model.safetensors").unlink()
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(SagewizardError, match="no weight map"):
        look(model)


def test_weights_that_were_cut_short(model: Path) -> None:
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(RefusedError, match="its header tells of"):
        look(model)


HEADER = {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"1234567",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4\n",
        struct.pack("<Q", 2**62) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 4) + b"{\xff\xff}",
        struct.pack("<Q", 15) + b'{"a":{"x":"y"}}',
        struct.pack("<Q", 53) + b'{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}',
    ],
    ids=["empty", "short", "pointer", "giant", "list", "binary", "fields", "negative"],
)
def test_what_is_no_safetensors_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(SagewizardError, match="not a safetensors file"):
        read_parameters([path])


def test_the_most_common_type_is_the_dtype(tmp_path: Path) -> None:
    header = {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F16", "shape": [3, 2], "data_offsets": [0, 12]},
        "b": {"dtype": "U8", "shape": [5], "data_offsets": [12, 17]},
        "scalar": {"dtype": "F16", "shape": [], "data_offsets": [17, 19]},
    }
    body = json.dumps(header).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(body)) + body + bytes(19))
    found = read_parameters([path])
    assert (found.total, found.dtype) == (12, "float16")


def test_reading_a_folder(model: Path) -> None:
    source = open_source(FolderReference(model), None, HubClient("http://127.0.0.1:9"))
    for file in look(model).files:
        assert b"".join(source.read(file, CancelToken())) == (model / file.path).read_bytes()


def test_a_file_that_grew_or_shrank_since_it_was_listed(model: Path) -> None:
    files = {file.path: file for file in look(model).files}
    (model / "tokenizer.json").write_text('{"a": 1}')
    with pytest.raises(SagewizardError, match=r"tokenizer\.json is larger than"):
        list(FolderSource(model).read(files["tokenizer.json"], CancelToken()))
    (model / "tokenizer.json").write_text("")
    with pytest.raises(SagewizardError, match="has 0 bytes instead of 2"):
        list(FolderSource(model).read(files["tokenizer.json"], CancelToken()))


def test_a_file_rewritten_between_two_reads(model: Path) -> None:
    source, file = FolderSource(model), ModelFile("tokenizer.json", 2)
    assert list(source.read(file, CancelToken())) == [b"{}"]
    (model / "tokenizer.json").write_text("[]")
    os.utime(model / "tokenizer.json", ns=(1, 1))
    with pytest.raises(SagewizardError, match="changed while it was being packaged"):
        list(source.read(file, CancelToken()))


def test_a_file_rewritten_while_it_is_read(model: Path) -> None:
    weights = model / "model.safetensors"
    weights.write_bytes(bytes(3 * 2**20))
    pieces = FolderSource(model).read(ModelFile("model.safetensors", 3 * 2**20), CancelToken())
    next(pieces)
    os.utime(weights, ns=(1, 1))
    with pytest.raises(SagewizardError, match="changed while it was being packaged"):
        list(pieces)


def test_a_file_of_a_folder_that_is_gone(model: Path) -> None:
    (model / "tokenizer.json").unlink()
    with pytest.raises(NotFoundError, match="not there any more"):
        list(FolderSource(model).read(ModelFile("tokenizer.json", 2), CancelToken()))


def test_stopping_ends_reading(model: Path) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(CancelledByUser):
        list(FolderSource(model).read(ModelFile("tokenizer.json", 2), cancel))
    with pytest.raises(CancelledByUser):
        inspect_model(FolderReference(model), HubClient("http://127.0.0.1:9"), cancel)
