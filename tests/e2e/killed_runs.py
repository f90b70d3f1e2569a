"""Runs of plans in processes that are killed: each is a fork of one process that has loaded the program once.

As a program (`python -m tests.e2e.killed_runs`), it carries out one order a line, a JSON object, in a fork of itself.
It writes the fork's id, and its exit status once it has ended.
"""

import json
import os
import signal
import subprocess
import sys
import traceback
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Self

from core.account import Account
from core.aws.clients import Clients, StaticCredentials
from core.deployments.plan_file import read_plan
from core.deployments.runner import deploy, resume
from core.models.hub import HubClient
from tests.e2e.program import ROOT, environment
from tests.e2e.transfers import Transfers, until_stored


class KilledRuns:
    """The process that is forked; use it in a `with`."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.killed_runs"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=environment(),
            text=True,
            bufsize=1,
        )
        self._run: int | None = None
        return self

    def __exit__(self, *_: object) -> None:
        self._end_the_last()
        self._process.communicate()  # it ends when there are no more orders

    def start(self, transfers: Transfers, *, plan: Path | None = None, deployment: str | None = None) -> None:
        """Start to deploy a plan, or to resume a deployment, until the artifact is stored."""
        self._end_the_last()
        credentials = transfers.stand.credentials
        order = {
            "url": transfers.front.url,
            "credentials": [credentials.access_key_id, credentials.secret_access_key],
            "ledgers": str(transfers.account.ledgers),
            "hub": transfers.hub.url,
            "plan": plan and str(plan),
            "deployment": deployment,
        }
        assert self._process.stdin
        self._process.stdin.write(f"{json.dumps(order)}\n")
        self._run = int(self._read())

    def kill(self) -> None:
        """Kill the run that goes on, as `kill -9` does."""
        assert self._end_the_last() == -signal.SIGKILL, "it had ended by itself"

    def _end_the_last(self) -> int | None:
        """Kill the run that was started last, unless its end is known; return its exit code."""
        if self._run is None:
            return None
        with suppress(ProcessLookupError):
            os.kill(self._run, signal.SIGKILL)
        self._run = None
        return os.waitstatus_to_exitcode(int(self._read()))

    def _read(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline()


def _carry_out(order: dict[str, Any]) -> None:
    key, secret = order["credentials"]
    clients = Clients(region="us-east-1", endpoint_url=order["url"], credentials=StaticCredentials(key, secret))
    account = Account(clients, label="sandbox", ledgers=Path(order["ledgers"]), sandbox=True)
    hub = HubClient(order["hub"], pause=0.01)
    if order["deployment"]:
        until_stored(partial(resume, order["deployment"], account, hub, rollback=False))
    else:
        until_stored(partial(deploy, read_plan(Path(order["plan"])), account, hub, rollback=False))


def _main() -> None:
    for line in sys.stdin:
        process = os.fork()
        if not process:
            try:
                _carry_out(json.loads(line))
            except BaseException:  # noqa: BLE001 - nothing of the parent's may go on in the fork
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        print(process, flush=True)
        print(os.waitpid(process, 0)[1], flush=True)


if __name__ == "__main__":
    _main()
