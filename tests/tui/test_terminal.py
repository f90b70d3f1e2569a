"""The program as a process in a terminal: it refuses to start without one, and gives it back as it found it."""

import os
import pty
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

_RUN = "import sys; from tui.app import run_app; from tui.context import AppContext; sys.exit(run_app(AppContext({})))"
_SANDBOX = _RUN.format("sandbox=True, profile=None, region=None, debug=False")
_AWS = _RUN.format("sandbox=False, profile=None, region='us-east-1', debug=False")
_ENTER_SCREEN, _LEAVE_SCREEN = b"\x1b[?1049h", b"\x1b[?1049l"


class _Terminal:
    """The program on a pseudo terminal."""

    def __init__(self, program: str, environment: Mapping[str, str]) -> None:
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", program], stdin=slave, stdout=slave, stderr=slave, env=environment, close_fds=True
        )
        os.close(slave)
        self.output = b""

    def read_until(self, wanted: bytes, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while wanted not in self.output:
            assert time.monotonic() < deadline, f"{wanted!r} never came: {self.output[-2000:]!r}"
            if select.select([self._master], [], [], 0.2)[0]:
                try:
                    self.output += os.read(self._master, 65536)
                except OSError:  # the other end is closed
                    assert wanted in self.output, self.output[-2000:]

    def press(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)


def _environment(home: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "TERM": "xterm-256color", "SAGEWIZARD_HOME": str(home), **more}


@pytest.mark.parametrize("term", ["xterm-256color", "dumb"])
def test_without_a_terminal_it_says_which_commands_there_are(term: str, isolated_home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SANDBOX],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        env=_environment(isolated_home, TERM=term),
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "needs a terminal" in done.stderr
    assert "sagewizard demo" in done.stderr
    assert "\x1b" not in done.stderr


def test_a_dumb_terminal_is_refused_too(isolated_home: Path) -> None:
    terminal = _Terminal(_SANDBOX, _environment(isolated_home, TERM="dumb"))
    try:
        terminal.read_until(b"needs a terminal")
        assert terminal.process.wait(timeout=60) == 2
        assert _ENTER_SCREEN not in terminal.output
    finally:
        terminal.close()


def test_sigterm_gives_the_terminal_back(sandbox_home: Path) -> None:
    terminal = _Terminal(_SANDBOX, _environment(sandbox_home))
    try:
        terminal.read_until(b"us-east-1")
        assert _ENTER_SCREEN in terminal.output
        terminal.process.send_signal(signal.SIGTERM)
        terminal.read_until(_LEAVE_SCREEN)
        assert terminal.process.wait(timeout=60) == 128 + signal.SIGTERM
    finally:
        terminal.close()


def test_quitting_does_not_wait_for_a_silent_aws(isolated_home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never says a word
        more = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        }
        terminal = _Terminal(_AWS, _environment(isolated_home, **more))
        try:
            silent.settimeout(60)
            connection, _ = silent.accept()  # the request is under way, and would be waited for for a minute
            with connection:
                terminal.press(b"\x11")
                terminal.read_until(_LEAVE_SCREEN)
                assert terminal.process.wait(timeout=30) == 0
        finally:
            terminal.close()
