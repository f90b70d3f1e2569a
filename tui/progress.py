"""The events of a run as lines on stderr, for people, while they happen."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Self, TextIO

from core.deployments.events import Emit, Event, Stage
from core.errors import SagewizardError
from core.external_text import clean, clean_line
from core.quantities import format_duration
from tui.interrupts import nothing_left
from tui.output import styled
from tui.session import Session
from tui.transfer_words import all_words, amount_words, cells_of, cut_right, percent, transfer_words

TITLES: Final[dict[Stage, str]] = {
    "inspect": "Inspect",
    "package": "Package",
    "upload": "Upload",
    "role": "Role",
    "model": "Model",
    "endpoint_config": "Config",
    "endpoint": "Endpoint",
    "ready": "Ready",
    "rollback": "Roll back",
    "delete": "Delete",
}
_TITLE_WIDTH: Final = max(map(len, TITLES.values()))
_BAR_WIDTH: Final = 20
_WIDE: Final = 70
"""From this many cells on there is room for a bar beside the numbers."""
_UNDOING: Final[frozenset[Stage]] = frozenset({"rollback", "delete"})
_PLAIN_MARKS: Final = str.maketrans({"·": "|", "…": "~"})
_REPAINT_SECONDS: Final = 0.25
_PLAIN_STEPS: Final = 4
"""Where nobody watches a line change, progress is told in quarters."""


class ProgressLines:
    """Shows each stage on a line of its own: one that moves on a terminal, plain lines elsewhere.

    Stages that go on at once share the line that moves. Use it as a context manager; events come from any thread.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._ticker: threading.Thread | None = None
        self._now: dict[Stage, Event] = {}
        """What was told last of each stage under way, the newest last."""
        self._begun: dict[Stage, float] = {}
        self._told: dict[Stage, int] = {}

    def __enter__(self) -> Self:
        if self._live:
            self._ticker = threading.Thread(target=self._tick, name="progress", daemon=True)
            self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._ticker:
            self._ticker.join()
        with self._lock:
            if self._live and self._now:
                self._write("\r\x1b[K")
                self._now.clear()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        with self._lock:
            if event.kind == "started":
                self._begun[event.stage], self._told[event.stage] = time.monotonic(), 0
            if event.kind in {"started", "progress"}:
                self._show_progress(event)
            else:
                self._show_line(event)

    def _show_progress(self, event: Event) -> None:
        if event.stage == "ready":
            return  # it is over as soon as it is begun
        if event.stage in _UNDOING and event.kind == "started":
            self._now.clear()  # what failed goes on no more
        self._now.pop(event.stage, None)
        self._now[event.stage] = event
        if self._live:
            self._paint()
        elif event.kind == "started":
            self._write(f"{TITLES[event.stage]}: {event.message}\n")
        else:
            self._show_quarter(event)

    def _show_quarter(self, event: Event) -> None:
        quarter = _PLAIN_STEPS * event.done // event.total if event.done is not None and event.total else 0
        if not self._told.get(event.stage, 0) < quarter < _PLAIN_STEPS:
            return
        self._told[event.stage] = quarter
        title = TITLES[event.stage]
        if event.unit == "bytes":
            self._write(f"{title} {percent(event)}%: {all_words(event)}\n")
        else:
            self._write(f"{title}: {clean_line(event.message)} ({amount_words(event)})\n")

    def _show_line(self, event: Event) -> None:
        if self._live:
            self._write("\r\x1b[K")
        self._write(self._finished_line(event) + "\n")
        if event.kind == "failed":
            self._now.clear()
        elif event.kind == "finished":
            self._now.pop(event.stage, None)
        if self._live:
            self._paint()

    def _finished_line(self, event: Event) -> str:
        title, text = TITLES[event.stage], clean_line(event.message)
        if event.kind == "log":
            kept = clean(event.message).replace("\n", " ")  # with its indentation: it may be a trace
            return styled(f"  | {kept}", self._stream, dim=True)
        if event.kind == "warning":
            return styled(f"{'! ' if self._live else ''}{title}: {text}", self._stream, fg="yellow")
        elapsed = self._elapsed(event)
        if event.kind == "failed":
            text = "failed"  # why is told after the last line, with what to do
        if not self._live:
            return f"{title}: {text} ({elapsed})"
        mark, colour = (("✗", "red") if event.kind == "failed" else ("✓", "green")) if self._fancy else ("-", None)
        return f"{styled(mark, self._stream, fg=colour)} {title.ljust(_TITLE_WIDTH)}  {text}  {elapsed}"

    def _elapsed(self, event: Event) -> str:
        now = time.monotonic()
        return format_duration(now - self._begun.get(event.stage, now))

    @property
    def _fancy(self) -> bool:
        return (self._stream.encoding or "").lower().replace("-", "") == "utf8"

    def _paint(self) -> None:
        if not self._now:
            return
        try:
            width = os.get_terminal_size(self._stream.fileno()).columns
        except OSError:
            width = 80
        line = cut_right(self._line(width - 1), width - 1)
        self._write(f"\r{line if self._fancy else line.translate(_PLAIN_MARKS)}\x1b[K")

    def _line(self, cells: int) -> str:
        """Return the line of what is under way: of several stages how far each is, and more of the one behind."""
        counted = [event for event in self._in_order if event.unit == "bytes" and percent(event) is not None]
        if len(self._now) > 1 and counted:
            head = f"  {' · '.join(_head(event) for event in self._in_order)}  "
            return head + transfer_words(counted[-1], cells - cells_of(head), with_percent=False)
        event = list(self._now.values())[-1]
        head = f"  {TITLES[event.stage].ljust(_TITLE_WIDTH)}  {self._bar(event, _BAR_WIDTH if cells >= _WIDE else 0)}"
        if counted:
            return head + transfer_words(event, cells - cells_of(head), with_percent=False)
        amount = f" ({amount_words(event)})" if event.total else ""
        return f"{head}{clean_line(event.message)}{amount}  {self._elapsed(event)}"

    @property
    def _in_order(self) -> list[Event]:
        return [self._now[stage] for stage in TITLES if stage in self._now]

    def _bar(self, event: Event, width: int) -> str:
        share = percent(event)
        if share is None:
            return ""
        full, empty = ("█", "░") if self._fancy else ("#", ".")
        filled = width * share // 100
        return f"{full * filled}{empty * (width - filled)} ".lstrip() + f"{share:3} %  "

    def _tick(self) -> None:
        while not self._ended.wait(_REPAINT_SECONDS):
            with self._lock:
                self._paint()

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._live = False  # the terminal went away; the run goes on


def _head(event: Event) -> str:
    share = percent(event)
    return TITLES[event.stage] if share is None else f"{TITLES[event.stage]} {share}%"


@contextmanager
def shown_run(session: Session, left_behind: Callable[[], str] = nothing_left) -> Iterator[Emit]:
    """Give the `emit` of a run: its events as JSON where the session streams them, as progress lines otherwise.

    The first Ctrl+C asks the run to end; after a second one `left_behind` says what is left.
    """
    events = session.events
    if events is None:
        with ProgressLines() as lines, session.politely(left_behind):
            yield lines
        return

    def at_once() -> str:
        left = left_behind()
        events.end_now(SagewizardError("Stopped at once.", fix=left))
        return left

    with session.politely(at_once):
        yield events
