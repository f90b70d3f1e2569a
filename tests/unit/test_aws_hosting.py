"""The control plane: answers of SageMaker, given by botocore's own stubber, and what becomes of them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from core.aws import hosting
from core.aws.clients import Clients
from core.aws.failures import is_final_no
from core.aws.propagation import is_new_role_failure, retried
from core.aws.tags import DEPLOYMENT
from core.cancellation import CancelToken
from core.errors import AccessError, CancelledByUser, NotFoundError, RefusedError, SagewizardError

ROLE = "arn:aws:iam::123456789012:role/r"
UNKNOWN_ROLE = (
    f"Could not assume role {ROLE}. Please ensure that the role exists and allows principal "
    "'sagemaker.amazonaws.com' to assume the role."
)
NO_DATA = (
    "Could not access model data at s3://b/k. Please ensure that the role exists and that its trust relationship "
    "policy allows the action sts:AssumeRole for the service principal sagemaker.amazonaws.com."
)


class OneClient(Clients):
    """Clients of which only SageMaker's exists, and that one is a stubbed one."""

    def __init__(self, client: Any) -> None:
        super().__init__(region="us-east-1")
        self._client = client

    def get(self, service: str) -> Any:
        assert service == "sagemaker"
        return self._client


class FakeTime(CancelToken):
    """A clock that only waiting moves; `stop_after` seconds of it, somebody asks to stop."""

    def __init__(self, stop_after: float = float("inf")) -> None:
        super().__init__()
        self.now = 0.0
        self.waits: list[float] = []
        self._stop_after = stop_after

    def clock(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds
        if self.now >= self._stop_after:
            self.cancel()
        self.check()


@pytest.fixture
def stub() -> Iterator[Stubber]:
    client = boto3.client(
        "sagemaker", region_name="us-east-1", aws_access_key_id="not-a-key", aws_secret_access_key="not-a-secret"
    )
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def clients(stub: Stubber) -> OneClient:
    return OneClient(stub.client)


def failure(message: str, code: str = "ValidationException") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "CreateModel")


def test_a_new_role_is_waited_for_with_growing_pauses() -> None:
    time, told = FakeTime(), list[str]()
    answers: list[Exception | str] = [failure(UNKNOWN_ROLE), failure(NO_DATA), failure(UNKNOWN_ROLE), "made"]

    def call() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    found = retried(
        call,
        while_failing=is_new_role_failure,
        seconds=60,
        cancel=time,
        on_wait=told.append,
        clock=time.clock,
        jitter=lambda: 0.0,
    )
    assert (found, time.waits) == ("made", [1.0, 2.0, 4.0])
    assert told[0].startswith("Could not assume role")


def test_a_role_that_never_comes_is_given_up_at_the_deadline() -> None:
    time = FakeTime()

    def call() -> str:
        raise failure(UNKNOWN_ROLE)

    with pytest.raises(ClientError):
        retried(
            call,
            while_failing=is_new_role_failure,
            seconds=60,
            cancel=time,
            on_wait=lambda _: None,
            clock=time.clock,
            jitter=lambda: 0.5,
        )
    assert time.now == pytest.approx(60)
    assert max(time.waits) <= 10


def test_waiting_for_a_role_can_be_stopped() -> None:
    time = FakeTime(stop_after=3)

    def call() -> str:
        raise failure(UNKNOWN_ROLE)

    with pytest.raises(CancelledByUser):
        retried(
            call,
            while_failing=is_new_role_failure,
            seconds=60,
            cancel=time,
            on_wait=lambda _: None,
            clock=time.clock,
            jitter=lambda: 0.0,
        )


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("Could not find model data at s3://b/k.", "ValidationException"),
        (UNKNOWN_ROLE, "AccessDeniedException"),
        ("1 validation error detected", "ValidationException"),
    ],
)
def test_other_answers_are_not_those_of_a_new_role(message: str, code: str) -> None:
    assert not is_new_role_failure(failure(message, code))


def make_model(clients: Clients, *, role_is_new: bool) -> str:
    return hosting.create_model(
        clients,
        "m",
        image="i",
        environment={},
        role_arn=ROLE,
        tags={},
        model_data_url="s3://b/k",
        role_is_new=role_is_new,
        cancel=FakeTime(),
    )


def test_a_model_is_made_once_its_new_role_is_known(stub: Stubber, clients: OneClient) -> None:
    stub.add_client_error("create_model", "ValidationException", UNKNOWN_ROLE)
    stub.add_response("create_model", {"ModelArn": "arn:aws:sagemaker:us-east-1:123456789012:model/m"})
    assert make_model(clients, role_is_new=True).endswith("model/m")


def test_an_old_roles_failure_is_told_at_once(stub: Stubber, clients: OneClient) -> None:
    stub.add_client_error("create_model", "ValidationException", UNKNOWN_ROLE)
    with pytest.raises(AccessError, match=f"SageMaker cannot use the role {ROLE} for the model m: Could not") as caught:
        make_model(clients, role_is_new=False)
    assert "let sagewizard create one" in caught.value.fix


def test_a_model_on_a_prefix_says_that_it_is_not_compressed(stub: Stubber, clients: OneClient) -> None:
    stub.add_response(
        "create_model",
        {"ModelArn": "arn:aws:sagemaker:us-east-1:123456789012:model/m"},
        {
            "ModelName": "m",
            "ExecutionRoleArn": ROLE,
            "Tags": [{"Key": "a", "Value": "b"}],
            "PrimaryContainer": {
                "Image": "i",
                "Environment": {"X": "1"},
                "ModelDataSource": {
                    "S3DataSource": {"S3Uri": "s3://b/p/", "S3DataType": "S3Prefix", "CompressionType": "None"}
                },
            },
        },
    )
    hosting.create_model(
        clients,
        "m",
        image="i",
        environment={"X": "1"},
        role_arn=ROLE,
        tags={"a": "b"},
        model_data_prefix="s3://b/p/",
    )


@pytest.mark.parametrize("volume", [None, 100])
def test_a_config_asks_for_the_volume_and_tells_of_it(stub: Stubber, clients: OneClient, volume: int | None) -> None:
    arn = "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/c"
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": "m",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
        "InitialVariantWeight": 1.0,
        "ContainerStartupHealthCheckTimeoutInSeconds": 60,
        "ModelDataDownloadTimeoutInSeconds": 120,
        **({"VolumeSizeInGB": volume} if volume else {}),
    }
    stub.add_response(
        "create_endpoint_config",
        {"EndpointConfigArn": arn},
        {"EndpointConfigName": "c", "ProductionVariants": [variant], "Tags": []},
    )
    stub.add_response(
        "describe_endpoint_config",
        {
            "EndpointConfigName": "c",
            "EndpointConfigArn": arn,
            "ProductionVariants": [variant],
            "CreationTime": datetime(2026, 1, 1, tzinfo=UTC),
        },
    )
    made = hosting.create_endpoint_config(
        clients,
        "c",
        model_name="m",
        instance_type="ml.m5.large",
        instance_count=1,
        variant="AllTraffic",
        startup_timeout_seconds=60,
        download_timeout_seconds=120,
        volume_gb=volume,
        tags={},
    )
    assert made == arn
    assert hosting.describe_endpoint_config(clients, "c").variants[0].volume_gb == volume


def test_a_taken_name_is_refused(stub: Stubber, clients: OneClient) -> None:
    stub.add_client_error(
        "create_endpoint", "ValidationException", 'Cannot create already existing endpoint "arn:aws:sagemaker:…/e".'
    )
    with pytest.raises(RefusedError, match="There is already an endpoint named e"):
        hosting.create_endpoint(clients, "e", config_name="c", tags={})


@pytest.mark.parametrize(("deployment", "whose"), [("d-1", "ours"), ("d-2", "another's"), (None, "nobody's")])
def test_what_an_attempt_made_whose_answer_was_lost_is_told_from_what_others_made(
    stub: Stubber, clients: OneClient, deployment: str | None, whose: str
) -> None:
    now, arn = datetime(2026, 1, 1, tzinfo=UTC), "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e"
    stub.add_client_error(
        "create_endpoint",
        "ValidationException",
        f'Cannot create already existing endpoint "{arn}".',
        response_meta={"RetryAttempts": 1},
    )
    described = {"EndpointName": "e", "EndpointArn": arn, "EndpointConfigName": "c", "EndpointStatus": "Creating"}
    stub.add_response("describe_endpoint", {**described, "CreationTime": now, "LastModifiedTime": now})
    tags = [{"Key": DEPLOYMENT, "Value": deployment}] if deployment else []
    stub.add_response("list_tags", {"Tags": tags}, {"ResourceArn": arn})
    if whose == "ours":
        assert hosting.create_endpoint(clients, "e", config_name="c", tags={DEPLOYMENT: "d-1"}) == arn
    else:
        with pytest.raises(RefusedError):
            hosting.create_endpoint(clients, "e", config_name="c", tags={DEPLOYMENT: "d-1"})


@pytest.mark.parametrize(
    ("status", "retries", "final"), [(400, 0, True), (403, 0, True), (400, 1, False), (500, 0, False), (503, 4, False)]
)
def test_only_a_no_to_the_first_attempt_proves_that_nothing_was_made(status: int, retries: int, final: bool) -> None:
    about = {"HTTPStatusCode": status, "RetryAttempts": retries}
    error = ClientError({"Error": {"Code": "X", "Message": "x"}, "ResponseMetadata": about}, "CreateModel")
    assert is_final_no(error) is final
    assert not is_final_no(TimeoutError())


def test_no_quota_is_refused_with_what_aws_says(stub: Stubber, clients: OneClient) -> None:
    said = "The account-level service limit 'ml.g5.2xlarge for endpoint usage' is 0 Instances"
    stub.add_client_error("create_endpoint", "ResourceLimitExceeded", said)
    with pytest.raises(RefusedError, match=said) as caught:
        hosting.create_endpoint(clients, "e", config_name="c", tags={})
    assert "quota" in caught.value.fix


@pytest.mark.parametrize(("code", "status"), [("ThrottlingException", 400), ("InternalFailure", 500)])
def test_trouble_of_aws_is_to_be_waited_out(stub: Stubber, clients: OneClient, code: str, status: int) -> None:
    stub.add_client_error("create_endpoint", code, "Rate exceeded", http_status_code=status)
    with pytest.raises(SagewizardError, match="Rate exceeded") as caught:
        hosting.create_endpoint(clients, "e", config_name="c", tags={})
    assert "try again" in caught.value.fix


def test_deleting_what_is_gone_is_fine(stub: Stubber, clients: OneClient) -> None:
    for operation, kind in (
        ("delete_model", "model"),
        ("delete_endpoint_config", "endpoint configuration"),
        ("delete_endpoint", "endpoint"),
    ):
        stub.add_client_error(operation, "ValidationException", f'Could not find {kind} "arn:aws:sagemaker:…".')
    assert not hosting.delete_model(clients, "x")
    assert not hosting.delete_endpoint_config(clients, "x")
    assert not hosting.delete_endpoint(clients, "x")


def test_an_endpoint_that_is_being_created_is_busy(stub: Stubber, clients: OneClient) -> None:
    stub.add_client_error("delete_endpoint", "ValidationException", 'Cannot update in-progress endpoint "arn:…".')
    with pytest.raises(hosting.EndpointBusyError):
        hosting.delete_endpoint(clients, "x")


def test_an_absent_endpoint_is_not_found(stub: Stubber, clients: OneClient) -> None:
    stub.add_client_error("describe_endpoint", "ValidationException", 'Could not find endpoint "arn:…/x".')
    with pytest.raises(NotFoundError, match="no endpoint named x"):
        hosting.describe_endpoint(clients, "x")


def test_what_aws_writes_is_made_safe_to_show(stub: Stubber, clients: OneClient) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    stub.add_response(
        "describe_endpoint",
        {
            "EndpointName": "e",
            "EndpointArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e",
            "EndpointConfigName": "c",
            "EndpointStatus": "Failed",
            "FailureReason": "no\x1b]0;title\x07 memory\n[red]left[/red]",
            "CreationTime": now,
            "LastModifiedTime": now,
        },
    )
    found = hosting.describe_endpoint(clients, "e")
    assert found.failure_reason == "no memory [red]left[/red]"
    assert found.variants == ()
    assert found.settled
