"""The events of a run as JSON lines on stdout, for programs."""

import os
import sys
import threading
from contextlib import suppress

import click

from core.deployments.events import Event, Stage
from core.errors import SagewizardError
from tui.output import OutputError, let_go, message, unwritable


class EventLines:
    """Writes each event as a line of JSON. A reader that went away does not stop the run: its ledger tells of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gone = False
        self._last: Event | None = None

    def __call__(self, event: Event) -> None:
        """Write one event."""
        with self._lock:
            self._last = event
            if self._gone:
                return
            try:
                click.echo(event.to_json())
            except OSError as error:
                self._gone = True
                let_go(sys.stdout)
                if isinstance(error, OutputError):
                    goes_on = "" if event.kind == "failed" else " The run goes on."
                    message(f"sagewizard: {unwritable(error).message}{goes_on}")

    def tell(self, stage: Stage, text: str) -> None:
        """Write what is no step of the run as a `log` event of the deployment told of last."""
        self(Event(self._last.deployment if self._last else "", stage, "log", text))

    def end_with(self, error: SagewizardError) -> None:
        """Make sure the last event tells of the failure, also of one that came before or after the run itself."""
        if not (self._last and self._last.kind == "failed"):
            self(self._failure(error))

    def end_now(self, error: SagewizardError) -> None:
        """Write the last event from within a signal handler, where neither lock nor stream may be waited for."""
        with suppress(OSError):  # what is left has to be told on stderr all the same
            os.write(sys.stdout.fileno(), f"{self._failure(error).to_json()}\n".encode())

    def _failure(self, error: SagewizardError) -> Event:
        deployment, stage = (self._last.deployment, self._last.stage) if self._last else ("", "inspect")
        return Event(deployment, stage, "failed", error.message, cause=error.message, fix=error.fix)
