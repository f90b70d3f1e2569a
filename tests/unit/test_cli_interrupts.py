"""Ctrl+C and SIGTERM: once asks, twice ends."""

import os
import signal
import subprocess
import sys

import pytest

from core.cancellation import CancelToken
from tui.interrupts import stopping_politely

_TWICE = """
import os, signal
from core.cancellation import CancelToken
from tui.interrupts import stopping_politely

try:
    with stopping_politely(CancelToken(), lambda: "Left: endpoint tiny."):
        os.kill(os.getpid(), signal.SIGINT)
        print("asked once", flush=True)
        os.kill(os.getpid(), signal.SIGINT)
        print("not reached", flush=True)
finally:
    print("nor this", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_the_work_to_end(number: signal.Signals) -> None:
    cancel = CancelToken()
    with stopping_politely(cancel):
        os.kill(os.getpid(), number)
        assert cancel.cancelled


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with stopping_politely(CancelToken()):
        assert signal.getsignal(signal.SIGINT) is not before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_the_second_signal_ends_the_program_at_once_and_says_what_is_left() -> None:
    done = subprocess.run([sys.executable, "-c", _TWICE], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 130
    assert done.stdout == "asked once\n"
    assert done.stderr.strip().endswith("sagewizard: Stopped at once. Left: endpoint tiny.")
