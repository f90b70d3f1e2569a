"""A container: an unpacked artifact and the child process that stands in for its image, from start to end."""

import contextlib
import http.client
import logging
import os
import secrets
import shutil
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import core
from core.sandbox.containers import reaper
from core.sandbox.containers.requirements import INSTALL_VARIABLE
from core.sandbox.hosting.container_logs import pump

logger = logging.getLogger(__name__)

_PING_SECONDS: Final = 2.0  # what SageMaker gives a ping
_POLL_SECONDS: Final = 0.03
_ENDING_SECONDS: Final = 10.0  # more than the reaper takes to end a child that does not heed SIGTERM
_KEPT: Final = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
)
"""Variables of the daemon that reach a container; no other does."""


def new_instance_id() -> str:
    """Return an id in the form that EC2 gives instances; log streams are named after it."""
    return f"i-{secrets.token_hex(9)[:17]}"


class ContainerEndedError(Exception):
    """The child ended, or did not answer pings in time."""


class Container:
    """One child process with its port, scratch folder and output. `folder` is its own; `folder/model` the artifact.

    It runs under a reaper, which ends it, and all that it has started, when it is told to or this process ends, however
    that ends: the reaper watches a pipe whose other end is held here.
    """

    def __init__(self, module: str, folder: Path, write_log: Callable[[str], None]) -> None:
        self.folder = folder
        self.model_dir = folder / "model"
        self._module = module
        self._write_log = write_log
        self._process: subprocess.Popen[bytes] | None = None
        self._pump: threading.Thread | None = None
        self._lock = threading.Condition()
        self._ending = threading.Lock()
        self._serving = 0
        self._closed = False
        self.port = 0
        self.ready = False

    def start(self, environment: Mapping[str, str]) -> None:
        """Start the child, with the environment of its model; it inherits a socket that listens on a port of its own.

        Raises:
            ContainerEndedError: the container is closed already.
            OSError: there can be no more processes.
        """
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        with socket.create_server(("127.0.0.1", 0), backlog=128) as listener, self._lock:
            if self._closed:
                raise ContainerEndedError
            self._process = process = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", reaper.__file__),
                    # -P: the working folder holds the model, whose files must not be found by `import`
                    *(sys.executable, "-P", "-m", self._module),
                    *("--model-dir", str(self.model_dir)),
                    *("--listener", str(listener.fileno())),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=self.model_dir,
                env=child_environment(environment, home),
                pass_fds=(listener.fileno(),),
                start_new_session=True,
                bufsize=0,
            )
            self.port = listener.getsockname()[1]
            assert process.stdout is not None  # noqa: S101 - asked for above
            output = os.dup(process.stdout.fileno())
            process.stdout.close()
            reading = threading.Thread(
                target=pump, args=(output, self._write_log), name="container-output", daemon=True
            )
            reading.start()
            self._pump = reading

    def wait_ready(self, timeout: float, check: Callable[[], None]) -> None:
        """Return when `/ping` answers 200. `check` is called often and may raise to stop.

        Raises:
            ContainerEndedError: the child ended, or `timeout` seconds are over.
        """
        deadline = time.monotonic() + timeout
        while True:
            check()
            if not self.alive or time.monotonic() > deadline:
                raise ContainerEndedError
            if self._ping():
                self.ready = True
                return
            time.sleep(_POLL_SECONDS)

    def _ping(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PING_SECONDS)
        try:
            connection.request("GET", "/ping")
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return answer.status == 200

    @property
    def alive(self) -> bool:
        """Whether the child runs."""
        process = self._process
        return process is not None and process.poll() is None

    def wait_ended(self) -> int | None:
        """Return the child's exit status once it has ended (negative: the signal that did it); `None` without child."""
        process = self._process
        return process.wait() if process else None

    @property
    def closed(self) -> bool:
        """Whether `close` was called: the end of the child is wanted then."""
        return self._closed

    @contextlib.contextmanager
    def serving(self) -> Iterator[bool]:
        """Hold the container for an invocation; yields `False` when it takes no more."""
        with self._lock:
            admitted = self.ready and not self._closed
            self._serving += admitted
        try:
            yield admitted
        finally:
            if admitted:
                with self._lock:
                    self._serving -= 1
                    self._lock.notify_all()

    def drain(self, timeout: float) -> None:
        """Wait until no invocation is being answered, for at most `timeout` seconds."""
        with self._lock:
            self._lock.wait_for(lambda: not self._serving or self._closed, timeout)

    def reap(self) -> None:
        """Take leave of a child that has ended by itself: its pipes, its last output."""
        self.ready = False
        self._end()

    def close(self) -> None:
        """End the child, and what it has started, and remove the folder. May be called twice."""
        with self._lock:
            self._closed = True
            self._lock.notify_all()
        self.ready = False
        self._end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self) -> None:
        with self._ending:  # whoever comes second waits, and finds the child gone: its number may be another's by then
            if self._process is not None:
                self._end_process(self._process)
                self._process = None

    def _end_process(self, process: "subprocess.Popen[bytes]") -> None:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_ENDING_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()  # the child's own guard ends it then
        process.wait()
        if process.stdin:
            process.stdin.close()
        if self._pump:
            self._pump.join(1.0)


def child_environment(model: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return the environment of a child: a few variables of this process, the model's, and what the sandbox needs."""
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    temporary = home / "tmp"
    temporary.mkdir(exist_ok=True)
    environment |= {
        "PATH": environment.get("PATH", os.defpath),
        "LANG": environment.get("LANG", "C.UTF-8"),
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "PYTHONUNBUFFERED": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    environment |= model
    if os.environ.get(INSTALL_VARIABLE) == "1":
        environment |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        environment[INSTALL_VARIABLE] = "1"
    package_parent = Path(core.__file__).resolve().parents[1]
    if str(package_parent) not in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [model.get("PYTHONPATH"), str(package_parent)]))
    return environment
