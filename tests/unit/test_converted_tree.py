"""The members of an artifact, with pickled weights turned into safetensors."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from safetensors.torch import load_file

from core.artifacts.converted_tree import (
    conversion_bytes,
    converted_members,
    converted_path,
    pickled_files,
    refuse_nothing_to_convert,
)
from core.artifacts.folder import write_folder
from core.artifacts.tree import Member, Progress
from core.cancellation import CancelToken
from core.errors import CancelledByUser, RefusedError, SagewizardError, UsageError
from tests.checkpoints import save_shards


def members_of(folder: Path) -> tuple[Member, ...]:
    """The files of a folder as members, read as they are."""

    def member(path: Path) -> Member:
        def read(cancel: CancelToken) -> Iterator[bytes]:
            cancel.check()
            yield path.read_bytes()

        return Member(path.relative_to(folder).as_posix(), path.stat().st_size, read)

    return tuple(member(path) for path in sorted(folder.rglob("*")) if path.is_file())


class Folders(NamedTuple):
    model: Path
    work: Path


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    made = Folders(tmp_path / "model", tmp_path / "work")
    for each in made:
        each.mkdir()
    return made


def ignored(done: int, total: int) -> None:
    assert done <= total


def convert_all(
    folders: Folders, *, progress: Progress = ignored, cancel: CancelToken | None = None
) -> tuple[Member, ...]:
    return converted_members(members_of(folders.model), folders.work, progress=progress, cancel=cancel or CancelToken())


def content(members: tuple[Member, ...], path: str) -> bytes:
    [found] = [member for member in members if member.path == path]
    return b"".join(found.chunks(CancelToken()))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("pytorch_model.bin", "model.safetensors"),
        ("pytorch_model-00002-of-00003.bin", "model-00002-of-00003.safetensors"),
        ("pytorch_model.bin.index.json", "model.safetensors.index.json"),
        ("pytorch_model.fp16.bin", "model.fp16.safetensors"),
        ("2_Dense/pytorch_model.bin", "2_Dense/model.safetensors"),
        ("unet/diffusion_pytorch_model.fp16.bin", "unet/diffusion_pytorch_model.fp16.safetensors"),
        (
            "unet/diffusion_pytorch_model.fp16.bin.index.json",
            "unet/diffusion_pytorch_model.fp16.safetensors.index.json",
        ),
    ],
)
def test_the_libraries_find_the_new_names(before: str, after: str) -> None:
    assert converted_path(before) == after


def test_only_weights_of_the_model_s_own_are_converted() -> None:
    paths = ["pytorch_model.bin", "training_args.bin", "code/pytorch_model.bin", "x/pytorch_model.bin", "a.safetensors"]
    assert pickled_files(paths) == ("pytorch_model.bin", "x/pytorch_model.bin")
    with pytest.raises(UsageError, match="nothing to convert"):
        refuse_nothing_to_convert(["config.json", "model.safetensors", "training_args.bin"], "org/tiny")


def test_shards_become_shards_with_an_index_of_theirs(folders: Folders) -> None:
    state = {name: torch.randn(3, 2) for name in "abcd"}
    save_shards(folders.model, state, ["a", "c"], ["b", "d"])
    (folders.model / "config.json").write_text("{}")
    (folders.model / "vae").mkdir()
    torch.save({"e": torch.ones(2)}, folders.model / "vae" / "diffusion_pytorch_model.bin")
    members = convert_all(folders)
    assert [member.path for member in members] == [
        "config.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
        "vae/diffusion_pytorch_model.safetensors",
    ]
    assert json.loads(content(members, "model.safetensors.index.json")) == {
        "metadata": {"total_size": 4 * 6 * 4},
        "weight_map": {
            "a": "model-00001-of-00002.safetensors",
            "b": "model-00002-of-00002.safetensors",
            "c": "model-00001-of-00002.safetensors",
            "d": "model-00002-of-00002.safetensors",
        },
    }
    target = folders.work.parent / "artifact"
    write_folder(members, target, progress=lambda *_: None, cancel=CancelToken())
    assert torch.equal(load_file(target / "model-00002-of-00002.safetensors")["d"], state["d"])
    assert all(path.suffix == ".safetensors" for path in folders.work.iterdir()), "no pickle is left behind"


def test_the_same_weights_give_the_same_bytes(folders: Folders) -> None:
    save_shards(folders.model, {name: torch.ones(3) for name in "ab"}, ["a"], ["b"])
    first = [(member.path, content((member,), member.path)) for member in convert_all(folders)]
    shutil.rmtree(folders.work)
    folders.work.mkdir()
    assert [(member.path, content((member,), member.path)) for member in convert_all(folders)] == first


@pytest.mark.parametrize(
    ("config", "kept"),
    [
        ({}, {"a"}),
        ({"tie_word_embeddings": True}, {"a"}),
        ({"tie_word_embeddings": False}, {"a", "b"}),
        ({"text_config": {"tie_word_embeddings": False}}, {"a", "b"}),
        ([], {"a"}),
    ],
)
def test_what_the_config_says_is_not_tied_is_written_for_each_name(
    folders: Folders, config: Any, kept: set[str]
) -> None:
    shared = torch.ones(3)
    torch.save({"a": shared, "b": shared}, folders.model / "pytorch_model.bin")
    (folders.model / "config.json").write_text(json.dumps(config))
    members = convert_all(folders)
    (folders.work / "read").write_bytes(content(members, "model.safetensors"))
    assert set(load_file(folders.work / "read")) == kept


def test_one_name_in_two_shards_is_refused(folders: Folders) -> None:
    save_shards(folders.model, {"a": torch.ones(3)}, ["a"], ["a"])
    with pytest.raises(RefusedError, match=r"“a” is in two of the files that pytorch_model\.bin\.index\.json lists"):
        convert_all(folders)


def test_a_file_that_is_not_as_it_was_listed_is_not_converted(folders: Folders) -> None:
    path = folders.model / "pytorch_model.bin"
    torch.save({"a": torch.ones(3)}, path)
    members = members_of(folders.model)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SagewizardError, match="was listed with"):
        converted_members(members, folders.work, progress=lambda *_: None, cancel=CancelToken())
    assert list(folders.work.iterdir()) == []


def test_a_disk_without_room_is_refused_before_anything_is_fetched(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_shards(folders.model, {name: torch.ones(1000) for name in "abc"}, ["a"], ["b", "c"])
    sizes = [path.stat().st_size for path in folders.model.glob("*.bin")]
    needed = conversion_bytes(members_of(folders.model))
    assert sum(sizes) + max(sizes) <= needed <= (sum(sizes) + max(sizes)) * 1.02
    full = shutil.disk_usage(folders.work)._replace(free=needed - 1)
    monkeypatch.setattr("shutil.disk_usage", lambda _: full)
    with pytest.raises(RefusedError, match="Converting the weights needs"):
        convert_all(folders)
    assert list(folders.work.iterdir()) == []


def test_progress_goes_from_nothing_to_the_size_of_the_pickles(folders: Folders) -> None:
    save_shards(folders.model, {name: torch.ones(1000) for name in "abc"}, ["a"], ["b", "c"])
    total = sum(path.stat().st_size for path in folders.model.glob("*.bin"))
    told: list[tuple[int, int]] = []
    convert_all(folders, progress=lambda done, whole: told.append((done, whole)))
    assert told[0] == (0, total)
    assert told[-1] == (total, total)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_stopping_is_heard_between_pieces(folders: Folders) -> None:
    torch.save({"a": torch.ones(3)}, folders.model / "pytorch_model.bin")
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(CancelledByUser):
        convert_all(folders, cancel=cancel)
