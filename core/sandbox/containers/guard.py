"""Ends a stand-in when whoever started it is gone, however it went."""

import os
import signal
import stat
import threading


def end_with_parent() -> None:
    """Watch the pipe on standard input in a thread, and kill this process group once its other end is closed.

    The starter holds the other end and never writes: the kernel closes it when the starter ends, by `kill -9` too.
    Afterwards standard input reads as empty. Without a pipe there (a run by hand) nothing is done.
    """
    if not stat.S_ISFIFO(os.fstat(0).st_mode):
        return
    pipe = os.dup(0)  # not inheritable: processes that the model's code starts cannot keep it open
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    threading.Thread(target=_wait, args=(pipe,), name="parent-guard", daemon=True).start()


def _wait(pipe: int) -> None:
    try:
        while os.read(pipe, 1):
            pass
    except OSError:
        pass
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)  # also what the model's code has started
    os._exit(1)
