"""Endpoints whose containers really run, driven by the API alone."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from core.sandbox import daemon, processes
from tests.conftest import processes_that_mention
from tests.contract.sandbox_account import ARN, IMAGE, Aws, refused, until

# With `GATE` in its environment it loads once that file is there: its endpoint is in between for as long as wanted.
HANDLER = """
import json, os, time


def model_fn(model_dir):
    while not os.path.exists(os.environ.get("GATE", "/")):
        time.sleep(0.02)
    return {said!r}


def input_fn(data, content_type):
    return json.loads(data)


def predict_fn(data, model):
    return {{"said": model, "heard": data}}


def output_fn(prediction, accept):
    return json.dumps(prediction)
"""


def archive(said: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        code = HANDLER.format(said=said).encode()
        member = tarfile.TarInfo("code/inference.py")
        member.size = len(code)
        tar.addfile(member, io.BytesIO(code))
    return file.getvalue()


def model_that_says(aws: Aws, said: str, environment: Mapping[str, str] | None = None) -> str:
    bucket = aws.bucket()
    aws.s3.put_object(Bucket=bucket, Key="model.tar.gz", Body=archive(said))
    name = aws.name("model")
    aws.sagemaker.create_model(
        ModelName=name,
        PrimaryContainer={
            "Image": IMAGE,
            "ModelDataUrl": f"s3://{bucket}/model.tar.gz",
            "Environment": dict(environment or {}),
        },
        ExecutionRoleArn=aws.role(
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
        ),
    )
    return name


def ask(aws: Aws, endpoint: str, **more: Any) -> Any:
    answer = aws.sagemaker_runtime.invoke_endpoint(
        EndpointName=endpoint, Body=json.dumps("hello"), ContentType="application/json", **more
    )
    return json.loads(answer["Body"].read())


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """The file that the endpoint waits for."""
    return tmp_path / "gate"


@pytest.fixture
def endpoint(aws: Aws, gate: Path) -> Iterator[str]:
    """An endpoint that is being created until the test touches the gate."""
    name = aws.name("Endpoint")
    model = model_that_says(aws, "first", {"GATE": str(gate)})
    config = aws.config(aws.variant(model, InstanceType="ml.c5.large", InitialInstanceCount=1))
    tags = [{"Key": "owner", "Value": "test"}]
    aws.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config, Tags=tags)
    yield name
    gate.touch()
    aws.settled(name)
    aws.remove(name)


def test_the_life_of_an_endpoint(aws: Aws, endpoint: str, gate: Path) -> None:
    arn = f"{ARN}:endpoint/{endpoint.lower()}"
    found = aws.sagemaker.describe_endpoint(EndpointName=endpoint)
    assert found["EndpointStatus"] == "Creating"
    assert "ProductionVariants" not in found
    expected = ("ValidationException", f'Cannot update in-progress endpoint "{arn}".')
    assert refused(aws.sagemaker.delete_endpoint, EndpointName=endpoint) == expected
    gate.touch()
    aws.sagemaker.get_waiter("endpoint_in_service").wait(
        EndpointName=endpoint, WaiterConfig={"Delay": 0.1, "MaxAttempts": 600}
    )
    (variant,) = aws.sagemaker.describe_endpoint(EndpointName=endpoint)["ProductionVariants"]
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"], variant["CurrentWeight"]) == (1, 1, 1.0)
    assert variant["DeployedImages"][0]["SpecifiedImage"] == IMAGE
    assert ask(aws, endpoint) == {"said": "first", "heard": "hello"}
    assert aws.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "owner", "Value": "test"}]

    # More instances, as many as the quota has; the new variants of an update count by what they need beyond the old.
    wanted = {"VariantName": "AllTraffic", "DesiredInstanceCount": 2, "DesiredWeight": 0.5}
    aws.sagemaker.update_endpoint_weights_and_capacities(EndpointName=endpoint, DesiredWeightsAndCapacities=[wanted])
    (variant,) = aws.settled(endpoint)["ProductionVariants"]
    assert (variant["CurrentInstanceCount"], variant["DesiredWeight"]) == (2, 0.5)
    code, message = refused(
        aws.sagemaker.update_endpoint_weights_and_capacities,
        EndpointName=endpoint,
        DesiredWeightsAndCapacities=[{**wanted, "DesiredInstanceCount": 3}],
    )
    assert code == "ResourceLimitExceeded"
    assert "is 2 Instances, with current utilization of 2 Instances and a request delta of 1 Instances" in message

    second = aws.config(aws.variant(model_that_says(aws, "second"), InstanceType="ml.c5.large"))
    aws.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=second, RetainAllVariantProperties=True)
    found = aws.settled(endpoint)
    assert found["EndpointConfigName"] == second
    assert found["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    assert ask(aws, endpoint)["said"] == "second"

    # A model that goes leaves the endpoint be.
    config = aws.sagemaker.describe_endpoint_config(EndpointConfigName=second)
    aws.sagemaker.delete_model(ModelName=config["ProductionVariants"][0]["ModelName"])
    aws.sagemaker.delete_endpoint_config(EndpointConfigName=second)
    assert ask(aws, endpoint)["said"] == "second"


def test_a_role_that_lost_its_permission_since_fails_the_endpoint_as_on_aws(aws: Aws) -> None:
    model = model_that_says(aws, "never")
    role = aws.sagemaker.describe_model(ModelName=model)["ExecutionRoleArn"].rpartition("/")[2]
    for policy in aws.iam.list_role_policies(RoleName=role)["PolicyNames"]:
        aws.iam.delete_role_policy(RoleName=role, PolicyName=policy)
    name = aws.name("Endpoint")
    config = aws.config(aws.variant(model, InstanceType="ml.m5.large", InitialInstanceCount=1))
    aws.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
    found = aws.settled(name)
    assert found["EndpointStatus"] == "Failed"
    assert "the role passed to CreateModel has permissions to download the object" in found["FailureReason"]
    aws.remove(name)


def test_when_the_sandbox_is_killed_no_container_is_left(isolated_home: Path) -> None:
    running = daemon.start()
    try:
        aws = Aws(running)
        name = aws.name("endpoint")
        aws.sagemaker.create_endpoint(
            EndpointName=name, EndpointConfigName=aws.config(aws.variant(model_that_says(aws, "x")))
        )
        assert aws.settled(name)["EndpointStatus"] == "InService"
        assert len(processes_that_mention(isolated_home)) > 1
        os.kill(running.pid, signal.SIGKILL)
        until(lambda: processes.identity(running.pid), lambda found: found != running.process)
        until(lambda: processes_that_mention(isolated_home), lambda found: not found)
    finally:
        daemon.stop()


def test_stopping_ends_containers_and_removes_their_files(isolated_home: Path) -> None:
    running = daemon.start()
    aws = Aws(running)
    name = aws.name("endpoint")
    aws.sagemaker.create_endpoint(
        EndpointName=name, EndpointConfigName=aws.config(aws.variant(model_that_says(aws, "x")))
    )
    aws.settled(name)
    daemon.stop()
    assert processes_that_mention(isolated_home) == []
    assert list((isolated_home / "data/sandbox/work").iterdir()) == []


def test_nothing_but_loopback_is_ever_reached(isolated_home: Path, only_loopback: Path) -> None:
    """The sandbox, a container and the `aws` command, none of which can reach another address; nor does any try."""
    guard = {name: os.environ[name] for name in ("PYTHONPATH", "TEST_NETWORK_LOG")}
    running = daemon.start()
    try:
        aws = Aws(running)
        name = aws.name("endpoint")
        config = aws.config(aws.variant(model_that_says(aws, "alone", guard)))
        aws.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        assert aws.settled(name)["EndpointStatus"] == "InService"
        assert ask(aws, name)["said"] == "alone"
        environment = {**os.environ, **daemon.environment(running)}
        command = [str(Path(sys.executable).with_name("aws")), "sagemaker", "list-endpoints"]
        shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout
        assert name in shown
        aws.pricing.get_products(ServiceCode="AmazonSageMaker")
        aws.iam.list_roles()
        aws.logs.describe_log_groups()
        refused(aws.ec2.describe_instances)
    finally:
        daemon.stop()
    assert not only_loopback.exists(), only_loopback.read_text()


def test_the_guard_against_other_addresses_holds(only_loopback: Path) -> None:
    code = "import socket; socket.create_connection(('192.0.2.1', 80), 1)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)
    assert "blocked by the test" in done.stderr
    assert "192.0.2.1" in only_loopback.read_text()
