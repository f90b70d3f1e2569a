"""Deployments of this session while they go on: what the screens show of them, kept apart from any screen.

A run outlives the screen that shows it. Events arrive on its own thread and are applied on the event loop, many at
a time, so that a chatty log costs one redraw.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

from core.cancellation import CancelToken
from core.deployments.events import STAGES, Event, Stage, Unit
from core.deployments.plan import Plan
from core.errors import SagewizardError
from tui.log_lines import time_of_day, without_stamp

if TYPE_CHECKING:
    from core.deployments.ledger import Deployment
    from tui.draft import Draft

StageWord = Literal["waiting", "running", "done", "failed", "stopped"]
RunWord = Literal["running", "cancelling", "ready", "failed", "cancelled"]
LOG_LINES: Final = 10_000
"""How many lines of a run's log are kept."""


@dataclass(frozen=True, slots=True)
class StageLine:
    """How far one stage is. `done` and `total` count `unit`; times are UTC.

    While it goes on `rate` is in bytes a second, `seconds_left` what is left at that rate, `file` the path under way.
    """

    stage: Stage
    word: StageWord = "waiting"
    message: str = ""
    done: int | None = None
    total: int | None = None
    unit: Unit | None = None
    started: datetime | None = None
    ended: datetime | None = None
    rate: float | None = None
    seconds_left: float | None = None
    file: str | None = None

    @property
    def fraction(self) -> float | None:
        """How much of it is done, 0 to 1; `None` when nobody knows."""
        if self.word == "done":
            return 1.0
        return min(1.0, (self.done or 0) / self.total) if self.total else None

    def seconds(self, now: datetime) -> float | None:
        """How long it has taken, or took; `None` before it starts."""
        return None if self.started is None else ((self.ended or now) - self.started).total_seconds()

    def after(self, event: Event) -> "StageLine":
        """Return the line as it is after one of its events."""
        if event.kind in ("log", "warning"):
            return self
        started = self.started or event.at
        if event.kind == "finished":
            return StageLine(self.stage, "done", event.message, self.total, self.total, self.unit, started, event.at)
        if event.kind == "failed":
            return StageLine(self.stage, "failed", event.message, self.done, self.total, self.unit, started, event.at)
        return StageLine(
            self.stage,
            "running",
            event.message,
            event.done,
            event.total,
            event.unit,
            started,
            rate=event.rate,
            seconds_left=event.seconds_left,
            file=event.file,
        )

    def ending(self, word: StageWord, at: datetime) -> "StageLine":
        """Return the line as it is when it goes on no more."""
        return replace(self, word=word, ended=self.ended or at, rate=None, seconds_left=None, file=None)


@dataclass
class DeploymentRun:
    """One deployment under way, or ended, in this session. Changed on the event loop only."""

    plan: Plan
    draft: "Draft | None" = None
    """The answers that made the plan, to change them and try again."""
    cancel: CancelToken = field(default_factory=CancelToken)
    word: RunWord = "running"
    stages: dict[Stage, StageLine] = field(default_factory=lambda: {stage: StageLine(stage) for stage in STAGES})
    log: deque[str] = field(default_factory=lambda: deque(maxlen=LOG_LINES))
    logged: int = 0
    """How many lines the log ever had: what a screen compares with how many it has shown."""
    problem: SagewizardError | None = None
    deployment: str = ""
    """The id that its ledger has; empty before its first event."""
    left: bool = False
    """Whether it ended and something of it may still be in the account."""
    interrupted: bool = False
    """Whether an earlier session was ended before this one came to its end."""
    dismissed: bool = False
    """Whether a person has seen how it ended, and wants to see no more of it."""
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended: datetime | None = None

    @property
    def name(self) -> str:
        """The endpoint's name."""
        return self.plan.endpoint.name

    @property
    def active(self) -> bool:
        """Whether it goes on."""
        return self.word in ("running", "cancelling")

    @property
    def awaits_reader(self) -> bool:
        """Whether it ended without an endpoint in service, and the person has not put that aside yet."""
        return self.word in ("failed", "cancelled") and not self.dismissed

    @property
    def can_go_on(self) -> bool:
        """Whether what it made was left to be gone on with; also where going on failed before it had begun."""
        named = self.problem is not None and f"resume {self.deployment}" in self.problem.fix
        return self.word == "failed" and self.left and bool(self.deployment) and (named or self.current is None)

    @property
    def doing(self) -> str:
        """What it is at, in a word or two: `upload 40%`."""
        line = self.current
        if self.word == "cancelling":
            return "stopping"
        if line is None:
            return "starting"
        words = line.stage.replace("_", " ")
        return words if line.fraction is None else f"{words} {line.fraction:.0%}"

    def seconds(self, now: datetime) -> float:
        """How long it has taken, or took."""
        return ((self.ended or now) - self.started).total_seconds()

    @property
    def current(self) -> StageLine | None:
        """The stage that goes on now; the last one that was begun when none does.

        Of several at once it is the last whose end can be foreseen: what it waits for is further on.
        """
        begun = [line for line in self.stages.values() if line.word != "waiting"]
        running = [line for line in begun if line.word == "running"]
        counted = [line for line in running if line.fraction is not None]
        if counted or running:
            return counted[-1] if counted else running[0]
        return begun[-1] if begun else None

    def apply(self, event: Event) -> None:
        """Take in one event."""
        self.deployment = event.deployment
        line = self.stages.get(event.stage, StageLine(event.stage))
        if event.stage == "rollback" and event.kind == "started":
            self._end_running("stopped", event.at)  # which of them failed is told at the end
        self.stages[event.stage] = line.after(event)
        text = _log_text(event)
        if text:
            self.log.append(text)
            self.logged += 1

    def finish(self, word: RunWord, problem: SagewizardError | None = None) -> None:
        """Take in how it ended."""
        now = datetime.now(UTC)
        self.word, self.problem, self.ended = word, problem, now
        if word == "cancelled":
            for line in [line for line in self.stages.values() if line.word == "failed"]:
                self.stages[line.stage] = line.ending("stopped", now)
        known = any(line.word == "failed" for line in self.stages.values())
        self._end_running("stopped" if word == "cancelled" or known else "failed", now)

    def _end_running(self, word: StageWord, at: datetime) -> None:
        for line in [line for line in self.stages.values() if line.word == "running"]:
            self.stages[line.stage] = line.ending(word, at)


def earlier_run(found: "Deployment", problem: SagewizardError) -> DeploymentRun:
    """Return a deployment of an earlier session that may be gone on with; `problem` says why it ended, and how."""
    return DeploymentRun(
        found.plan,
        word="failed",
        problem=problem,
        deployment=found.id,
        left=True,
        interrupted=True,
        started=found.created,
        ended=found.created,
    )


def _log_text(event: Event) -> str:
    at = time_of_day(event.at)
    match event.kind:
        case "progress":
            return ""
        case "log":
            return f"{at}   │ {without_stamp(event.message)}"
        case "warning":
            return f"{at} ! {event.message}"
        case "failed":
            return f"{at} ✗ {event.message}"
        case "finished":
            return f"{at} ✓ {event.message}"
        case "started":
            return f"{at} … {event.message}"
