"""Starting, finding and stopping the sandbox: one background process per user, or per `SAGEWIZARD_HOME`.

The process outlives the command and the terminal that started it. Which one runs is kept in a file and believed only
after it has answered with its own name: pids and ports are given to other programs once they are free.
"""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from core.errors import SagewizardError, UsageError
from core.sandbox import DEFAULT_REGION, administration, processes, state_files
from core.sandbox.state_files import RunningSandbox

__all__ = ["RunningSandbox", "ensure_running", "environment", "reset", "start", "status", "stop", "variables_to_unset"]

_NEEDED: Final = ("moto", "flask", "flask_cors", "werkzeug", "transformers", "torch")
_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 15.0
_UNSET: Final = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")


def ensure_running() -> RunningSandbox:
    """Return the sandbox that runs, started if need be: `start` without a wish for a port."""
    return start()


def start(*, port: int | None = None) -> RunningSandbox:
    """Start the sandbox, or find the one that runs already. Returns when it answers.

    Without `port` it takes the one it had last time if that is free, else any. The account holds what it held at the
    last stop; its endpoints come back from `Creating`. `notice` says so when it cannot.

    Raises:
        UsageError: `port` is no port, or a sandbox runs already on another one.
        UnreachableError: one runs that does not answer; it may be busy with somebody's endpoints, and is left alone.
        SagewizardError: the extra is not installed, `port` is taken, or the process did not come up.
    """
    if port is not None and not 1 <= port <= 65535:
        raise UsageError(f"{port} is not a port.", fix="Give one between 1024 and 65535.")
    running = status()
    if running is None:
        with state_files.exclusive():
            running = status()
            if running is None:
                _clear_away()
                return _launch(port)
    if port is not None and urlsplit(running.url).port != port:
        raise UsageError(
            f"A sandbox runs already, at {running.url}.",
            fix="Stop it first with `sagewizard sandbox stop`, or leave out the port.",
        )
    return running


def status() -> RunningSandbox | None:
    """Return the sandbox that runs and answers; `None` when there is none.

    Raises:
        UnreachableError: one runs, and does not answer.
    """
    running = state_files.read_running()
    if running is None or processes.identity(running.pid) != running.process:
        return None
    return running if administration.is_alive(running) else None


def stop() -> bool:
    """Stop the sandbox and the containers of its endpoints; what the account holds is kept for the next start.

    Returns whether one was running.

    Raises:
        SagewizardError: another process kept the lock.
    """
    with state_files.exclusive():
        return _clear_away()


def reset() -> RunningSandbox:
    """Give the account back empty, at the same address: stop what runs, forget all of it and start again.

    Raises:
        SagewizardError: as for `start`.
    """
    with state_files.exclusive():
        _clear_away()
        state_files.forget_account()
        return _launch(None)


def environment(running: RunningSandbox) -> Mapping[str, str]:
    """Return the variables that point any AWS client at the sandbox and at nothing else.

    `variables_to_unset` names those that must be absent besides.
    """
    beside = [name for name in os.environ.get("NO_PROXY", os.environ.get("no_proxy", "")).split(",") if name.strip()]
    no_proxy = ",".join(dict.fromkeys([*beside, "127.0.0.1"]))
    return {
        "AWS_ENDPOINT_URL": running.url,
        "AWS_ACCESS_KEY_ID": running.access_key_id,
        "AWS_SECRET_ACCESS_KEY": running.secret_access_key,
        "AWS_REGION": DEFAULT_REGION,
        "AWS_DEFAULT_REGION": DEFAULT_REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
    }


def variables_to_unset(environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return the variables that would override `environment`, service-specific endpoints in `environ` included."""
    environ = os.environ if environ is None else environ
    return (*_UNSET, *sorted(name for name in environ if name.startswith("AWS_ENDPOINT_URL_")))


def _clear_away() -> bool:
    """End the process that the state file names, if it is that one still. Call it with the lock held."""
    running = state_files.read_running()
    alive = running is not None and processes.identity(running.pid) == running.process
    if running and alive:
        processes.end(running.pid, running.process, grace_seconds=_STOP_SECONDS)
    state_files.remove_running()
    state_files.clear_work()
    return alive


def _launch(port: int | None) -> RunningSandbox:
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        raise SagewizardError(
            f"The sandbox needs extra packages that are not installed ({', '.join(missing)}).",
            fix="Run `pip install 'sagewizard[sandbox]'`.",
        )
    log = state_files.log_file()
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "core.sandbox", *(() if port is None else ("--port", str(port)))],
            cwd=Path(__file__).resolve().parents[2],  # so that `-m` finds this very package
            env=_bare_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )
    said = _first_line(process)
    process.wait()  # it leaves a grandchild behind, which nobody here has to wait for
    running = state_files.read_running()
    if said.get("ready") and running:
        return replace(running, notice=str(said.get("notice", "")))
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    raise SagewizardError(
        said.get("error") or "The sandbox did not start.", fix=said.get("fix") or f"Its log {log} may say why."
    )


def _first_line(process: "subprocess.Popen[bytes]") -> Mapping[str, Any]:
    """Return the line of JSON with which the process says that it is ready, or why not; empty when it says nothing."""
    until = time.monotonic() + _START_SECONDS
    text = b""
    with process.stdout as pipe, selectors.DefaultSelector() as selector:  # type: ignore[union-attr] # asked for above
        selector.register(pipe, selectors.EVENT_READ)
        while b"\n" not in text and selector.select(until - time.monotonic()):
            piece = os.read(pipe.fileno(), 4096)
            if not piece:
                break
            text += piece
    if b"\n" not in text:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    try:
        said = json.loads(text)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _bare_environment() -> dict[str, str]:
    """Return this process's environment without what belongs to real accounts: containers inherit it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "MOTO_", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"))
    }
    return {**kept, "AWS_EC2_METADATA_DISABLED": "true"}
