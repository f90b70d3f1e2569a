"""The file of an account's records: a table of JSON values by kind and name, in SQLite.

SQLite's write-ahead log makes every change whole or absent, also when the process is killed in the midst of it. The
format has a version; a file of another version, or a damaged one, is refused and never guessed at.
"""

import json
import os
import sqlite3
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from core.errors import SagewizardError

FORMAT: Final = 1
"""The version of what is kept. Raise it when a change makes older records unreadable."""

_BUSY_SECONDS: Final = 10.0  # an earlier sandbox may be about to let go of the file
_ENVIRONMENT: Final = {
    "SQLITE_BUSY",
    "SQLITE_CANTOPEN",
    "SQLITE_FULL",
    "SQLITE_IOERR",
    "SQLITE_PERM",
    "SQLITE_READONLY",
}


class UnusableError(Exception):
    """The file cannot be used; the text says why, in a clause."""


class Records:
    """The records in the file at `path`, which is made if need be. One process holds it at a time.

    Raises:
        UnusableError: the file is damaged, or of another version.
        SagewizardError: the file cannot be opened: another process has it, no space, no permission.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, dict[str, str]] = {}
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # there are secret keys in it
        self._file = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            self._open()
        except sqlite3.Error as error:
            self._file.close()
            if getattr(error, "sqlite_errorname", "").startswith(tuple(_ENVIRONMENT)):
                raise SagewizardError(
                    f"The sandbox cannot open its account at {path} ({error}).",
                    fix="See that no other sandbox uses it, that it is yours to write and that the disk is not full.",
                ) from error
            raise UnusableError(f"cannot be read ({error})") from error
        except UnusableError:
            self._file.close()
            raise

    def _open(self) -> None:
        run = self._file.execute
        run("PRAGMA locking_mode = EXCLUSIVE")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = NORMAL")
        (version,) = run("PRAGMA user_version").fetchone()
        if not version and not run("SELECT name FROM sqlite_schema").fetchone():
            run("BEGIN IMMEDIATE")
            run("CREATE TABLE record (kind TEXT, name TEXT, value TEXT NOT NULL, PRIMARY KEY (kind, name))")
            run(f"PRAGMA user_version = {FORMAT}")
            run("COMMIT")
        elif version != FORMAT:
            raise UnusableError(f"was written by another version of sagewizard (format {version}, not {FORMAT})")
        if (found := run("PRAGMA quick_check").fetchone()[0]) != "ok":
            raise UnusableError(f"cannot be read ({found})")
        for kind, name, value in run("SELECT kind, name, value FROM record"):
            try:
                json.loads(value)
            except ValueError as error:
                raise UnusableError(f"cannot be read (the {kind} {name} is not JSON)") from error
            self._values.setdefault(kind, {})[name] = value

    def all(self, kind: str) -> dict[str, Any]:
        """Return the values of a kind by name."""
        with self._lock:
            return {name: json.loads(value) for name, value in self._values.get(kind, {}).items()}

    def change(self, kind: str, values: Mapping[str, Any]) -> None:
        """Keep these values; `None` removes one. On return they are kept, all or, if it raises, none."""
        self._write({kind: {name: _text(value) for name, value in values.items()}})

    def replace(self, kinds: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep these values of these kinds and no others of them. Only what differs is written."""
        with self._lock:
            present = {kind: list(self._values.get(kind, ())) for kind in kinds}
        self._write(
            {
                kind: {**dict.fromkeys(present[kind]), **{name: _text(value) for name, value in values.items()}}
                for kind, values in kinds.items()
            }
        )

    def _write(self, wanted: Mapping[str, Mapping[str, str | None]]) -> None:
        with self._lock:
            changes = [
                (kind, name, value)
                for kind, values in wanted.items()
                for name, value in values.items()
                if self._values.get(kind, {}).get(name) != value
            ]
            if not changes:
                return
            with self._file:
                self._file.execute("BEGIN IMMEDIATE")
                for kind, name, value in changes:
                    if value is None:
                        self._file.execute("DELETE FROM record WHERE kind = ? AND name = ?", (kind, name))
                    else:
                        self._file.execute("REPLACE INTO record VALUES (?, ?, ?)", (kind, name, value))
            for kind, name, value in changes:
                if value is None:
                    self._values[kind].pop(name, None)
                else:
                    self._values.setdefault(kind, {})[name] = value

    def close(self) -> None:
        """Let go of the file. Changes made after this raise."""
        with self._lock:
            self._file.close()


def _text(value: Any) -> str | None:
    return None if value is None else json.dumps(value, separators=(",", ":"))
