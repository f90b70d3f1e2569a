"""Endpoints of the real sandbox, through plain boto3: from upload to answer to nothing left."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from core.sandbox import daemon, processes
from core.sandbox.daemon import RunningSandbox
from tests.conftest import paths_under, processes_that_mention
from tests.contract.hosting_plant import archive_of, echo_held_back, files_of, wait_for
from tests.contract.sandbox_account import Aws

READ_ALL = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"}
IMAGE = (
    "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-inference:"
    "2.6.0-transformers5.5.3-cpu-py312-ubuntu22.04"
)
QUICKLY = {"Delay": 1, "MaxAttempts": 90}


@pytest.fixture(scope="module")
def aws(sandbox: RunningSandbox) -> Aws:
    return Aws(sandbox)


def deploy(aws: Aws, *variants: Mapping[str, bytes], environment: Mapping[str, str] | None = None) -> str:
    """Make an endpoint of artifacts, its variants named `v0`, `v1` …; return its name at once."""
    bucket, config = aws.bucket(), aws.name("config")
    settings = []
    for number, files in enumerate(variants):
        key = f"models/{number}/model.tar.gz"
        aws.s3.put_object(Bucket=bucket, Key=key, Body=archive_of(files))
        model = aws.name("model")
        aws.sagemaker.create_model(
            ModelName=model,
            PrimaryContainer={
                "Image": IMAGE,
                "ModelDataUrl": f"s3://{bucket}/{key}",
                "Environment": dict(environment or {}),
            },
            ExecutionRoleArn=aws.role(READ_ALL),
        )
        settings.append(aws.variant(model, VariantName=f"v{number}", InstanceType="ml.t2.medium"))
    aws.sagemaker.create_endpoint_config(EndpointConfigName=config, ProductionVariants=settings)
    aws.sagemaker.create_endpoint(EndpointName=config, EndpointConfigName=config)
    return config


def in_service(aws: Aws, name: str) -> Any:
    aws.sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig=QUICKLY)
    return aws.sagemaker.describe_endpoint(EndpointName=name)


def delete(aws: Aws, name: str) -> None:
    aws.sagemaker.delete_endpoint(EndpointName=name)
    aws.sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=name, WaiterConfig=QUICKLY)


def invoke(aws: Aws, name: str, body: bytes, **more: str) -> Any:
    return aws.sagemaker_runtime.invoke_endpoint(EndpointName=name, Body=body, ContentType="application/json", **more)


def test_a_whole_life(aws: Aws, sandbox_folder: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    name = deploy(aws, files_of("one", echo_held_back(gate)), files_of("two"))
    assert aws.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Creating"
    gate.touch()
    described = in_service(aws, name)
    assert [(one["VariantName"], one["CurrentInstanceCount"]) for one in described["ProductionVariants"]] == [
        ("v0", 1),
        ("v1", 1),
    ]
    for variant, model in (("v0", "one"), ("v1", "two")):
        answer = invoke(aws, name, b'{"print": "hello"}', TargetVariant=variant)
        assert json.load(answer["Body"])["model"] == model
        assert answer["InvokedProductionVariant"] == variant
    with pytest.raises(ClientError, match=r"\(ModelError\).*Received client error \(400\) from primary"):
        invoke(aws, name, b"no json")
    streamed = aws.sagemaker_runtime.invoke_endpoint_with_response_stream(
        EndpointName=name, Body=b"{}", ContentType="application/json"
    )
    assert json.loads(b"".join(event["PayloadPart"]["Bytes"] for event in streamed["Body"]))["echo"] == {}
    group = f"/aws/sagemaker/Endpoints/{name}"
    wait_for(lambda: [e for e in aws.logs.filter_log_events(logGroupName=group)["events"] if e["message"] == "hello"])
    wait_for(lambda: aws.cloudwatch.list_metrics(Namespace="AWS/SageMaker", MetricName="ModelLatency")["Metrics"])

    delete(aws, name)
    assert not [line for line in processes_that_mention(sandbox_folder) if name in line]
    assert not [path for path in paths_under(sandbox_folder) if name in path.parent.parts]
    with pytest.raises(ClientError, match=f"Endpoint {name} of account 123456789012 not found"):
        invoke(aws, name, b"{}")


def test_a_broken_handler(aws: Aws) -> None:
    name = deploy(aws, files_of(code="import a_module_nobody_has"))
    with pytest.raises(WaiterError):
        in_service(aws, name)
    described = aws.sagemaker.describe_endpoint(EndpointName=name)
    assert described["EndpointStatus"] == "Failed"
    assert "variant v0 did not pass the ping health check" in described["FailureReason"]
    events = aws.logs.filter_log_events(logGroupName=f"/aws/sagemaker/Endpoints/{name}")["events"]
    assert "ModuleNotFoundError: No module named 'a_module_nobody_has'" in [event["message"] for event in events]
    delete(aws, name)


def test_an_update(aws: Aws) -> None:
    name, other = deploy(aws, files_of("one")), deploy(aws, files_of("two"))
    in_service(aws, name)
    aws.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=other)
    assert in_service(aws, name)["EndpointConfigName"] == other
    assert json.load(invoke(aws, name, b"{}")["Body"])["model"] == "two"
    in_service(aws, other)
    for one in (name, other):
        delete(aws, one)


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GPT-Neo with random weights, made by a process of its own: torch stays out of this one."""
    folder = tmp_path_factory.mktemp("gpt-neo")
    script = Path(__file__).with_name("tiny_gpt_neo.py")
    subprocess.run([sys.executable, str(script), str(folder)], check=True, capture_output=True)
    return folder


def test_the_default_handlers_run_a_pipeline(aws: Aws, tiny_model: Path) -> None:
    files = {path.name: path.read_bytes() for path in tiny_model.iterdir()}
    name = deploy(aws, files, environment={"HF_TASK": "text-generation"})
    in_service(aws, name)
    request = {"inputs": "Once upon", "parameters": {"max_new_tokens": 4, "do_sample": False}}
    [said] = json.load(invoke(aws, name, json.dumps(request).encode())["Body"])
    assert said["generated_text"].startswith("Once upon")
    with pytest.raises(ClientError, match="Content type text/plain is not supported by this framework"):
        aws.sagemaker_runtime.invoke_endpoint(EndpointName=name, Body=b"x", ContentType="text/plain")
    delete(aws, name)


@pytest.fixture
def own(isolated_home: Path) -> Iterator[RunningSandbox]:
    """A sandbox for this test alone."""
    yield daemon.start()
    daemon.stop()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_container_outlives_the_sandbox(own: RunningSandbox, number: signal.Signals) -> None:
    aws = Aws(own)
    name = deploy(aws, files_of())
    in_service(aws, name)
    pid = json.load(invoke(aws, name, b"{}")["Body"])["pid"]
    assert processes.identity(pid)
    os.kill(own.pid, number)
    wait_for(lambda: processes.identity(pid) is None)
    wait_for(lambda: processes.identity(own.pid) is None)
