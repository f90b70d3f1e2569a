"""What is asked of an account or of this machine, where one of them is not as it should be."""

import shutil
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from core.account import ledgers_folder
from core.deployments.ledger import Ledger
from tests.e2e.program import Background, run
from tests.unit.plans import a_plan

_PAGES = {
    "HTML": "<!DOCTYPE html>\n<html><head><meta charset=utf-8><title>Sign in</title></head><body><br></body></html>",
    "XHTML": '<html xmlns="http://www.w3.org/1999/xhtml"><head><title>Sign in</title></head><body/></html>',
}


@contextmanager
def _portal(page: str) -> Iterator[Mapping[str, str]]:
    """The environment of a network that answers everything with its own page, as a success."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(page.encode())

        do_GET = do_POST = do_PUT = do_HEAD = _answer  # noqa: N815 - names that http.server gives

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - as http.server has it
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield _account_at(f"http://127.0.0.1:{server.server_address[1]}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _account_at(url: str) -> Mapping[str, str]:
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "AKIAQQQQQQQQQQQQQQQQ",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_REGION": "us-east-1",
    }


@pytest.mark.parametrize("page", _PAGES.values(), ids=_PAGES)
@pytest.mark.parametrize(
    "arguments",
    [
        ("endpoints",),
        ("endpoints", "show", "tiny"),
        ("endpoints", "logs", "tiny"),
        ("endpoints", "delete", "tiny", "--yes"),
        ("chat", "tiny", "-m", "hi"),
        ("deploy", "sample", "--yes", "--name", "tiny"),
    ],
    ids=" ".join,
)
def test_a_page_of_the_network_is_not_taken_for_an_answer_of_aws(arguments: tuple[str, ...], page: str) -> None:
    with _portal(page) as env:
        ended = run(*arguments, env=env)
    assert ended.code == 1, ended.err
    sentence, fix = ended.err.strip().splitlines()[-2:]
    assert sentence.startswith("sagewizard: Could not ")
    assert sentence.endswith(": what answered does not speak AWS's protocol.")
    assert "proxy" in fix


_COMMANDS = [
    ("endpoints", "show"),
    ("endpoints", "logs"),
    ("endpoints", "delete", "--yes"),
    ("chat", "-m", "hi"),
    ("invoke",),
]


@pytest.mark.parametrize("command", _COMMANDS, ids=" ".join)
@pytest.mark.parametrize("name", ["bad name", "a_b", "x" * 64, ""])
def test_a_name_that_no_endpoint_can_have_is_not_asked_for(command: tuple[str, ...], name: str) -> None:
    ended = run(*command, name, "--region", "us-east-1")  # without credentials: AWS could not be asked
    assert (ended.code, ended.out) == (2, "")
    sentence, fix = ended.err.strip().splitlines()
    assert sentence.startswith(f"sagewizard: SageMaker does not accept “{name}” as the name of an endpoint")
    assert fix == "  `sagewizard endpoints` lists those that exist."


def test_a_malformed_name_is_told_in_json_wherever_the_option_stands() -> None:
    for arguments in (("--json", "endpoints", "show", "a_b"), ("endpoints", "show", "a_b", "--json")):
        ended = run(*arguments)
        assert (ended.code, ended.document["error"]["code"]) == (2, 2)


def test_deployments_are_listed_without_a_region_credentials_or_a_sandbox(isolated_home: Path) -> None:
    for sandbox in (False, True):
        with Ledger.start(ledgers_folder(sandbox=sandbox), a_plan(), "123456789012") as ledger:
            ledger.record("model", "of-the-sandbox" if sandbox else "of-aws", "created")
            ledger.finish("ready")
    for options, name in (((), "of-aws"), (("--sandbox",), "of-the-sandbox")):
        ended = run(*options, "deployments", "--json")
        assert ended.code == 0, ended.err
        (made,) = ended.document["deployments"]
        assert [each["name"] for each in made["resources"]] == [name]
    assert run("sandbox", "status", "--json").document == {"running": False}
    shutil.rmtree(isolated_home)
    assert "Nothing has been deployed" in run("deployments").out


def test_ctrl_c_does_not_wait_for_a_log_that_is_being_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        silent.settimeout(60)
        for name, value in _account_at(f"http://127.0.0.1:{silent.getsockname()[1]}").items():
            monkeypatch.setenv(name, value)
        with Background(tmp_path, "endpoints", "logs", "tiny", "--follow") as program:
            connection, _ = silent.accept()
            with connection:
                program.process.send_signal(signal.SIGINT)
                program.process.wait(30)  # the answer would be waited for twice as long
                ended = program.end()
    assert (ended.code, ended.out) == (130, "")
    assert ended.err.split() == ["sagewizard:", "Stopped."]
