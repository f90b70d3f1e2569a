"""What every test stands on: a machine without accounts, tokens or settings, and a sandbox for those that want one."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from core.sandbox import daemon, processes
from core.sandbox.daemon import RunningSandbox

_OF_THIS_MACHINE = (
    "AWS_",
    "HF_",
    "HUGGING",
    "SAGEWIZARD_",
    "BOTO_",
    "MOTO_",
    "TRANSFORMERS_",
    "NO_COLOR",
    "FORCE_COLOR",
    # What text looks like in files and pipes: the tests, and the programs they start, speak UTF-8 wherever they run.
    "LANG",
    "LC_",
    "PYTHONUTF8",
    "PYTHONIOENCODING",
)


@pytest.fixture(scope="session", autouse=True)
def _sealed_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing of the account, the tokens or the settings of whoever runs the tests can be seen by them."""
    nowhere = tmp_path_factory.mktemp("sealed")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(_OF_THIS_MACHINE):
                patch.delenv(name)
        patch.setenv("AWS_CONFIG_FILE", str(nowhere / "no-aws-config"))
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(nowhere / "no-aws-credentials"))
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_MAX_ATTEMPTS", "1")
        patch.setenv("HF_HOME", str(nowhere / "huggingface"))
        patch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody is there: the Hub is asked by no test
        patch.setenv("LANG", "C.UTF-8")
        patch.setenv("SAGEWIZARD_HOME", str(nowhere / "home"))
        yield


@pytest.fixture(autouse=True)
def isolated_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _sealed_machine: None) -> Path:
    """The program's own folder for this one test, empty."""
    home = tmp_path / "sagewizard-home"
    monkeypatch.setenv("SAGEWIZARD_HOME", str(home))
    return home


@pytest.fixture(scope="session")
def sandbox_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program's folder that the sandbox of this session (of this xdist worker) lives in."""
    return tmp_path_factory.mktemp("sandbox-home")


@pytest.fixture(scope="session")
def sandbox(sandbox_folder: Path, _sealed_machine: None) -> Iterator[RunningSandbox]:
    """A sandbox that runs for the whole session; tests share its account, so they name things by themselves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAGEWIZARD_HOME", str(sandbox_folder))
        running = daemon.start()
    try:
        yield running
    finally:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SAGEWIZARD_HOME", str(sandbox_folder))
            # A test may have given the account back empty: what runs now is another process.
            last = daemon.status()
            daemon.stop()
        for ended in filter(None, (running, last)):
            assert processes.identity(ended.pid) != ended.process, "the sandbox outlived its stop"
        assert not processes_that_mention(sandbox_folder), "the sandbox left children"


@pytest.fixture
def sandbox_home(sandbox: RunningSandbox, sandbox_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Makes this test's home the one where the session's sandbox is found, and returns it."""
    monkeypatch.setenv("SAGEWIZARD_HOME", str(sandbox_folder))
    return sandbox_folder


@pytest.fixture
def empty_sandbox(sandbox_home: Path) -> RunningSandbox:
    """The session's sandbox with nothing in its account; what other tests had put there is gone."""
    return daemon.reset()


@pytest.fixture
def sandbox_environment(sandbox: RunningSandbox) -> Mapping[str, str]:
    """A whole environment for child processes (`aws`, `sagewizard`) in which AWS is the session's sandbox."""
    unset = daemon.variables_to_unset()
    kept = {name: value for name, value in os.environ.items() if name not in unset}
    return {**kept, **daemon.environment(sandbox)}


_GUARD = '''
"""Python runs this at the start of every process: no connection but to loopback, and each attempt is written down."""
import os
import socket


def _guarded(name):
    original = getattr(socket.socket, name)

    def guard(self, *arguments):
        host = arguments[-1][0] if isinstance(arguments[-1], tuple) else ""
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(host):
            _refuse(f"{name} {host}")
        return original(self, *arguments)

    setattr(socket.socket, name, guard)


def _is_loopback(host):
    return host in ("", "localhost", "::1", None) or str(host).startswith("127.")


def _refuse(what):
    with open(os.environ["TEST_NETWORK_LOG"], "a") as log:
        log.write(f"{os.getpid()} {what}\\n")
    raise OSError(101, f"blocked by the test: {what}")


for name in ("connect", "connect_ex", "sendto"):
    _guarded(name)
_look_up = socket.getaddrinfo


def _guarded_look_up(host, *arguments, **more):
    name = host.decode() if isinstance(host, bytes) else host
    if not _is_loopback(name):
        _refuse(f"getaddrinfo {name}")
    return _look_up(host, *arguments, **more)


socket.getaddrinfo = _guarded_look_up
'''


@pytest.fixture
def only_loopback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """From here on, Python processes that this test starts reach loopback only; a sandbox too, if it starts one.

    Returns the file that names every attempt to reach another address; it exists once there is one. Containers get
    their environment from their model: put `PYTHONPATH` and `TEST_NETWORK_LOG` of this process there to guard them too.
    """
    folder = tmp_path / "network-guard"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_GUARD)
    root = Path(daemon.__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(root)]))
    monkeypatch.setenv("TEST_NETWORK_LOG", str(tmp_path / "network-attempts"))
    return tmp_path / "network-attempts"


def paths_under(folder: Path) -> Iterator[Path]:
    """Go through all that is below a folder that others may write to: what vanishes meanwhile is passed over.

    `Path.rglob` fails when a folder goes between being listed and being looked into; `os.walk` does not.
    """
    for place, folders, files in os.walk(folder):
        yield from (Path(place) / name for name in (*folders, *files))


def processes_that_mention(folder: Path) -> list[str]:
    """Return the command lines of living processes whose arguments or environment name `folder` (Linux; else none)."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            text = (process / "cmdline").read_bytes() + b"\0" + (process / "environ").read_bytes()
        except OSError:  # it ended meanwhile, or is another user's
            continue
        if str(folder).encode() in text and int(process.name) != os.getpid():
            found.append(text.partition(b"\0\0")[0].replace(b"\0", b" ").decode(errors="replace"))
    return found
