import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.artifacts.tree import Member, artifact_tree, what_goes_in
from core.cancellation import CancelToken
from core.errors import CancelledByUser, RefusedError, SagewizardError
from core.models.content import ContentCheck, HeldContent, whole
from core.models.facts import ModelFile
from core.serving.templates import InferenceTemplate, TemplateFile

TEMPLATE = InferenceTemplate(
    "mine",
    "Mine",
    Path("/nowhere"),
    (TemplateFile("inference.py", b"code"), TemplateFile("sub/more.py", b"")),
    hashlib.sha256(b"").hexdigest(),
)


class Source:
    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def content(self, file: ModelFile) -> HeldContent:
        return HeldContent(file.path, self.files.get(file.path, b""))

    def read(self, file: ModelFile, cancel: CancelToken) -> Iterator[bytes]:
        return whole(self.content(file), file.bytes, cancel)


class Pieces:
    """A content that gives these pieces, whatever it is asked for."""

    def __init__(self, size: int, *pieces: bytes) -> None:
        self.size, self.pieces = size, pieces

    def read_part(self, start: int, length: int, cancel: CancelToken) -> Iterator[bytes]:
        yield from self.pieces

    def check(self) -> ContentCheck:
        return ContentCheck(ModelFile("weights", self.size), "weights", "Try again.")

    def release(self) -> None:
        pass


def member(size: int, *pieces: bytes) -> Member:
    return Member("weights", size, Pieces(size, *pieces))


def files(*paths: str) -> list[ModelFile]:
    return [ModelFile(path, len(path.encode("utf-8", "replace"))) for path in paths]


def read_all(member: Member) -> bytes:
    return b"".join(member.chunks(CancelToken()))


def test_the_tree_has_the_model_at_its_root_and_the_template_under_code() -> None:
    source = Source({"config.json": b"config.json", "a/b.bin": b"a/b.bin"})
    tree = artifact_tree(files("config.json", "a/b.bin"), source, TEMPLATE)
    assert [member.path for member in tree] == ["a/b.bin", "code/inference.py", "code/sub/more.py", "config.json"]
    assert [read_all(member) for member in tree] == [b"a/b.bin", b"code", b"", b"config.json"]


def test_hidden_files_caches_and_another_code_folder_stay_out_with_a_reason() -> None:
    given = files(
        "config.json", ".gitattributes", ".cache/x", "a/.git/HEAD", "__pycache__/m.pyc", "code/inference.py", "codes/x"
    )
    kept, left_out = what_goes_in(given)
    assert [file.path for file in kept] == ["config.json", "codes/x"]
    assert {left.file.path: left.reason for left in left_out} == {
        ".gitattributes": "hidden",
        ".cache/x": "hidden",
        "a/.git/HEAD": "hidden",
        "__pycache__/m.pyc": "a cache",
        "code/inference.py": "the artifact's code/ comes from the inference template",
    }


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../x",
        "a/../../x",
        "a/./b",
        "a//b",
        "a/",
        "",
        "..",
        "a\\b",
        "a\nb",
        "a\x1b[2Jb",
        "a\x00b",
        "a\u202eb",
        "\udcff.bin",
        "x" * 256,
        "é" * 128,
        "C:/x",
        "code",
    ],
)
def test_hostile_names_are_refused(name: str) -> None:
    with pytest.raises(RefusedError):
        artifact_tree(files("config.json", name), Source({}), TEMPLATE)


@pytest.mark.parametrize("names", [("a", "a"), ("a", "a/b"), ("a/b/c", "a/b")])
def test_names_that_clash_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(RefusedError):
        artifact_tree(files(*names), Source({}), TEMPLATE)


@pytest.mark.parametrize("pieces", [[b"12", b"345"], [b"123456"], [b"12", b"3"], []])
def test_a_member_that_is_not_as_long_as_stated_is_an_error(pieces: list[bytes]) -> None:
    with pytest.raises(SagewizardError, match=r"^weights (is larger than the 4|has \d bytes instead of 4)"):
        read_all(member(4, *pieces))


def test_a_member_never_yields_more_than_was_stated() -> None:
    chunks = member(4, b"123", b"45", b"6").chunks(CancelToken())
    assert next(chunks) == b"123"
    with pytest.raises(SagewizardError):
        next(chunks)


def test_reading_stops_when_asked() -> None:
    cancel = CancelToken()
    chunks = member(4, b"12", b"34").chunks(cancel)
    assert next(chunks) == b"12"
    cancel.cancel()
    with pytest.raises(CancelledByUser):
        next(chunks)
