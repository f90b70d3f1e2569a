"""Bad input from the command line: one clear sentence with a fix, the right exit code, nothing half-made."""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest

from core.sandbox.daemon import RunningSandbox
from tests.e2e.program import Ended, inventory, run

_WORD = "cli-bad"
_EXPIRED = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>ExpiredToken</Code><Message>The security token included in the request is expired</Message></Error>
<RequestId>0</RequestId></ErrorResponse>"""


@contextmanager
def _server(status: int, body: str, headers: Mapping[str, str] | None = None) -> Iterator[str]:
    """Something on loopback that answers every request the same way."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_POST = do_PUT = _answer  # noqa: N815 - names that http.server gives

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - as http.server has it
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def _closed_port() -> Iterator[int]:
    """A port of this machine where nobody listens, and nobody else will."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


def _is_told(ended: Ended, code: int, *words: str) -> None:
    """One sentence and one fix, without a trace, and nothing on stdout."""
    assert ended.code == code, ended.err
    assert ended.out == ""
    told = ended.err.strip().splitlines()
    sentence = next(line for line in told if line.startswith("sagewizard: "))
    for word in words:
        assert word in sentence
    assert told[-1].startswith("  "), "there is no fix"
    assert "Traceback" not in ended.err
    assert "botocore" not in ended.err


@pytest.fixture
def deploy(sandbox: RunningSandbox, sandbox_home: Path) -> Iterator[Callable[..., Ended]]:
    """Deploys to the sandbox; afterwards nothing may be there."""

    def run_it(model: str, *options: str, env: Mapping[str, str] | None = None) -> Ended:
        return run("--sandbox", "deploy", model, "--yes", *options, env=env)

    yield run_it
    assert inventory(sandbox, _WORD) == []
    made = run("--sandbox", "deployments", "--json").document["deployments"]
    assert [each for each in made if _WORD in each["endpoint"]] == []


def test_a_model_that_the_hub_does_not_have(deploy: Callable[..., Ended]) -> None:
    with _server(404, '{"error":"Repository not found"}', {"X-Error-Code": "RepoNotFound"}) as url:
        _is_told(deploy("nobody/nothing", "--name", _WORD, env={"HF_ENDPOINT": url}), 1, "nobody/nothing")


def test_no_network(deploy: Callable[..., Ended]) -> None:
    with _closed_port() as port:
        env = {"HF_ENDPOINT": f"http://127.0.0.1:{port}"}
        _is_told(deploy("nobody/nothing", "--name", _WORD, env=env), 1, f"127.0.0.1:{port}", "cannot be reached")


def test_a_folder_that_is_no_model(deploy: Callable[..., Ended], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no model")
    _is_told(deploy(str(tmp_path), "--name", _WORD), 3, str(tmp_path), "no model")
    _is_told(deploy(str(tmp_path / "absent"), "--name", _WORD), 1, "absent")


def test_a_name_that_sagemaker_would_refuse(deploy: Callable[..., Ended]) -> None:
    _is_told(deploy("sample", "--name", f"{_WORD}_1"), 2, f"“{_WORD}_1”")


def test_an_instance_type_that_does_not_exist(deploy: Callable[..., Ended]) -> None:
    ended = deploy("sample", "--name", _WORD, "--instance-type", "ml.g5.2xlrge")
    _is_told(ended, 2, "ml.g5.2xlrge")
    assert "ml.g5.2xlarge" in ended.err.splitlines()[-1]


def test_an_instance_type_without_quota(deploy: Callable[..., Ended]) -> None:
    _is_told(deploy("sample", "--name", _WORD, "--instance-type", "ml.p4d.24xlarge"), 3, "ml.p4d.24xlarge")


def test_a_role_that_cannot_be_assumed(sandbox: RunningSandbox, deploy: Callable[..., Ended]) -> None:
    session = boto3.Session(sandbox.access_key_id, sandbox.secret_access_key, region_name="us-east-1")
    iam = session.client("iam", endpoint_url=sandbox.url)
    statement = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.create_role(RoleName="for-machines-only", AssumeRolePolicyDocument=trust)
    try:
        _is_told(deploy("sample", "--name", _WORD, "--role", "for-machines-only"), 3, "for-machines-only")
        _is_told(deploy("sample", "--name", _WORD, "--role", "no-such-role"), 1, "no-such-role")
        _is_told(deploy("sample", "--name", _WORD, "--role", "AmazonSageMakerFullAccess"), 2, "policy")
    finally:
        iam.delete_role(RoleName="for-machines-only")


def test_a_plan_that_is_none(deploy: Callable[..., Ended], tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    _is_told(deploy(str(plan)), 1, str(plan))
    plan.write_text("model: [unclosed")
    _is_told(deploy(str(plan)), 2, str(plan))
    plan.write_text("version: 1\n")
    _is_told(deploy(str(plan)), 2, "plan")


def test_a_deployment_nobody_said_yes_to(sandbox: RunningSandbox, sandbox_home: Path) -> None:
    _is_told(run("--sandbox", "deploy", "sample", "--name", _WORD), 2, "nobody said yes")
    assert inventory(sandbox, _WORD) == []


def test_failures_before_the_run_are_events_too(sandbox_home: Path) -> None:
    ended = run("--sandbox", "deploy", "sample", "--name", f"{_WORD}_1", "--yes", "--json")
    assert ended.code == 2
    (event,) = ended.lines
    assert (event["stage"], event["kind"]) == ("inspect", "failed")
    assert event["cause"] == event["message"]
    assert event["fix"]


def test_a_port_that_is_busy() -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        ended = run("sandbox", "start", "--port", str(port))
    _is_told(ended, 1, str(port))
    status = run("sandbox", "status", "--json")
    assert status.document == {"running": False}


def test_no_credentials() -> None:
    _is_told(run("deploy", "sample", "--yes", "--region", "us-east-1"), 1, "credentials")
    _is_told(run("endpoints", "--region", "us-east-1"), 1, "credentials")
    _is_told(run("endpoints", "--region", "us-east-1", "--profile", "nobody"), 1, "nobody")


def test_no_region() -> None:
    _is_told(run("endpoints"), 2, "region")


def test_a_region_that_is_none(sandbox_home: Path) -> None:
    _is_told(run("--sandbox", "endpoints", "--region", "mars-1"), 2, "mars-1")


def test_a_word_that_is_neither_sandbox_nor_aws() -> None:
    _is_told(run("endpoints", env={"SAGEWIZARD_SANDBOX": "ture"}), 2, "sandbox", "ture")


def test_names_that_no_file_can_have(sandbox_home: Path, tmp_path: Path) -> None:
    name = str(tmp_path / ("x" * 300))
    _is_told(run("--sandbox", "deploy", name, "--yes"), 1, name)
    _is_told(run("fit", name), 1, name)
    _is_told(run("package", "sample", "-o", f"{name}.tar.gz"), 2, "cannot be written")


def test_a_name_that_is_not_in_utf_8() -> None:
    _is_told(run("fit", "/tmp/\udcff"), 2, "UTF-8")


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    env = {"SAGEWIZARD_HOME": str(tmp_path / "file")}
    _is_told(run("sandbox", "start", env=env), 1, str(tmp_path / "file"))
    _is_told(run("--sandbox", "endpoints", env=env), 2, str(tmp_path / "file"))


def test_an_expired_token() -> None:
    with _server(403, _EXPIRED, {"Content-Type": "text/xml"}) as url:
        env = {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "ASIAQQQQQQQQQQQQQQQQ",
            "AWS_SECRET_ACCESS_KEY": "not-a-secret",
            "AWS_SESSION_TOKEN": "expired",
            "AWS_REGION": "us-east-1",
        }
        ended = run("deploy", "sample", "--yes", env=env)
        _is_told(ended, 1, "expired")
        assert "aws sso login" in ended.err
        assert run("deployments", "--json", env=env).document == {"deployments": []}
        assert run("fit", "sample", "--json", env=env).code == 0, "to see what fits, no account is needed"


def test_an_endpoint_that_does_not_exist(sandbox_home: Path) -> None:
    for command in (
        ("endpoints", "show"),
        ("endpoints", "delete", "--yes"),
        ("endpoints", "logs"),
        ("chat", "-m", "hi"),
    ):
        _is_told(run("--sandbox", *command, "no-such-endpoint"), 1, "no-such-endpoint")
    _is_told(run("--sandbox", "invoke", "no-such-endpoint", send="{}"), 1, "no-such-endpoint")
