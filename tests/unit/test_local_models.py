"""Models of all kinds in folders of this machine: what is read of their weights, and which are refused."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from core.cancellation import CancelToken
from core.errors import RefusedError, SagewizardError
from core.models.facts import ModelFacts
from core.models.hub import HubClient
from core.models.inspection import inspect_model
from core.models.reference import FolderReference
from core.models.weight_set import select_weight_set
from tests.gguf_file import gguf_bytes
from tests.stand_in_hub import safetensors

LLAMA = {
    "general.architecture": "llama",
    "llama.block_count": 2,
    "llama.attention.head_count": 4,
    "tokenizer.ggml.tokens": [f"token{number:05}" for number in range(32_000)],
    "tokenizer.chat_template": "{{ messages }}",
}
TENSORS = (("token_embd.weight", (64, 10), "Q6_K"), ("output_norm.weight", (64,), "F32"))
PIPELINE: Mapping[str, object] = {
    "_class_name": "FluxPipeline",
    "transformer": ["diffusers", "F"],
    "vae": ["diffusers", "A"],
}
PARTS = ("transformer/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors")
ADAPTER = "adapter_model.safetensors"
BERT = {"architectures": ["BertModel"], "model_type": "bert"}


def put(root: Path, files: Mapping[str, bytes | Mapping[str, object]]) -> Path:
    """Write files: as they are, or as JSON."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return root


def look(root: Path) -> ModelFacts:
    return inspect_model(FolderReference(root), HubClient("http://127.0.0.1:9"), CancelToken())


def test_the_whole_header_of_a_gguf_file_is_read(tmp_path: Path) -> None:
    content = gguf_bytes(LLAMA, TENSORS)
    facts = look(put(tmp_path, {"a_Q4_K_M.gguf": content}))
    assert len(content) > 2**19
    assert facts.chat_template
    assert (facts.parameters, facts.dtypes) == (704, {"Q6_K": 640, "F32": 64})


def test_a_header_longer_than_most_is_read_to_its_end(tmp_path: Path) -> None:
    content = gguf_bytes({**LLAMA, "tokenizer.ggml.tokens": ["x" * 1000] * 18_500}, TENSORS)
    facts = look(put(tmp_path, {"a_Q4_K_M.gguf": content}))
    assert len(content) > 17 * 2**20 + 2**15
    assert (facts.chat_template, facts.parameters) == (True, 704)


def test_a_part_of_a_split_file_does_not_tell_the_parameters(tmp_path: Path) -> None:
    (tmp_path / "a-Q4_K_M-00001-of-00002.gguf").write_bytes(gguf_bytes(LLAMA, TENSORS))
    (tmp_path / "a-Q4_K_M-00002-of-00002.gguf").write_bytes(gguf_bytes({}, TENSORS))
    facts = look(tmp_path)
    assert (facts.parameters, facts.chat_template, facts.dtypes) == (None, True, {})


@pytest.mark.parametrize("size", [2, 40, 1000, -1])
def test_a_gguf_file_that_is_cut_short_is_refused(tmp_path: Path, size: int) -> None:
    put(tmp_path, {"a_Q4_K_M.gguf": gguf_bytes(LLAMA, TENSORS)[:size]})
    with pytest.raises(RefusedError, match=r"^a_Q4_K_M\.gguf ends within its header") as caught:
        look(tmp_path)
    assert "cut short" in caught.value.fix


def pipeline(root: Path, first: bytes, second: bytes) -> Path:
    return put(root, {"model_index.json": PIPELINE, PARTS[0]: first, PARTS[1]: second})


def test_the_parts_of_a_pipeline_are_counted(tmp_path: Path) -> None:
    facts = look(pipeline(tmp_path, safetensors((30, 2), "BF16", 2), safetensors((4,), "F32", 4)))
    assert (facts.parameters, facts.parameters_confidence, facts.dtype) == (64, "exact", "bfloat16")
    assert facts.dtypes == {"BF16": 60, "F32": 4}


def test_a_part_of_a_pipeline_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    pipeline(tmp_path, safetensors(), safetensors()[:-10])
    with pytest.raises(RefusedError, match=r"^vae/diffusion_pytorch_model\.safetensors has .* its header tells of"):
        look(tmp_path)


def test_a_pipeline_without_all_of_its_weights_is_looked_at(tmp_path: Path) -> None:
    pipeline(tmp_path, safetensors(), safetensors())
    (tmp_path / PARTS[0]).unlink()
    (tmp_path / PARTS[1]).unlink()
    assert look(tmp_path).parameters is None


def test_an_adapter_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    put(adapter(tmp_path, "acme/base"), {ADAPTER: safetensors()[:-5]})
    with pytest.raises(RefusedError, match=r"^adapter_model\.safetensors has"):
        look(tmp_path)


def test_a_module_after_the_transformer_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    put(base(tmp_path), {"modules.json": b"[]", "2_Dense/model.safetensors": safetensors()[:-5]})
    with pytest.raises(RefusedError, match=r"^2_Dense/model\.safetensors has"):
        look(tmp_path)


def base(root: Path) -> Path:
    return put(root, {"config.json": BERT, "model.safetensors": safetensors(), "tokenizer.json": b"{}"})


def adapter(root: Path, named: str) -> Path:
    return put(root, {"adapter_config.json": {"base_model_name_or_path": named}, ADAPTER: safetensors()})


@pytest.mark.parametrize("relative", [False, True])
def test_the_base_of_a_local_adapter_may_be_a_folder(tmp_path: Path, relative: bool) -> None:
    there = base(tmp_path / "base")
    facts = look(adapter(tmp_path / "adapter", "../base" if relative else str(there)))
    assert facts.base is not None
    assert facts.base.reference == FolderReference(there)
    assert select_weight_set(facts).weight_bytes == 2 * len(safetensors())


def test_a_base_is_looked_for_from_where_the_program_runs_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base(tmp_path / "base")
    there = base(tmp_path / "work" / "base")
    monkeypatch.chdir(tmp_path / "work")
    facts = look(adapter(tmp_path / "adapter", "./base"))
    assert facts.base is not None
    assert facts.base.reference == FolderReference(there)


@pytest.mark.parametrize(
    "named",
    ["/no/such/folder", "../none", "/a\0b", "/\ud800", "./" + "x" * 300, "/" + "x/" * 5000],
    ids=["absolute", "relative", "null", "surrogate", "long name", "long path"],
)
def test_a_base_that_is_no_folder_is_told_of(tmp_path: Path, named: str) -> None:
    facts = look(adapter(tmp_path / "adapter", named))
    assert facts.base is None
    assert any("neither a folder on this machine nor a model on the Hub" in each for each in facts.warnings)


def test_an_adapter_that_is_its_own_base_goes_no_further(tmp_path: Path) -> None:
    with pytest.raises(SagewizardError, match="is an adapter itself"):
        look(adapter(tmp_path / "adapter", "../adapter"))


def test_the_template_of_an_older_vision_model_counts(tmp_path: Path) -> None:
    base(tmp_path)
    assert not look(tmp_path).chat_template
    (tmp_path / "chat_template.json").write_text('{"chat_template": "{{ messages }}"}')
    assert look(tmp_path).chat_template


def test_the_code_of_a_pipeline_is_not_run_and_that_is_told(tmp_path: Path) -> None:
    pipeline(tmp_path, safetensors(), safetensors())
    assert not any("code of its own" in each for each in look(tmp_path).warnings)
    index = {**PIPELINE, "_class_name": ["my_pipeline", "MyPipeline"], "vae": ["my_vae", "Vae"]}
    put(tmp_path, {"model_index.json": index, "my_pipeline.py": b"", "vae/my_vae.py": b""})
    facts = look(tmp_path)
    assert facts.pipeline is not None
    assert (facts.architecture, [part.folder for part in facts.pipeline.parts]) == (
        "MyPipeline",
        ["transformer", "vae"],
    )
    assert any("(my_pipeline.py, vae/my_vae.py), which is not run" in each for each in facts.warnings)


@pytest.mark.parametrize("named", [[], ["a"], ["a", 7], [["a"], "b"], {"a": 1}, None, 7])
def test_a_pipeline_whose_class_is_odd_is_looked_at(tmp_path: Path, named: object) -> None:
    pipeline(tmp_path, safetensors(), safetensors())
    put(tmp_path, {"model_index.json": {**PIPELINE, "_class_name": named}})
    assert look(tmp_path).architecture == "unknown"
