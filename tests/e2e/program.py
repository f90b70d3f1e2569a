"""The program as a child process, as people and scripts run it, and what the sandbox's account holds meanwhile."""

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import boto3

from core.sandbox.daemon import RunningSandbox
from tests.inventory import left_of

ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 120.0
_CONTROL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|.)")


@dataclass(frozen=True)
class Ended:
    """How a run of the program ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **(changes or {})}


def run(*arguments: str, send: str = "", env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Ended:
    done = subprocess.run(
        [sys.executable, "-m", "tui", *arguments],
        input=send.encode(),
        capture_output=True,
        env=environment(env),
        cwd=cwd,
        timeout=_SECONDS,
        check=False,
    )
    return Ended(done.returncode, done.stdout.decode(errors="surrogateescape"), done.stderr.decode(errors="replace"))


def start(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tui", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        text=True,
    )


class Background:
    """The program while it runs. It writes to files in `folder`, so that all of it can be looked at at any time."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._out, self._err = folder / "stdout", folder / "stderr"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tui", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environment(),
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of JSON that are written; not one that is still being written."""
        whole, _, _ = self._out.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    @property
    def err(self) -> str:
        return self._err.read_text()

    def wait_for(self, holds: Callable[["Background"], object]) -> None:
        """Return once something holds of the program; fail when it has ended without."""
        deadline = time.monotonic() + _SECONDS
        while not holds(self):
            ended = self.process.poll() is not None
            assert holds(self) or (not ended and time.monotonic() < deadline), self.err
            time.sleep(0.02)

    def end(self) -> Ended:
        """Wait for the end of the program."""
        code = self.process.wait(_SECONDS)
        return Ended(code, self._out.read_text(), self.err)


class Terminal:
    """The program at a terminal of 100 by 30: what it writes, without control sequences, and keys for it."""

    def __init__(self, *arguments: str) -> None:
        self._controller, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tui", *arguments],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=environment({"TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"}),
            start_new_session=True,
        )
        os.close(terminal)
        self._raw = b""

    @property
    def text(self) -> str:
        return _CONTROL.sub("", self._raw.decode(errors="replace"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._controller)

    def wait_for(self, text: str, after: str = "") -> None:
        """Return once `text` was written since the last key, behind `after`."""
        deadline = time.monotonic() + _SECONDS
        while after not in self.text or text not in self.text[self.text.index(after) + len(after) :]:
            if not self._read(deadline):
                raise AssertionError(f"{text!r} was not written; this was:\n{self.text}")

    def press(self, keys: str) -> None:
        self._raw = b""
        os.write(self._controller, keys.encode())

    def end(self) -> int:
        """Return the exit code once the program has ended."""
        deadline = time.monotonic() + _SECONDS
        while self._read(deadline):
            pass
        return self.process.wait(_SECONDS)

    def _read(self, deadline: float) -> bool:
        if not select.select([self._controller], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return False
        try:
            piece = os.read(self._controller, 65536)
        except OSError:  # the other end is closed
            return False
        self._raw += piece
        return bool(piece)


def inventory(running: RunningSandbox, word: str) -> list[str]:
    """Return what the sandbox's account has of the endpoints whose name contains `word`."""
    session = boto3.Session(running.access_key_id, running.secret_access_key, region_name="us-east-1")
    return left_of(lambda service: session.client(service, endpoint_url=running.url), word, running.ledgers)
