"""Saying what a run does: events with the deployment and the stage filled in, and not too many of them."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from core.deployments.events import Emit, Event, Stage, Unit
from core.errors import SagewizardError
from core.external_text import clean_line

_SECONDS_BETWEEN_PROGRESS: Final = 0.13
"""At most ten progress events a second, of all stages together: eight of these, and room for the last ones of the two
stages that go on at once, which always go out. Stages that go on at once share them: one that tells without pause must
not drown one that tells seldom."""


class StageReport:
    """Tells of one stage while it goes on. Safe to use from several threads."""

    def __init__(self, deployment: str, stage: Stage, pace: "Pace") -> None:
        self._deployment = deployment
        self._stage = stage
        self._pace = pace
        self._rate = Rate()
        self._done = 0
        self._total: int | None = None
        self._last = -math.inf
        self._ended = False
        self._finished = False
        self.summary = ""
        """What the stage's `finished` event will say."""
        self.endpoint: str | None = None
        """The endpoint that the `finished` event names, where that event ends the run."""

    def progress(
        self,
        message: str,
        done: int | None = None,
        total: int | None = None,
        unit: Unit | None = None,
        *,
        file: str | None = None,
        of_file: tuple[int, int] | None = None,
    ) -> None:
        """Tell how far the stage is; dropped when the last telling was a moment ago, unless this is the end.

        A count never goes back, its total stays what it was first, and after the end nothing is told any more. `file`
        is the path that is under way, `of_file` how many of its bytes are done, and how many it has. Of bytes the rate
        and the time left are told.
        """
        with self._pace.lock:
            if self._ended or self._finished:
                return  # of several threads the slower ones may come late
            now, rate, left = self._pace.clock(), None, None
            if total is not None:
                total = self._total = total if self._total is None else self._total
            if done is not None:
                done = self._done = max(self._done, done if total is None else min(done, total))
                self._ended = done == total
            if done is not None and unit == "bytes":
                rate = self._rate.after(now, done)
                left = (total - done) / rate if rate and total is not None else None
            if not (self._ended or self._pace.lets_pass(now, self._last)):
                return
            self._last = self._pace.last = now
            file = clean_line(file) if file else None
            self._pace.tell(
                Event(
                    self._deployment,
                    self._stage,
                    "progress",
                    message,
                    done=done,
                    total=total,
                    unit=unit,
                    file=file,
                    file_done=of_file[0] if of_file else None,
                    file_total=of_file[1] if of_file else None,
                    rate=rate,
                    seconds_left=left,
                )
            )

    def finish(self) -> None:
        """Tell that the stage finished; once. Its block does so at its end, if nobody did before."""
        with self._pace.lock:
            if self._end():
                self._pace.tell(Event(self._deployment, self._stage, "finished", self.summary, endpoint=self.endpoint))

    def abandon(self) -> None:
        """Tell no more of how far the stage is, nor that it finished: it failed, or another beside it did."""
        with self._pace.lock:
            self._end()

    def _end(self) -> bool:
        """Return whether it went on until now."""
        went_on, self._finished = not self._finished, True
        self._pace.under_way -= went_on
        return went_on

    def log(self, message: str) -> None:
        """Pass on a line of a log, already cleaned."""
        with self._pace.lock:
            self._pace.tell(Event(self._deployment, self._stage, "log", message))

    def warning(self, message: str) -> None:
        """Tell of something a person should know that does not stop the run."""
        with self._pace.lock:
            self._pace.tell(Event(self._deployment, self._stage, "warning", message))


class Reporter:
    """Tells of a run's stages, several of which may go on at once; one event at a time."""

    def __init__(self, deployment: str, emit: Emit, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.deployment = deployment
        self.stage_now: Stage = "inspect"
        """The stage begun last: where a failure belongs."""
        self._pace = Pace(emit, clock)

    def blame(self, stage: Stage) -> None:
        """Say that the error about to be raised belongs to `stage`, where several go on at once."""
        self.stage_now = stage

    @contextmanager
    def stage(self, stage: Stage, message: str) -> Iterator[StageReport]:
        """Tell that a stage starts and, when the block ends well, that it finished."""
        self.stage_now = stage
        report = StageReport(self.deployment, stage, self._pace)
        report.summary = message
        with self._pace.lock:
            self._pace.under_way += 1
            self._pace.tell(Event(self.deployment, stage, "started", message))
        try:
            yield report
        except BaseException:
            report.abandon()
            raise
        report.finish()

    def ready(self, endpoint: str, message: str) -> None:
        """Tell that the endpoint is in service: the last event of a run that succeeds."""
        self.stage_now = "ready"
        with self._pace.lock:
            self._pace.tell(Event(self.deployment, "ready", "started", message, endpoint=endpoint))
            self._pace.tell(Event(self.deployment, "ready", "finished", message, endpoint=endpoint))
            self._pace.over = True

    def failed(self, stage: Stage, error: SagewizardError) -> None:
        """Tell why the run ended: the last event of a run that fails."""
        with self._pace.lock:
            self._pace.tell(Event(self.deployment, stage, "failed", error.message, cause=error.message, fix=error.fix))
            self._pace.over = True


class Pace:
    """When what was told last, of whatever stage; `clock` returns seconds that never go back.

    Whoever uses it holds `lock`: events go out one at a time.
    """

    def __init__(self, emit: Emit, clock: Callable[[], float]) -> None:
        self._emit = emit
        self.clock = clock
        self.lock = threading.Lock()
        self.last = clock() - _SECONDS_BETWEEN_PROGRESS
        self.under_way = 0
        """How many stages go on."""
        self.over = False
        """Whether the last event of the run has gone out: a thread that comes late is not heard any more."""

    def tell(self, event: Event) -> None:
        """Emit the event, unless the run is over."""
        if not self.over:
            self._emit(event)

    def lets_pass(self, now: float, before: float) -> bool:
        """Return whether a stage that was last told of at `before` may be told of `now`, in seconds."""
        turns = max(1, self.under_way)
        return now - self.last >= _SECONDS_BETWEEN_PROGRESS and now - before >= turns * _SECONDS_BETWEEN_PROGRESS


class Rate:
    """How many bytes a second passed in the last seconds."""

    _SECONDS: Final = 8.0
    _LEAST_SECONDS: Final = 1.0
    _STEP: Final = 0.2

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def after(self, now: float, done: int) -> float | None:
        """Return the rate when `done` bytes have passed by `now`, in seconds; `None` in the first second.

        What was there at the first look does not count: an earlier run may have done it.
        """
        if not self._seen or now - self._seen[-1][0] >= self._STEP:
            self._seen.append((now, done))
        while len(self._seen) > 1 and now - self._seen[1][0] >= self._SECONDS:
            self._seen.popleft()
        begun, before = self._seen[0]
        return (done - before) / (now - begun) if now - begun >= self._LEAST_SECONDS else None
