"""The archive's parts, packed by all processors and given out in order: for a file and for S3 the same bytes."""

import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import groupby
from typing import Final

from core.artifacts.gzip_parts import EncodedPart, PartAssembly, Segment, segments, squeeze
from core.artifacts.tar_stream import ArchivePart, ContentPiece, Entry, parts_of

LEAST_PART: Final = 5 * 2**20
"""Bytes that a part has at least, unless it is the last: S3 takes none below.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html"""
_MOST_THREADS: Final = 16
_UNDER_WAY: Final = 16
"""Segments of 1 MiB that are compressed or wait for it, so that no thread runs out of work while pieces are read, which
come some MiB at once. With more than eight threads it is two for each."""


def encoded_parts(
    entries: Sequence[Entry],
    layout: Sequence[ArchivePart],
    pieces: Iterable[ContentPiece],
    *,
    first: int = 0,
    least: int = LEAST_PART,
) -> Generator[tuple[ArchivePart, EncodedPart], None, None]:
    """Yield the parts of `layout` from `layout[first]` on, in order, each as soon as it is packed.

    `pieces` are the contents of `entries`, from the member on that this part begins with. The gzip file is `HEADER`,
    the data of all parts, and the trailer of the `GzipState` after them. A run that begins at a later part takes up the
    state that an earlier run had there, and gets the same bytes. Each part but the last has at least `least` bytes, if
    that many go in.

    `pieces` are taken only as fast as they are packed: beside one part and what `pieces` itself holds, memory stays
    within 64 MiB. Closing the iterator ends the threads; closing `pieces` is for whoever made them.

    Raises:
        ValueError: the part is not one that begins a member; or the pieces are not as long as was stated.
        Exception: whatever `pieces` raise.
    """
    assembly: PartAssembly | None = None
    with closing(_squeezed(_cut(entries, layout, pieces, first))) as squeezed:
        for part, segment in squeezed:
            assembly = assembly or PartAssembly(part.bytes, least if part.number < len(layout) else 0)
            assembly.add(segment)
            if assembly.complete:
                yield part, assembly.finish()
                assembly = None


_Cut = tuple[ArchivePart, bytes | memoryview]


def _cut(
    entries: Sequence[Entry], layout: Sequence[ArchivePart], pieces: Iterable[ContentPiece], first: int
) -> Iterator[_Cut]:
    for part, run in groupby(parts_of(entries, layout, pieces, first=first), key=lambda item: item[0]):
        for raw in segments(data for _, data in run):
            yield part, raw


def _squeezed(cuts: Iterable[_Cut]) -> Generator[tuple[ArchivePart, Segment], None, None]:
    """Compress segments by a pool of threads, and yield them in their order."""
    threads = min(_MOST_THREADS, os.cpu_count() or 1)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="pack")
    most = max(_UNDER_WAY, 2 * threads)
    waiting: deque[tuple[ArchivePart, Future[Segment]]] = deque()
    try:
        for part, raw in cuts:
            waiting.append((part, pool.submit(squeeze, raw)))
            while waiting and (waiting[0][1].done() or len(waiting) >= most):
                ready, segment = waiting.popleft()
                yield ready, segment.result()
        while waiting:
            ready, segment = waiting.popleft()
            yield ready, segment.result()
    finally:
        pool.shutdown(cancel_futures=True)
