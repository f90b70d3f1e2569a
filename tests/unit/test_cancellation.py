"""Asking work to stop: from another thread, and from a signal handler at any moment."""

import subprocess
import sys
import threading

import pytest

from core.cancellation import CancelToken
from core.errors import CancelledByUser

# A signal at a random moment around the beginning of a wait, many times over.
_HAMMER = """
import random, signal
from core.cancellation import CancelToken
from core.errors import CancelledByUser

random.seed(7)
for _ in range(4_000):
    token = CancelToken()
    signal.signal(signal.SIGALRM, lambda *_: token.cancel())
    signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, 60e-6))
    try:
        token.wait(60)
    except CancelledByUser:
        pass
print("done")
"""


def test_all_who_wait_are_woken_and_whoever_comes_later_does_not_wait() -> None:
    token = CancelToken()
    token.check()
    token.wait(0)
    stopped: list[bool] = []

    def work() -> None:
        with pytest.raises(CancelledByUser):
            token.wait(600)
        stopped.append(token.cancelled)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    token.cancel()
    token.cancel()
    for thread in threads:
        thread.join(60)
    assert stopped == [True] * 4
    for stop in (token.check, lambda: token.wait(600)):
        with pytest.raises(CancelledByUser):
            stop()


def test_a_signal_that_comes_while_a_wait_begins_is_heard() -> None:
    done = subprocess.run([sys.executable, "-c", _HAMMER], capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout == "done\n", done.stderr


def test_a_child_is_stopped_by_its_parent_and_not_the_other_way_round() -> None:
    parent = CancelToken()
    child, sibling = parent.child(), parent.child()
    grandchild = child.child()
    child.cancel()
    assert [token.cancelled for token in (parent, child, sibling, grandchild)] == [False, True, False, True]
    sibling.check()
    parent.cancel()
    for token in (parent, sibling, sibling.child()):
        with pytest.raises(CancelledByUser):
            token.check()


def test_a_child_that_waits_hears_its_parent() -> None:
    parent = CancelToken()
    waits = threading.Event()

    def stop() -> None:
        waits.wait(60)
        parent.cancel()

    stopping = threading.Thread(target=stop)
    stopping.start()
    waits.set()
    with pytest.raises(CancelledByUser):
        parent.child().child().wait(600)
    stopping.join()
