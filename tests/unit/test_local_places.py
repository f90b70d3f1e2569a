"""Places where models may be, as they are listed while a path is typed: folders, and prefixes in S3."""

import os
from pathlib import Path

import pytest

from core.cancellation import CancelToken
from core.errors import UsageError
from core.models.local_places import MOST_PLACES, Place, folders_like
from core.models.stored_places import prefixes_like


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of folders: some hold models, and it is where the program was started."""
    root = tmp_path / "root"
    for name in ("plain", "Piped/deep", ".hidden", "__pycache__", "tuned", "pipeline", "adapter", "quantized"):
        (root / name).mkdir(parents=True)
    for path in ("tuned/config.json", "pipeline/model_index.json", "adapter/adapter_config.json", "quantized/a.GGUF"):
        (root / path).write_text("{}")
    (root / "plain.txt").write_text("no folder")
    monkeypatch.chdir(root)
    return root


def _names(text: str) -> list[str]:
    return [place.name for place in folders_like(text)]


def test_folders_are_listed_by_name_with_a_mark_for_those_that_hold_a_model(root: Path) -> None:
    assert folders_like(f"{root}/") == (
        Place(f"{root}/adapter", "adapter", model=True),
        Place(f"{root}/Piped/", "Piped", model=False),
        Place(f"{root}/pipeline", "pipeline", model=True),
        Place(f"{root}/plain/", "plain", model=False),
        Place(f"{root}/quantized", "quantized", model=True),
        Place(f"{root}/tuned", "tuned", model=True),
    )


def test_what_was_begun_narrows_them_in_either_case(root: Path) -> None:
    assert _names("./pip") == ["Piped", "pipeline"]
    assert _names("./PIPE") == ["Piped", "pipeline"]
    assert _names("./tuned.") == []


@pytest.mark.parametrize("text", [".", "./", "./plain/..", "./plain/../"])
def test_a_folder_is_meant_whether_it_ends_in_a_slash_or_not(root: Path, text: str) -> None:
    assert _names(text) == ["adapter", "Piped", "pipeline", "plain", "quantized", "tuned"]
    assert folders_like(text)[1].text == f"{text.rstrip('/')}/Piped/"


def test_the_beginning_stays_as_it_was_typed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(root))
    assert folders_like("~/tu") == (Place("~/tuned", "tuned", model=True),)
    assert folders_like("~")[0].text == "~/adapter"
    assert folders_like("../root/Pi")[0].text == "../root/Piped/"


def test_a_folder_that_is_named_whole_and_holds_a_model_comes_first(root: Path) -> None:
    (root / "tuned" / "checkpoints").mkdir()
    assert folders_like("./tuned/") == (
        Place("./tuned", "this folder", model=True),
        Place("./tuned/checkpoints/", "checkpoints", model=False),
    )


@pytest.mark.parametrize(
    "text", ["/no-such-folder/x", "./plain.txt/", "~nobody-of-that-name/", "./a\0b/", "./" + "x" * 5000, "./plain/"]
)
def test_what_is_no_folder_or_holds_none_lists_nothing(root: Path, text: str) -> None:
    (root / "plain" / "file").touch()
    assert folders_like(text) == ()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_counts_as_empty(root: Path) -> None:
    (root / "plain").chmod(0)
    assert Place("./plain/", "plain", model=False) in folders_like("./")
    assert folders_like("./plain/") == ()


def test_links_that_lead_nowhere_or_round_in_a_circle_are_no_folders(root: Path) -> None:
    (root / "gone").symlink_to(root / "not-there")
    (root / "round").symlink_to(root / "round")
    (root / "linked").symlink_to(root / "tuned")
    assert Place("./linked", "linked", model=True) in folders_like("./")
    assert not {"gone", "round"} & set(_names("./"))


def test_names_that_cannot_be_shown_as_they_are_are_left_out(root: Path) -> None:
    (root / "evil\x1b[2J").mkdir()
    os.mkdir(os.fsencode(root) + b"/odd\xff")  # noqa: PTH102 - not UTF-8
    (root / "[@x]y[").mkdir()
    assert {"[@x]y["} == {name for name in _names("./") if not name.isalpha()}


def test_a_fifo_by_the_name_of_a_config_makes_no_model_and_holds_nothing_up(root: Path) -> None:
    os.mkfifo(root / "plain" / "config.json")
    assert Place("./plain/", "plain", model=False) in folders_like("./")


def test_no_more_are_listed_than_anyone_reads(root: Path) -> None:
    for number in range(MOST_PLACES + 50):
        (root / f"many-{number:03}").mkdir()
    assert len(folders_like("./")) == MOST_PLACES
    assert len(folders_like("./many")) == MOST_PLACES


class _Store:
    """A store of two buckets, one of which has prefixes."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def buckets(self, cancel: CancelToken) -> tuple[str, ...]:
        cancel.check()
        return ("models-a", "models-b", "other")

    def prefixes(self, bucket: str, prefix: str, cancel: CancelToken) -> tuple[str, ...]:
        cancel.check()
        self.asked.append((bucket, prefix))
        return ("teams/red/", "teams/[/foo]/", "teams//")


def test_buckets_are_listed_until_one_is_named() -> None:
    found = prefixes_like("s3://models", _Store(), CancelToken())
    assert found == (Place("s3://models-a/", "models-a", model=None), Place("s3://models-b/", "models-b", model=None))
    assert len(prefixes_like("s3://", _Store(), CancelToken())) == 3


def test_prefixes_are_named_by_what_follows_the_last_slash() -> None:
    store = _Store()
    found = prefixes_like("s3://models-a/teams/r", store, CancelToken())
    assert found == (
        Place("s3://models-a/teams/red/", "red", model=None),
        Place("s3://models-a/teams/[/foo]/", "[/foo]", model=None),
    )
    assert store.asked == [("models-a", "teams/r")]


def test_what_cannot_be_a_bucket_is_not_asked_for() -> None:
    store = _Store()
    with pytest.raises(UsageError, match="name of a bucket"):
        prefixes_like("s3://Not A Bucket/x", store, CancelToken())
    assert store.asked == []
