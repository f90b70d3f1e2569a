"""The sandbox's files: who serves it now, its keys and port, its lock and log, its account and the ledgers of that.

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
from core.folders import HOME_VARIABLE, data_folder, own_folder

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
    notice: str = ""
    """A sentence for the person who started it, when what had been kept of the account could not be used."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What stays the same from one run to the next, so that a shell set up with `sandbox env` goes on working."""

    access_key_id: str
    secret_access_key: str
    port: int
    """The port of the last run; 0 before the first."""


def folder() -> Path:
    """Return the sandbox's folder, made if need be."""
    return own_folder(data_folder() / "sandbox")


def ledgers_folder() -> Path:
    """Return the folder of the ledgers of this account."""
    return own_folder(folder() / "deployments")


def work_folder() -> Path:
    """Return the folder where endpoints keep their unpacked artifacts while the sandbox runs."""
    return own_folder(folder() / "work")


def log_file() -> Path:
    """Return the file that the background process writes its own messages to."""
    return folder() / "server.log"


def records_file() -> Path:
    """Return the file that keeps the account (`core.sandbox.keeping.records`)."""
    return _account_folder() / "records.sqlite"


def objects_folder() -> Path:
    """Return the folder that keeps the bytes of S3's objects."""
    return _account_folder() / "objects"


def clear_work() -> None:
    """Remove what a run of the sandbox leaves behind when it is killed."""
    shutil.rmtree(work_folder(), ignore_errors=True)
    work_folder()


def forget_account() -> None:
    """Remove the account, and the ledgers that speak of it. No sandbox may run."""
    for path in (_account_folder(), ledgers_folder(), _aside()):
        shutil.rmtree(path, ignore_errors=True)


def set_account_aside() -> Path:
    """Move an account that cannot be used, and its ledgers, to a folder that is returned; one set aside before goes."""
    aside = _aside()
    shutil.rmtree(aside, ignore_errors=True)
    _account_folder().rename(aside)
    ledgers_folder().rename(aside / "deployments")
    return aside


def _account_folder() -> Path:
    return own_folder(folder() / "account")


def _aside() -> Path:
    return folder() / "account-set-aside"


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
    del values["ledgers"], values["notice"]
    _write(folder() / "state.json", {**values, "started": running.started.isoformat()})


def remove_running() -> None:
    """Say that no sandbox runs."""
    (folder() / "state.json").unlink(missing_ok=True)


def keys() -> Keys:
    """Return the access keys and the last port, made on the first call."""
    match _read(folder() / "keys.json"):
        case {"access_key_id": str(key), "secret_access_key": str(secret), "port": int(port)} if 0 <= port <= 65535:
            return Keys(key, secret, port)
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
        SagewizardError: another process held the lock for a minute, or the folder cannot be written to.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder() / "lock", timeout=_LOCK_SECONDS)
    try:
        lock.acquire()
    except Timeout as error:
        raise SagewizardError(
            "Another sagewizard has been starting or stopping the sandbox for a minute.",
            fix="End that one, then try again.",
        ) from error
    except OSError as error:
        raise SagewizardError(
            f"The sandbox cannot write to its folder {folder()}: {error.strerror}.",
            fix=f"Make it writable, or set {HOME_VARIABLE} to a folder that is.",
        ) from error
    try:
        yield
    finally:
        lock.release()


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
