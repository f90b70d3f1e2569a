"""How far a transfer is, in words that fit: percent, bytes, rate, time left, and the file under way."""

import unicodedata
from typing import Final, Protocol

from core.deployments.events import Unit
from core.external_text import clean_line
from core.quantities import format_duration

_GAP: Final = "  "
_WANTED: Final = ("amount", "left", "rate", "percent")
"""What is told before a file's name, the one that is given up last first."""
_LEAST_FILE_CELLS: Final = 12
"""A file's name that would be cut shorter tells nothing."""
_LONGEST_WAIT_SECONDS: Final = 100 * 3600
"""A time left beyond this is no forecast."""
_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")


class Counted(Protocol):
    """Something of which it is known how much is done: `done` and `total` count `unit`, `rate` is in bytes a second."""

    @property
    def done(self) -> int | None: ...  # noqa: D102 - said above
    @property
    def total(self) -> int | None: ...  # noqa: D102
    @property
    def unit(self) -> Unit | None: ...  # noqa: D102
    @property
    def rate(self) -> float | None: ...  # noqa: D102
    @property
    def seconds_left(self) -> float | None: ...  # noqa: D102
    @property
    def file(self) -> str | None: ...  # noqa: D102


def percent(counted: Counted) -> int | None:
    """Return how many whole percent are done, 0 to 100; `None` where nobody knows."""
    return min(100, 100 * counted.done // counted.total) if counted.done is not None and counted.total else None


def transfer_words(counted: Counted, cells: int, *, with_percent: bool = True) -> str:
    """Return what is known of it in at most so many cells; a file's name is cut from the left, its end tells most."""
    known = _known(counted, with_percent=with_percent)
    kept: list[str] = []
    room = cells
    for name in _WANTED:
        needed = cells_of(known.get(name, "")) + (len(_GAP) if kept else 0)
        if known.get(name) and needed <= room:
            kept.append(name)
            room -= needed
    words = [text for name, text in known.items() if name in kept]
    room -= len(_GAP) if words else 0
    file = clean_line(counted.file or "")
    if file and (room >= _LEAST_FILE_CELLS or cells_of(file) <= room):
        words.append(cut_left(file, room))
    return _GAP.join(words)


def all_words(counted: Counted) -> str:
    """Return all that is known of it but the percent, in one line however long: `1.2 of 3.1 GB, 84 MB/s, …`."""
    words = [text.strip() for text in _known(counted, with_percent=False).values()]
    return ", ".join([*words, *([clean_line(counted.file)] if counted.file else [])])


def _known(counted: Counted, *, with_percent: bool) -> dict[str, str]:
    """Return what is known, in the order in which it is shown."""
    known: dict[str, str] = {}
    share = percent(counted)
    if share is None:
        return known
    if with_percent:
        known["percent"] = f"{share}%"
    known["amount"] = amount_words(counted)
    if counted.rate is not None:
        known["rate"] = rate_words(counted.rate)
    if counted.seconds_left is not None and counted.seconds_left < _LONGEST_WAIT_SECONDS:
        known["left"] = f"{format_duration(counted.seconds_left)} left"
    return known


def amount_words(counted: Counted) -> str:
    """Return how much of how much, both in the unit of the whole: `1.2 of 3.1 GB`; empty where nobody knows.

    It keeps its width while the count goes on.
    """
    done, total = counted.done, counted.total
    if done is None or not total:
        return ""
    if counted.unit != "bytes":
        return f"{done} of {total}{f' {counted.unit}' if counted.unit else ''}"
    step = _step(total)
    digits = 1 if step and total / 1000**step < 99.95 else 0
    whole = f"{total / 1000**step:.{digits}f}"
    return f"{f'{done / 1000**step:.{digits}f}'.rjust(len(whole))} of {whole} {_UNITS[step]}"


def rate_words(rate: float) -> str:
    """Return a rate of bytes a second: `84 MB/s`, `1.2 GB/s`."""
    step = _step(rate)
    value = rate / 1000**step
    return f"{value:.{1 if step and value < 9.95 else 0}f} {_UNITS[step]}/s"


def _step(count: float) -> int:
    """Return which unit a number of bytes is told in, by its place among the units."""
    return next((step for step in range(len(_UNITS)) if count < 999.5 * 1000**step), len(_UNITS) - 1)


def cells_of(text: str) -> int:
    """Return how many cells of a terminal a line of text takes. By hand: the commands load no library of screens."""
    return sum(map(_cells, text))


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def cut_left(text: str, cells: int) -> str:
    """Return the text's end, in at most so many cells, with an ellipsis before it where something is left out."""
    return text if cells_of(text) <= cells else f"…{cut_right(text[::-1], cells - 1)[::-1]}" if cells > 0 else ""


def cut_right(text: str, cells: int) -> str:
    """Return the text's beginning, in at most so many cells."""
    kept = 0
    for place, character in enumerate(text):
        kept += _cells(character)
        if kept > cells:
            return text[:place]
    return text
