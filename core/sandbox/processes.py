"""Telling one process from another that got the same number later, and ending one for good."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

_POLL_SECONDS = 0.02


def identity(pid: int) -> str | None:
    """Return what tells the living process `pid` from any other that had or will have the number; `None` if it is dead.

    On Linux that is the boot and the start time in clock ticks (proc(5)), elsewhere what ps(1) says of its start.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else _identity_by_ps(pid)
    except OSError:  # it ended while it was read
        return None
    fields = stat.rpartition(")")[2].split()
    if fields[0] in {"Z", "X"}:
        return None
    boot = Path("/proc/sys/kernel/random/boot_id")
    return f"{boot.read_text().strip() if boot.exists() else ''}/{fields[19]}"


def _identity_by_ps(pid: int) -> str | None:
    shown = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False, timeout=5
    ).stdout.split(maxsplit=1)
    return None if len(shown) < 2 or shown[0].startswith("Z") else shown[1].strip()


def end(pid: int, process: str, *, grace_seconds: float) -> None:
    """End the process `pid`, if it still is `process`: SIGTERM, then SIGKILL. Returns when it is gone."""
    for number, patience in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, 10.0)):
        if identity(pid) != process:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        until = time.monotonic() + patience
        while time.monotonic() < until:
            if identity(pid) != process:
                return
            time.sleep(_POLL_SECONDS)
