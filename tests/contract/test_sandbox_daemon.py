import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from core.errors import SagewizardError, UsageError
from core.sandbox import daemon, processes, state_files
from core.sandbox.daemon import RunningSandbox
from tests.contract.sandbox_account import until


def port_of(running: RunningSandbox) -> int:
    port = urlsplit(running.url).port
    assert port
    return port


def test_a_second_start_finds_the_first(own: Path) -> None:
    assert daemon.status() is None
    first = daemon.start()
    assert daemon.start() == first == daemon.status() == daemon.ensure_running()
    assert daemon.stop()
    assert daemon.status() is None
    assert processes.identity(first.pid) != first.process
    assert not daemon.stop()


def test_starters_that_race_get_the_same_sandbox(own: Path) -> None:
    found: list[RunningSandbox] = []
    starters = [threading.Thread(target=lambda: found.append(daemon.start())) for _ in range(4)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    assert len(found) == 4
    assert len({running.pid for running in found}) == 1


def test_address_and_keys_stay_over_a_reset_but_the_account_does_not(own: Path) -> None:
    first = daemon.start()
    (first.ledgers / "one.jsonl").write_text("{}")
    again = daemon.reset()
    assert (again.url, again.access_key_id) == (first.url, first.access_key_id)
    assert again.instance != first.instance
    assert list(again.ledgers.iterdir()) == []


def test_a_killed_sandbox_is_started_anew(own: Path) -> None:
    first = daemon.start()
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: processes.identity(first.pid), lambda found: found != first.process)
    assert daemon.status() is None
    assert daemon.start().pid != first.pid


def test_a_pid_that_now_belongs_to_another_program_is_not_taken_for_the_sandbox(own: Path) -> None:
    running = daemon.start()
    daemon.stop()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        state = own / "data/sandbox/state.json"
        state.write_text(
            json.dumps(
                {
                    "url": running.url,
                    "pid": other.pid,
                    "process": running.process,
                    "access_key_id": "x",
                    "secret_access_key": "y",
                    "instance": "z",
                    "started": running.started.isoformat(),
                }
            )
        )
        assert daemon.status() is None
        assert daemon.start().pid != other.pid
        assert other.poll() is None, "an innocent program was ended"
        other.communicate(b"\n", timeout=60)


def test_a_port_that_another_program_took_is_left_to_it(own: Path) -> None:
    port = port_of(daemon.start())
    daemon.stop()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        assert port_of(daemon.start()) != port


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"pid": "a", "started": 3}'])
def test_a_damaged_state_file_counts_as_none(own: Path, text: str) -> None:
    (state_files.folder() / "state.json").write_text(text)
    assert daemon.status() is None
    assert daemon.start() == daemon.status()


def test_a_busy_port_asked_for_is_refused_in_one_sentence(own: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SagewizardError, match=f"cannot listen on port {port}: Address already in use") as caught:
            daemon.start(port=port)
    assert caught.value.fix
    assert daemon.status() is None
    assert daemon.start(port=port).url.endswith(f":{port}")
    with pytest.raises(UsageError, match="runs already"):
        daemon.start(port=port - 1)


def test_a_port_that_is_none_is_refused(own: Path) -> None:
    with pytest.raises(UsageError):
        daemon.start(port=70000)


def test_without_the_extra_it_says_what_to_install(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "find_spec", lambda name: None if name == "moto" else object())
    with pytest.raises(SagewizardError, match="extra packages") as caught:
        daemon.start()
    assert "sagewizard[sandbox]" in caught.value.fix


def test_secrets_are_readable_by_their_owner_only(own: Path) -> None:
    daemon.start()
    for path in (own / "data/sandbox").iterdir():
        if path.is_file() and path.suffix == ".json":
            assert path.stat().st_mode & 0o077 == 0, path


def test_it_outlives_the_program_that_started_it(own: Path) -> None:
    code = "from core.sandbox import daemon; print(daemon.start().pid)"
    root = Path(daemon.__file__).parents[2]
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True, start_new_session=True
    )
    running = daemon.status()
    assert running is not None
    assert running.pid == int(out.stdout)


def test_two_homes_are_two_accounts(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = daemon.start()
    with monkeypatch.context() as patch:
        patch.setenv("SAGEWIZARD_HOME", str(tmp_path / "other"))
        second = daemon.start()
        assert second.url != first.url
        assert second.access_key_id != first.access_key_id
        daemon.stop()
    assert daemon.status() == first


def test_the_environment_leaves_no_other_way_out(sandbox: RunningSandbox) -> None:
    made = daemon.environment(sandbox)
    assert made["AWS_ENDPOINT_URL"] == sandbox.url
    assert made["AWS_EC2_METADATA_DISABLED"] == "true"
    assert "127.0.0.1" in made["NO_PROXY"].split(",")
    unset = daemon.variables_to_unset({"AWS_ENDPOINT_URL_S3": "https://elsewhere"})
    assert {"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"} <= set(unset)
