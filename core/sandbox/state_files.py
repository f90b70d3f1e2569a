"""The sandbox's files: who serves it now, the keys and port it keeps over restarts, its lock, log and ledgers.

All of it lies in one folder of the person's data folder, readable by its owner only: whoever has the access key can
start containers in this account, that is, run code.
"""

import contextlib
import json
import os
import secrets
import shutil
import string
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from core.errors import SagewizardError
from core.folders import data_folder

_LOCK_SECONDS: Final = 60.0
_ALPHABET: Final = string.ascii_uppercase + string.digits


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """A sandbox that answers. `ledgers` is the folder of the deployments made in it; `instance` names this very run."""

    url: str
    pid: int
    access_key_id: str
    secret_access_key: str
    ledgers: Path
    started: datetime
    instance: str
    process: str
    """Tells the process from a later one with the same pid (`core.sandbox.processes.identity`)."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What stays the same from one run to the next, so that a shell set up with `sandbox env` goes on working."""

    access_key_id: str
    secret_access_key: str
    port: int
    """The port of the last run; 0 before the first."""


def folder() -> Path:
    """Return the sandbox's folder, made if need be."""
    path = data_folder() / "sandbox"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def ledgers_folder() -> Path:
    """Return the folder of the ledgers of this account."""
    path = folder() / "deployments"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def work_folder() -> Path:
    """Return the folder where endpoints keep their unpacked artifacts while the sandbox runs."""
    path = folder() / "work"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def log_file() -> Path:
    """Return the file that the background process writes its own messages to."""
    return folder() / "server.log"


def forget_account() -> None:
    """Remove what speaks of an account that is gone: its ledgers and unpacked artifacts."""
    for path in (*ledgers_folder().iterdir(), *work_folder().iterdir()):
        with contextlib.suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def read_running() -> RunningSandbox | None:
    """Return what the last run wrote of itself, whether or not it still lives; `None` when there is nothing usable."""
    found = _read(folder() / "state.json")
    try:
        return RunningSandbox(
            **{**found, "ledgers": ledgers_folder(), "started": datetime.fromisoformat(found["started"])}
        )
    except (KeyError, TypeError, ValueError):
        return None


def write_running(running: RunningSandbox) -> None:
    """Let later commands find `running`."""
    values = asdict(running)
    del values["ledgers"]
    _write(folder() / "state.json", {**values, "started": running.started.isoformat()})


def remove_running() -> None:
    """Say that no sandbox runs."""
    (folder() / "state.json").unlink(missing_ok=True)


def keys() -> Keys:
    """Return the access keys and the last port, made on the first call."""
    try:
        return Keys(**_read(folder() / "keys.json"))
    except TypeError:
        made = Keys(
            access_key_id="AKIA" + "".join(secrets.choice(_ALPHABET) for _ in range(16)),
            secret_access_key=secrets.token_urlsafe(30),
            port=0,
        )
        write_keys(made)
        return made


def write_keys(values: Keys) -> None:
    """Keep the access keys and the port for the next run."""
    _write(folder() / "keys.json", asdict(values))


@contextlib.contextmanager
def exclusive() -> Iterator[None]:
    """Within it, no other process starts or stops the sandbox.

    Raises:
        SagewizardError: another process held the lock for a minute.
    """
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder() / "lock", timeout=_LOCK_SECONDS):
            yield
    except Timeout as error:
        raise SagewizardError(
            "Another sagewizard has been starting or stopping the sandbox for a minute.",
            fix="End that one, then try again.",
        ) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # absent, or cut off by a full disk: as good as absent
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: Path, values: dict[str, Any]) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(values, file)
    temporary.replace(path)
