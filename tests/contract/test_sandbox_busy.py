"""A sandbox that runs and does not answer is busy, not dead: nobody takes its endpoints away."""

import os
import signal

import pytest

from core.errors import UnreachableError
from core.sandbox import administration, daemon, processes


def test_a_sandbox_that_is_slow_to_answer_is_left_alone(isolated_home: object) -> None:
    first = daemon.start()
    try:
        os.kill(first.pid, signal.SIGSTOP)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(administration, "_PATIENCE_SECONDS", 0.5)
            for ask in (daemon.start, daemon.status, daemon.ensure_running):
                with pytest.raises(UnreachableError, match="does not answer") as caught:
                    ask()
                assert "sandbox stop" in caught.value.fix
        assert processes.identity(first.pid) == first.process
        os.kill(first.pid, signal.SIGCONT)
        assert daemon.start() == first
    finally:
        os.kill(first.pid, signal.SIGCONT)
        daemon.stop()
