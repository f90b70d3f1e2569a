"""Runs a stand-in as its child, and ends all that comes of it: when it is told to, or whoever started it is gone.

    python -I -S reaper.py COMMAND ARGUMENT …

A process of its own with nothing of the model's in it: code that keeps an interpreter busy cannot keep it from acting.
On Linux whatever the model's code starts and leaves alone, in a session of its own even, becomes a child of this
process (PR_SET_CHILD_SUBREAPER, prctl(2)); elsewhere the command's process group is what is ended.

On SIGTERM the command gets that signal and `GRACE_SECONDS`; when standard input closes, which the starter holds open,
everything is ended at once. The exit status is the command's. Run as a script: it imports nothing of the program.
"""

import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

GRACE_SECONDS = 2.0
"""Between SIGTERM and SIGKILL. SageMaker gives 30; a person who waits has less patience."""
_ENDING_SECONDS = 5.0
_PR_SET_CHILD_SUBREAPER = 36
_LINUX = sys.platform == "linux"


def main(command: list[str]) -> int:
    """Run the command to its end, or until it has to go; return its wait status (`os.waitpid`)."""
    _adopt_orphans()
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    told_to_end: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: told_to_end.append(number))
    signal.signal(signal.SIGCHLD, lambda *_: None)
    child = _spawn(command)
    status, deadline = None, float("inf")
    while status is None and time.monotonic() < deadline:
        if told_to_end and deadline == float("inf"):
            deadline = time.monotonic() + GRACE_SECONDS
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGTERM)
        pause = None if deadline == float("inf") else max(0.0, deadline - time.monotonic())
        ready, _, _ = select.select([0, woken], [], [], pause)
        if woken in ready:
            os.read(woken, 512)
        if 0 in ready and not os.read(0, 512):
            break  # the starter is gone
        status = _reap(child)
    return _end_all(child, status)


def _adopt_orphans() -> None:
    if _LINUX:
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _spawn(command: list[str]) -> int:
    """Start the command in a process group of its own, with a pipe to watch as its standard input."""
    read, _held = os.pipe()  # what is held is closed when this process ends, however it does
    return os.posix_spawn(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, read, 0)], setpgroup=0)


def _reap(child: int) -> int | None:
    """Take leave of all children that have ended; return the wait status of `child` if it is one of them."""
    found = None
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == child:
                found = ended[1]
    return found


def _end_all(child: int, status: int | None) -> int:
    """Kill the command's group and every child, also those that become ours meanwhile; return the command's status."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    until = time.monotonic() + _ENDING_SECONDS
    while time.monotonic() < until:
        for pid in _children():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            pid, ended = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if pid == child:
            status = ended
        elif not pid:
            time.sleep(0.005)
    return signal.SIGKILL if status is None else status


def _children() -> Iterator[int]:
    """Yield the processes whose parent is this one (proc(5)); none where there is no such file system."""
    for stat in Path("/proc").glob("[0-9]*/stat") if _LINUX else ():
        with suppress(OSError, IndexError, ValueError):  # it ended meanwhile
            if int(stat.read_text(errors="replace").rpartition(")")[2].split()[1]) == os.getpid():
                yield int(stat.parent.name)


def _exit_as(status: int) -> None:
    """End this process as the command ended: by the same signal, or with the same code."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    _exit_as(main(sys.argv[1:]))
