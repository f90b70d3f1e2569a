"""The local cache of huggingface_hub: found where its own library looks, and nothing outside it."""

import hashlib
from pathlib import Path

import pytest

from core.models.facts import ModelFile
from core.models.hub_cache import cache_root, cached_file

COMMIT = "a" * 40
DATA = b"weights"
FILE = ModelFile("part/model.safetensors", len(DATA), sha256=hashlib.sha256(DATA).hexdigest())


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("HF_HUB_CACHE", str(folder))
    return folder


def put(cache: Path, target: Path | None = None, data: bytes = DATA) -> Path:
    """Lay a file into the cache as its library does; returns the file itself. `target` is where its link leads."""
    repository = cache / "models--acme--tiny"
    blob = target or repository / "blobs" / "0123"
    blob.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(data)
    link = repository / "snapshots" / COMMIT / FILE.path
    link.parent.mkdir(parents=True)
    link.symlink_to(blob)
    return blob


def found(file: ModelFile = FILE, revision: str = COMMIT, repository: str = "acme/tiny") -> Path | None:
    return cached_file(repository, revision, file)


def test_a_file_is_found_where_its_link_leads(cache: Path) -> None:
    assert found() is None
    blob = put(cache)
    assert found() == blob.resolve()


@pytest.mark.parametrize(
    ("names", "folder"),
    [
        ({"HF_HUB_CACHE": "one", "HF_HOME": "two"}, "one"),
        ({"HUGGINGFACE_HUB_CACHE": "old", "HF_HOME": "two"}, "old"),
        ({"HF_HOME": "two", "XDG_CACHE_HOME": "three"}, "two/hub"),
        ({"XDG_CACHE_HOME": "three"}, "three/huggingface/hub"),
        ({"HF_HUB_CACHE": "$HOME/four"}, "home/four"),
        ({"HF_HOME": "~/five"}, "home/five/hub"),
        ({}, "home/.cache/huggingface/hub"),
    ],
)
def test_the_cache_is_where_its_library_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: dict[str, str], folder: str
) -> None:
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name, value in names.items():
        monkeypatch.setenv(name, value if value.startswith(("~", "$")) else str(tmp_path / value))
    assert cache_root() == tmp_path / folder


@pytest.mark.parametrize(
    ("file", "revision", "repository"),
    [
        (ModelFile(FILE.path, len(DATA) + 1, sha256=FILE.sha256), COMMIT, "acme/tiny"),
        (ModelFile(FILE.path, len(DATA)), COMMIT, "acme/tiny"),
        (ModelFile("part", len(DATA), sha256=FILE.sha256), COMMIT, "acme/tiny"),
        (ModelFile("part/other", len(DATA), sha256=FILE.sha256), COMMIT, "acme/tiny"),
        (FILE, "b" * 40, "acme/tiny"),
        (FILE, COMMIT, "acme/other"),
        (FILE, "nul\0", "acme/tiny"),
    ],
    ids=["size", "no digest", "folder", "file", "commit", "repository", "no name"],
)
def test_what_is_not_there_as_listed_is_not_found(cache: Path, file: ModelFile, revision: str, repository: str) -> None:
    put(cache)
    assert found(file, revision, repository) is None


def test_a_link_that_leads_out_of_the_cache_is_not_followed(cache: Path, tmp_path: Path) -> None:
    put(cache, target=tmp_path / "secret")
    assert found() is None


def test_a_folder_that_leads_out_of_the_cache_is_not_followed(cache: Path, tmp_path: Path) -> None:
    put(tmp_path / "elsewhere")
    cache.mkdir()
    (cache / "models--acme--tiny").symlink_to(tmp_path / "elsewhere" / "models--acme--tiny")
    assert found() is None


@pytest.mark.parametrize("revision", ["../../../outside", "../../../../outside"])
def test_a_revision_that_leads_out_of_the_cache_is_not_followed(cache: Path, tmp_path: Path, revision: str) -> None:
    outside = tmp_path / "outside" / FILE.path
    outside.parent.mkdir(parents=True)
    outside.write_bytes(DATA)
    (cache / "models--acme--tiny" / "snapshots").mkdir(parents=True)
    assert found(revision=revision) is None


def test_a_circle_of_links_is_not_followed(cache: Path) -> None:
    place = cache / "models--acme--tiny" / "snapshots" / COMMIT / FILE.path
    place.parent.mkdir(parents=True)
    place.symlink_to(place)
    assert found() is None


def test_a_cache_that_is_itself_a_link_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = put(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "link"))
    assert found() == blob.resolve()
