"""What several tests of the sandbox's account stand on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.aws.clients import Clients, StaticCredentials
from core.sandbox import daemon
from core.sandbox.daemon import RunningSandbox
from tests.contract.sandbox_account import Aws


@pytest.fixture
def aws(sandbox: RunningSandbox) -> Aws:
    return Aws(sandbox)


@pytest.fixture
def clients(sandbox: RunningSandbox) -> Clients:
    """The program's own clients of the sandbox."""
    return Clients(
        region="us-east-1",
        endpoint_url=sandbox.url,
        credentials=StaticCredentials(sandbox.access_key_id, sandbox.secret_access_key),
    )


@pytest.fixture
def own(isolated_home: Path) -> Iterator[Path]:
    """A home of its own whose sandbox, if the test starts one, is stopped."""
    yield isolated_home
    daemon.stop()


@pytest.fixture
def kept(own: Path) -> Path:
    """Where the sandbox in that home keeps its account."""
    return own / "data/sandbox/account"


@pytest.fixture
def failed_endpoint(aws: Aws) -> Iterator[str]:
    """An endpoint that has failed, since its image has no stand-in; it holds no instances."""
    name, model = aws.name("endpoint"), aws.name("model")
    aws.sagemaker.create_model(
        ModelName=model, PrimaryContainer={"Image": "example.com/unknown:1"}, ExecutionRoleArn=aws.role()
    )
    aws.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=aws.config(aws.variant(model)))
    assert aws.settled(name)["EndpointStatus"] == "Failed"
    yield name
    aws.remove(name)
