"""What is found out of models below a prefix in S3, with a store in memory."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from core.cancellation import CancelToken
from core.errors import RefusedError
from core.models.facts import ModelFacts
from core.models.hub import HubClient
from core.models.inspection import inspect_model
from core.models.reference import S3Reference
from core.models.stored_objects import StoredObject
from core.models.weight_set import select_weight_set
from tests.gguf_file import gguf_bytes
from tests.stand_in_hub import safetensors

PREFIX = "models/m/"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 526000000\n"
MODEL = {
    "config.json": json.dumps({"architectures": ["LlamaForCausalLM"], "model_type": "llama"}).encode(),
    "model.safetensors": safetensors((20, 20)),
    "tokenizer.json": b"{}" * 1000,
}
HEADER = {"general.architecture": "llama", "llama.block_count": 2, "llama.attention.head_count": 4}
TENSORS = (("token_embd.weight", (64, 10), "Q6_K"),)


class Store:
    """Holds objects; `reads` are the parts that were asked for."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.reads: list[tuple[str, int, int]] = []

    def list(self, bucket: str, prefix: str, cancel: CancelToken) -> tuple[StoredObject, ...]:
        return tuple(StoredObject(PREFIX + path, len(body), "etag") for path, body in self.files.items())

    def read(self, bucket: str, key: str, start: int, length: int, etag: str | None, cancel: CancelToken) -> bytes:
        path = key.removeprefix(PREFIX)
        self.reads.append((path, start, length))
        return self.files[path][start : start + length]

    def stream(
        self, bucket: str, key: str, start: int, length: int | None, etag: str | None, cancel: CancelToken
    ) -> AbstractContextManager[Iterator[bytes]]:
        raise NotImplementedError


def look(store: Store) -> ModelFacts:
    reference = S3Reference("bucket", PREFIX)
    return inspect_model(reference, HubClient("http://127.0.0.1:9"), CancelToken(), store)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_pointers_of_git_lfs_are_no_files_to_package(name: str) -> None:
    with pytest.raises(RefusedError, match=f"{name} of s3://bucket/models/m/ is a pointer of Git LFS"):
        select_weight_set(look(Store({**MODEL, name: POINTER})))


def test_a_gguf_file_that_is_a_pointer_is_refused() -> None:
    with pytest.raises(RefusedError, match="is a pointer of Git LFS"):
        look(Store({"a-Q4_K_M.gguf": POINTER}))


def test_only_weights_too_small_to_be_any_are_looked_into() -> None:
    store = Store({**MODEL, "notes.txt": b"x" * 100, "onnx/model.bin": b"y" * 100, "empty.bin": b""})
    assert look(store).files
    assert [path for path, _, _ in store.reads] == ["onnx/model.bin", "config.json"]


def test_the_header_of_a_gguf_file_is_read_up_to_its_template_and_tensors() -> None:
    tokens = [f"token{number:07}" for number in range(150_000)]
    content = gguf_bytes({**HEADER, "tokenizer.ggml.tokens": tokens, "tokenizer.chat_template": "{{ x }}"}, TENSORS)
    store = Store({"a-Q4_K_M.gguf": content + bytes(2**25)})
    facts = look(store)
    assert 2**21 < len(content) < 2**24
    assert (facts.chat_template, facts.parameters, facts.dtypes) == (True, 640, {"Q6_K": 640})
    begun = 2**15 + 2**20
    assert [(start, length) for _, start, length in store.reads] == [(0, 2**15), (2**15, 2**20), (begun, 2**24)]


def test_one_read_is_enough_for_a_header_that_is_short() -> None:
    store = Store({"a-Q4_K_M.gguf": gguf_bytes(HEADER, TENSORS) + bytes(2**20)})
    facts = look(store)
    assert (facts.chat_template, facts.parameters, len(store.reads)) == (False, 640, 1)


def test_a_list_of_tensors_that_is_long_is_read_to_its_end() -> None:
    many = [(f"blk.{number}.attn_q.weight", (10,), "F16") for number in range(1000)]
    store = Store({"a-Q4_K_M.gguf": gguf_bytes(HEADER, many) + bytes(2**22)})
    facts = look(store)
    assert (facts.chat_template, facts.parameters, len(store.reads)) == (False, 10_000, 2)


@pytest.mark.parametrize("size", [2, 40, -1])
def test_a_gguf_file_that_is_cut_short_is_refused(size: int) -> None:
    with pytest.raises(RefusedError, match=r"^sub/a-Q4_K_M\.gguf ends within its header"):
        look(Store({"sub/a-Q4_K_M.gguf": gguf_bytes(HEADER, TENSORS)[:size]}))


def test_an_adapter_in_s3_names_no_folder_of_this_machine(tmp_path: object) -> None:
    config = json.dumps({"base_model_name_or_path": str(tmp_path)}).encode()
    facts = look(Store({"adapter_config.json": config, "adapter_model.safetensors": safetensors((20, 20))}))
    assert facts.base is None
