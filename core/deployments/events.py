"""What a run tells while it goes on: one value for every front end, one JSON object a line for scripts.

The last event of a run is `ready finished`; or `endpoint finished` with `endpoint` set, of one that does not wait until
the endpoint is in service; or `failed`. A stream that ends otherwise was cut off.
"""

import json
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

Stage = Literal[
    "inspect", "package", "upload", "role", "model", "endpoint_config", "endpoint", "ready", "rollback", "delete"
]
Kind = Literal["started", "progress", "log", "warning", "finished", "failed"]
Unit = Literal["bytes", "files"]

STAGES: tuple[Stage, ...] = ("inspect", "package", "upload", "role", "model", "endpoint_config", "endpoint", "ready")
"""The stages of a run that succeeds, in order."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened in a deployment.

    `done` and `total` are counts of `unit`; `file` is the path in the artifact that is under way, `file_done` and
    `file_total` its bytes; `rate` is how many bytes a second passed lately, `seconds_left` what is left at that rate,
    where they are known. `endpoint` is set on events of the stage `ready`, and on the last event of a run that does not
    wait; `cause` and `fix` on `failed` ones. `message` is safe to show: text from outside was cleaned.
    """

    deployment: str
    stage: Stage
    kind: Kind
    message: str
    done: int | None = None
    total: int | None = None
    unit: Unit | None = None
    _: KW_ONLY
    file: str | None = None
    file_done: int | None = None
    file_total: int | None = None
    rate: float | None = None
    seconds_left: float | None = None
    endpoint: str | None = None
    cause: str | None = None
    fix: str | None = None
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def to_json(self) -> str:
        """Return the event as one line of JSON (ASCII, for any locale), `at` in ISO 8601 with its zone (UTC)."""
        body: dict[str, Any] = {
            "at": self.at.isoformat(timespec="milliseconds"),
            "deployment": self.deployment,
            "stage": self.stage,
            "kind": self.kind,
            "message": self.message,
            "done": self.done,
            "total": self.total,
            "unit": self.unit,
        }
        for name in ("file", "file_done", "file_total", "rate", "seconds_left", "endpoint", "cause", "fix"):
            if (value := getattr(self, name)) is not None:
                body[name] = round(value, 1) if isinstance(value, float) else value
        return json.dumps(body)


Emit = Callable[[Event], None]
"""Receives the events of a run, on the run's own thread; must not block for long."""
