"""Saying what a run does: events with the deployment and the stage filled in, and not too many of them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from core.deployments.events import Emit, Event, Stage, Unit
from core.errors import SagewizardError

_SECONDS_BETWEEN_PROGRESS: Final = 0.1
"""At most ten progress events a second; the last one of a stage always goes out."""


class StageReport:
    """Tells of one stage while it goes on."""

    def __init__(self, deployment: str, stage: Stage, emit: Emit) -> None:
        self._deployment = deployment
        self._stage = stage
        self._emit = emit
        self._last = 0.0
        self._ended = False
        self.summary = ""
        """What the stage's `finished` event will say."""
        self.endpoint: str | None = None
        """The endpoint that the `finished` event names, where that event ends the run."""
        self._finished = False

    def progress(
        self,
        message: str,
        done: int | None = None,
        total: int | None = None,
        unit: Unit | None = None,
        *,
        file: str | None = None,
    ) -> None:
        """Tell how far the stage is; dropped when the last telling was a moment ago, unless this is the end."""
        now = time.monotonic()
        ended = done is not None and done == total
        if self._ended and ended:
            return  # said already
        self._ended = ended
        if not ended and now - self._last < _SECONDS_BETWEEN_PROGRESS:
            return
        self._last = now
        self._emit(Event(self._deployment, self._stage, "progress", message, done=done, total=total, unit=unit))

    def finish(self) -> None:
        """Tell that the stage finished; once. Its block does so at its end, if nobody did before."""
        if not self._finished:
            self._finished = True
            self._emit(Event(self._deployment, self._stage, "finished", self.summary, endpoint=self.endpoint))

    def log(self, message: str) -> None:
        """Pass on a line of a log, already cleaned."""
        self._emit(Event(self._deployment, self._stage, "log", message))

    def warning(self, message: str) -> None:
        """Tell of something a person should know that does not stop the run."""
        self._emit(Event(self._deployment, self._stage, "warning", message))


class Reporter:
    """Tells of a run's stages."""

    def __init__(self, deployment: str, emit: Emit) -> None:
        self.deployment = deployment
        self.stage_now: Stage = "inspect"
        """The stage begun last: where a failure belongs."""
        self._emit = emit

    def blame(self, stage: Stage) -> None:
        """Say that the error about to be raised belongs to `stage`, where several go on at once."""
        self.stage_now = stage

    @contextmanager
    def stage(self, stage: Stage, message: str) -> Iterator[StageReport]:
        """Tell that a stage starts and, when the block ends well, that it finished."""
        self.stage_now = stage
        report = StageReport(self.deployment, stage, self._emit)
        report.summary = message
        self._emit(Event(self.deployment, stage, "started", message))
        yield report
        report.finish()

    def ready(self, endpoint: str, message: str) -> None:
        """Tell that the endpoint is in service: the last event of a run that succeeds."""
        self.stage_now = "ready"
        self._emit(Event(self.deployment, "ready", "started", message, endpoint=endpoint))
        self._emit(Event(self.deployment, "ready", "finished", message, endpoint=endpoint))

    def failed(self, stage: Stage, error: SagewizardError) -> None:
        """Tell why the run ended: the last event of a run that fails."""
        self._emit(Event(self.deployment, stage, "failed", error.message, cause=error.message, fix=error.fix))
