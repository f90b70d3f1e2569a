"""The members of an artifact, with pickled weights turned into safetensors."""

import json
import shutil
from collections import Counter
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
from core.artifacts.tree import Member
from core.cancellation import CancelToken
from core.errors import CancelledByUser, RefusedError, UsageError
from tests.checkpoints import save_shards
from tests.model_contents import FarContent, far_members, near_members


class Folders(NamedTuple):
    model: Path
    work: Path


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    made = Folders(tmp_path / "model", tmp_path / "work")
    for each in made:
        each.mkdir()
    return made


def convert_all(
    folders: Folders, members: tuple[Member, ...] | None = None, cancel: CancelToken | None = None, **options: Any
) -> tuple[Member, ...]:
    found = far_members(folders.model) if members is None else members
    return converted_members(found, folders.work, cancel=cancel or CancelToken(), **options)


def content(members: tuple[Member, ...], path: str) -> bytes:
    [found] = [member for member in members if member.path == path]
    return b"".join(found.chunks(CancelToken()))


def asked_of(member: Member) -> list[tuple[int, int]]:
    assert isinstance(member.content, FarContent)
    return member.content.asked


def test_no_more_of_the_disk_is_used_than_is_allowed(folders: Folders) -> None:
    torch.save({"a": torch.ones(200)}, folders.model / "pytorch_model.bin")
    needed = conversion_bytes(far_members(folders.model))
    with pytest.raises(RefusedError, match=r"disk space, and .* is allowed") as refused:
        convert_all(folders, disk_bytes=needed - 1)
    assert "--disk" in refused.value.fix
    assert list(folders.work.iterdir()) == []
    assert convert_all(folders, disk_bytes=needed)


def test_what_lies_on_this_machine_is_converted_without_any_disk(folders: Folders) -> None:
    torch.save({"a": torch.ones(200)}, folders.model / "pytorch_model.bin")
    members = convert_all(folders, near_members(folders.model), disk_bytes=0)
    assert content(members, "model.safetensors")
    assert list(folders.work.iterdir()) == []


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
    write_folder(members, target, cancel=CancelToken())
    assert torch.equal(load_file(target / "model-00002-of-00002.safetensors")["d"], state["d"])


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


def test_one_pickle_at_a_time_has_to_find_room_on_the_disk(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    save_shards(folders.model, {name: torch.ones(1000) for name in "abc"}, ["a"], ["b", "c"])
    members = far_members(folders.model)
    needed = conversion_bytes(members)
    assert needed == max(path.stat().st_size for path in folders.model.glob("*.bin"))
    full = shutil.disk_usage(folders.work)._replace(free=needed - 1)
    monkeypatch.setattr("shutil.disk_usage", lambda _: full)
    with pytest.raises(RefusedError, match=rf"Converting the weights needs {needed / 1000:.1f} kB"):
        convert_all(folders, members)
    assert not any(asked_of(member) for member in members)
    assert conversion_bytes(near_members(folders.model)) == 0
    convert_all(folders, near_members(folders.model))


def test_what_is_fetched_is_told_as_so_much_of_what_it_becomes(folders: Folders) -> None:
    save_shards(folders.model, {name: torch.ones(1000) for name in "abc"}, ["a"], ["b", "c"])
    told: Counter[str] = Counter()

    def arriving(count: int, path: str) -> None:
        told[path] += count

    for members in (far_members(folders.model), near_members(folders.model)):
        told.clear()
        found = convert_all(folders, members, arriving=arriving)
        assert not told, "nothing is fetched before it is read"
        for _ in range(2):
            for member in found:
                content(found, member.path)
        assert told == {member.path: member.bytes for member in found if member.path.endswith(".safetensors")}


def test_stopping_is_heard(folders: Folders) -> None:
    torch.save({"a": torch.ones(3)}, folders.model / "pytorch_model.bin")
    for members in (far_members(folders.model), near_members(folders.model)):
        [member] = convert_all(folders, members)
        cancel = CancelToken()
        cancel.cancel()
        with pytest.raises(CancelledByUser):
            convert_all(folders, members, cancel)
        with pytest.raises(CancelledByUser):
            list(member.chunks(cancel))
        assert list(folders.work.iterdir()) == []
        assert list(member.chunks(CancelToken())), "it may be begun again"
        member.content.release()
