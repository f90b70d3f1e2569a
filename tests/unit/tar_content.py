"""Entries of a tar with their content, cut into pieces as a reader might give them, and the tar that Python makes."""

import io
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st


@dataclass(frozen=True)
class Named:
    """The path and the size of what goes into a tar."""

    path: str
    bytes: int


@dataclass(frozen=True)
class Cut:
    """A piece of content."""

    data: bytes
    last: bool


_letters = st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="/\\")
paths = st.one_of(st.text(_letters, min_size=1, max_size=60), st.text(_letters, min_size=90, max_size=300))
contents = st.lists(st.tuples(paths, st.binary(max_size=3000)), max_size=6)


def entries_of(content: Sequence[tuple[str, bytes]]) -> list[Named]:
    return [Named(path, len(data)) for path, data in content]


def pieces_of(content: Sequence[tuple[str, bytes]], size: int) -> Iterator[Cut]:
    """Yield all content in pieces of `size` bytes; an empty file is one empty piece."""
    for _, data in content:
        for at in range(0, max(len(data), 1), size):
            yield Cut(data[at : at + size], at + size >= len(data))


def tar_by_python(content: Sequence[tuple[str, bytes]]) -> bytes:
    """Return the tar that Python's own module makes of `content`."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT, encoding="utf-8") as archive:
        for path, data in content:
            info = tarfile.TarInfo(path)
            info.size, info.mtime, info.mode = len(data), 0, 0o644
            archive.addfile(info, io.BytesIO(data))
    return made.getvalue()
