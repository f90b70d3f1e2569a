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
from core.quantities import format_bytes, format_duration
from tui.interrupts import nothing_left
from tui.output import styled
from tui.session import Session

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
_REPAINT_SECONDS: Final = 0.25
_PLAIN_STEPS: Final = 4
"""Where nobody watches a line change, progress is told in quarters."""


class ProgressLines:
    """Shows each stage on a line of its own: one that moves on a terminal, plain lines elsewhere.

    Use it as a context manager; events come from any thread.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._ticker: threading.Thread | None = None
        self._now: Event | None = None
        self._begun: dict[Stage, float] = {}
        self._told = 0

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
                self._now = None

    def __call__(self, event: Event) -> None:
        """Show one event."""
        with self._lock:
            if event.kind == "started":
                self._begun[event.stage], self._told = time.monotonic(), 0
            if event.kind in {"started", "progress"}:
                self._show_progress(event)
            else:
                self._show_line(event)

    def _show_progress(self, event: Event) -> None:
        if event.stage == "ready":
            return  # it is over as soon as it is begun
        self._now = event
        if self._live:
            self._paint()
            return
        quarter = _PLAIN_STEPS * event.done // event.total if event.done is not None and event.total else 0
        if event.kind == "started" or self._told < quarter < _PLAIN_STEPS:
            self._told = quarter
            self._write(f"{TITLES[event.stage]}: {event.message}{_amount(event)}\n")

    def _show_line(self, event: Event) -> None:
        if self._live:
            self._write("\r\x1b[K")
        self._write(self._finished_line(event) + "\n")
        if event.kind in {"finished", "failed"}:
            self._now = None
        elif self._live and self._now:
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
        event = self._now
        if event is None:
            return
        text = f"  {TITLES[event.stage].ljust(_TITLE_WIDTH)}  {self._bar(event)}{clean_line(event.message)}"
        text += f"{_amount(event)}  {self._elapsed(event)}"
        try:
            width = os.get_terminal_size(self._stream.fileno()).columns
        except OSError:
            width = 80
        self._write(f"\r{text[: width - 1]}\x1b[K")

    def _bar(self, event: Event) -> str:
        if event.done is None or not event.total:
            return ""
        filled = min(_BAR_WIDTH, _BAR_WIDTH * event.done // event.total)
        full, empty = ("█", "░") if self._fancy else ("#", ".")
        return f"{full * filled}{empty * (_BAR_WIDTH - filled)} {100 * event.done // event.total:3} %  "

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


def _amount(event: Event) -> str:
    if event.done is None or not event.total:
        return ""
    if event.unit == "bytes":
        return f" ({format_bytes(event.done)} of {format_bytes(event.total)})"
    return f" ({event.done} of {event.total}{f' {event.unit}' if event.unit else ''})"


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
