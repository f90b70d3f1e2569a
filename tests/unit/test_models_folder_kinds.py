"""Which folders of this machine hold a model, by their names alone."""

from pathlib import Path

import pytest

from core.cancellation import CancelToken
from core.errors import RefusedError
from core.models.folder import list_folder


def put(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")
    return root


@pytest.mark.parametrize("path", ["Q4_K_M/tiny.gguf", "TINY-Q4_K_M.GGUF", "a/b/c/tiny.gguf", "modules.json"])
def test_models_are_found_as_on_the_hub(tmp_path: Path, path: str) -> None:
    assert path in {file.path for file in list_folder(put(tmp_path, path), CancelToken()).files}


@pytest.mark.parametrize("path", ["notes.txt", ".cache/tiny.gguf", ".tiny.gguf", "mmproj-F16.gguf", "sub/config.json"])
def test_other_folders_hold_no_model(tmp_path: Path, path: str) -> None:
    with pytest.raises(RefusedError, match=r"holds no model: there is no config\.json"):
        list_folder(put(tmp_path, path), CancelToken())


def test_what_is_known_otherwise_is_named(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="is a LoRA for a diffusers pipeline"):
        list_folder(put(tmp_path / "a", "pytorch_lora_weights.safetensors"), CancelToken())
    with pytest.raises(RefusedError, match="authors' own code"):
        list_folder(put(tmp_path / "b", "consolidated.safetensors", "params.json"), CancelToken())


def test_a_folder_without_a_model_is_not_read_through(tmp_path: Path) -> None:
    (put(tmp_path, "a/notes.txt") / "a/broken").symlink_to(tmp_path / "gone")
    with pytest.raises(RefusedError, match="holds no model"):
        list_folder(tmp_path, CancelToken())
