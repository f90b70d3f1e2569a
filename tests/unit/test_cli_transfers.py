"""Transfers as commands show them: two stages at once, in any width, on a terminal and without one."""

import fcntl
import io
import os
import re
import struct
import termios
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.deployments.events import Event, Stage
from tui.progress import ProgressLines
from tui.transfer_words import amount_words, cells_of, cut_left, cut_right, rate_words, transfer_words

_GB = 10**9
_TOTAL = 31 * _GB // 10
_FILE = "model/weights/model-00002-of-00046.safetensors"
_SIZES = [20, 40, 60, 80, 120]
Open = Callable[..., io.StringIO]


class _Terminal(io.StringIO):
    """A terminal that keeps what is written to it; its width is a real one's."""

    def __init__(self, device: int, encoding: str) -> None:
        super().__init__()
        self._device = device
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._device


@pytest.fixture
def terminal() -> Iterator[Open]:
    """Opens terminals of a width."""
    master, device = os.openpty()

    def opened(columns: int, encoding: str = "utf-8") -> io.StringIO:
        fcntl.ioctl(device, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        return _Terminal(device, encoding)

    yield opened
    os.close(device)
    os.close(master)


def _on(stage: Stage, done: int, file: str | None = _FILE, **more: float | None) -> Event:
    return Event("d", stage, "progress", stage, done=done, total=_TOTAL, unit="bytes", file=file, **more)  # type: ignore[arg-type]


_BEGUN = (
    Event("d", "package", "started", "Reading 3.1 GB to be stored as one model.tar.gz"),
    Event("d", "upload", "started", "Uploading to s3://bucket"),
)
_BOTH = (
    *_BEGUN,
    _on("package", 1_290_000_000, rate=90e6, seconds_left=20.0),
    _on("upload", 1_160_000_000, rate=84.2e6, seconds_left=23.4),
)


def _shown(stream: io.StringIO, *events: Event) -> list[str]:
    """Show the events; return every line that was painted, and the lines that stayed."""
    with ProgressLines(stream) as lines:
        for event in events:
            lines(event)
    return [re.sub(r"\x1b\[[0-9;]*[mK]", "", text) for text in re.split(r"[\r\n]", stream.getvalue())]


def _painted(stream: io.StringIO, *events: Event) -> str:
    """Return what the moving line showed last."""
    return [text for text in _shown(stream, *events) if text][-1]


# -- on a terminal ----------------------------------------------------------------------------------------------------


def test_two_stages_at_once_share_a_line(terminal: Open) -> None:
    expected = "  Package 41% · Upload 37%  1.2 of 3.1 GB  84 MB/s  0:23 left  "
    assert _painted(terminal(120), *_BOTH) == f"{expected}{_FILE}"
    assert _painted(terminal(100), *_BOTH) == f"{expected}…ts/model-00002-of-00046.safetensors"


@pytest.mark.parametrize("columns", _SIZES)
def test_a_narrow_terminal_gives_up_the_file_then_the_rate_then_the_time_left(terminal: Open, columns: int) -> None:
    line = _painted(terminal(columns), *_BOTH)
    assert cells_of(line) < columns
    assert ("safetensors" in line) == (columns >= 80)
    assert ("84 MB/s" in line) == (columns >= 80)
    assert ("1.2 of 3.1 GB" in line) == (columns >= 60)
    assert line.startswith("  Package 41% · Upload 37%"[: columns - 1])


def test_of_two_stages_the_one_that_ends_leaves_the_line_to_the_other(terminal: Open) -> None:
    finished = Event("d", "package", "finished", "12 files, 3.1 GB")
    shown = _shown(terminal(100), *_BOTH, finished, _on("upload", 1_550_000_000, rate=84e6, seconds_left=18.0))
    assert any("✓ Package" in line and "12 files, 3.1 GB" in line for line in shown)
    last = [line for line in shown if line][-1]
    assert last.startswith("  Upload     ██████████░░░░░░░░░░  50 %  1.6 of 3.1 GB  84 MB/s  0:18 left  …")
    assert "Package" not in last


def test_until_something_is_counted_the_newest_words_are_shown(terminal: Open) -> None:
    looking = Event("d", "package", "progress", "Looking at the weights to be converted")
    assert "Upload     Uploading to s3://bucket" in _painted(terminal(80), *_BEGUN)
    assert "Package    Looking at the weights to be converted" in _painted(terminal(80), *_BEGUN, looking)
    assert _painted(terminal(120), *_BEGUN, _on("package", 0)).startswith(
        "  Package 0% · Upload  0.0 of 3.1 GB  model/"
    )


def test_what_failed_is_not_shown_while_it_is_undone(terminal: Open) -> None:
    undoing = Event("d", "rollback", "started", "Removing what tiny is made of")
    removing = Event("d", "rollback", "progress", "Removing the role r", done=1, total=4)
    line = _painted(terminal(100), *_BOTH, undoing, removing)
    assert "Package" not in line
    assert "Removing the role r (1 of 4)" in line


def test_after_a_failure_nothing_moves_any_more(terminal: Open) -> None:
    shown = _shown(terminal(100), *_BOTH, Event("d", "upload", "failed", "No network."))
    assert "✗ Upload" in [line for line in shown if line][-1]


def test_a_terminal_without_unicode_gets_none_of_it(terminal: Open) -> None:
    line = _painted(terminal(100, "ascii"), *_BOTH)
    assert line.isascii()
    assert "Package 41% | Upload 37%" in line


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(2, 150),
    st.lists(
        st.builds(
            _on,
            st.sampled_from(["package", "upload"]),
            st.integers(0, _TOTAL),
            st.none() | st.text(max_size=80) | st.just("模型/" * 20 + "权重.safetensors"),
            rate=st.none() | st.floats(0, 1e12),
            seconds_left=st.none() | st.floats(0, 1e9),
        ),
        min_size=1,
        max_size=8,
    ),
)
def test_the_moving_line_is_never_wider_than_the_terminal(terminal: Open, columns: int, events: list[Event]) -> None:
    stream = terminal(columns)
    with ProgressLines(stream) as lines:
        for event in (*_BEGUN, *events):
            lines(event)
    moved = re.findall(r"\r([^\r]*?)\x1b\[K", stream.getvalue())
    assert moved
    assert all(cells_of(line) < columns for line in moved)
    assert not any(ord(character) < 32 for line in moved for character in line)


# -- without a terminal -----------------------------------------------------------------------------------------------


def test_without_a_terminal_each_stage_tells_its_own_quarters() -> None:
    parts = [_TOTAL * number // 20 for number in range(21)]
    events = [
        event
        for ahead, behind in zip(parts, [0, 0, 0, *parts], strict=False)
        for event in (
            _on("package", ahead, "a.safetensors", rate=100e6, seconds_left=9.0),
            _on("upload", behind, "b.safetensors", rate=50e6, seconds_left=11.0),
        )
    ]
    stream = io.StringIO()
    with ProgressLines(stream) as lines:
        for event in (*_BEGUN, *events):
            lines(event)
    assert stream.getvalue().splitlines() == [
        "Package: Reading 3.1 GB to be stored as one model.tar.gz",
        "Upload: Uploading to s3://bucket",
        "Package 25%: 0.8 of 3.1 GB, 100 MB/s, 0:09 left, a.safetensors",
        "Upload 25%: 0.8 of 3.1 GB, 50 MB/s, 0:11 left, b.safetensors",
        "Package 50%: 1.6 of 3.1 GB, 100 MB/s, 0:09 left, a.safetensors",
        "Upload 50%: 1.6 of 3.1 GB, 50 MB/s, 0:11 left, b.safetensors",
        "Package 75%: 2.3 of 3.1 GB, 100 MB/s, 0:09 left, a.safetensors",
        "Upload 75%: 2.3 of 3.1 GB, 50 MB/s, 0:11 left, b.safetensors",
    ]


# -- the words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "words"),
    [(0, "0 B/s"), (999, "999 B/s"), (1234, "1.2 kB/s"), (84.2e6, "84 MB/s"), (999.6e6, "1.0 GB/s"), (2e9, "2.0 GB/s")],
)
def test_a_rate_is_told_in_few_letters(rate: float, words: str) -> None:
    assert rate_words(rate) == words


@settings(max_examples=150)
@given(st.integers(1, 10**14), st.data())
def test_an_amount_keeps_its_width_while_it_grows(total: int, data: st.DataObject) -> None:
    done = data.draw(st.lists(st.integers(0, total), min_size=2, max_size=5))
    told = [amount_words(Event("d", "upload", "progress", "", count, total, "bytes")) for count in done]
    assert len({len(words) for words in told}) == 1


@settings(max_examples=150)
@given(st.text(), st.integers(0, 40))
def test_what_is_cut_fits_and_keeps_its_end_or_its_beginning(text: str, cells: int) -> None:
    left, right = cut_left(text, cells), cut_right(text, cells)
    assert max(cells_of(left), cells_of(right)) <= cells
    assert text.startswith(right)
    assert text.endswith(left.removeprefix("…")) or left == text
    assert (left == text) == (cells_of(text) <= cells) or not text


@settings(max_examples=150)
@given(st.integers(0, 120), st.integers(0, _TOTAL), st.text(max_size=60))
def test_the_words_of_a_transfer_fit(cells: int, done: int, file: str) -> None:
    assert cells_of(transfer_words(_on("upload", done, file, rate=1e6, seconds_left=61.0), cells)) <= cells
