"""Containers stay where they are put: nothing they start outlives them, and nothing in them is pointed at AWS."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError

from core.sandbox import daemon, processes
from tests.conftest import paths_under, processes_that_mention
from tests.contract.hosting_plant import ECHO, Plant, archive_of, files_of, wait_for
from tests.contract.sandbox_account import IMAGE, Aws, until

_STARTING = """import subprocess
CHILDREN = [
    subprocess.Popen(["sleep", "600"]).pid,
    subprocess.Popen(["sleep", "600"], start_new_session=True).pid,
    int(subprocess.run("setsid sleep 600 >/dev/null 2>&1 & echo $!", shell=True, capture_output=True).stdout),
]
"""
# A regular expression that backtracks for hours holds the interpreter's lock all the while: no other thread runs.
_BUSY = """
import re


def model_fn(model_dir):
    return None


def transform_fn(model, body, content_type, accept):
    open("busy", "w").close()
    re.match(r"(a+)+$", "a" * 64 + "b")
"""


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    made = Plant(tmp_path_factory.mktemp("plant"))
    yield made
    made.close()


def _model(aws: Aws, code: str) -> str:
    bucket, name = aws.bucket(), aws.name("model")
    aws.s3.put_object(Bucket=bucket, Key="model.tar.gz", Body=archive_of(files_of(code=code)))
    role = aws.role({"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"})
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{bucket}/model.tar.gz"}
    aws.sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=role)
    return name


def test_what_a_handler_starts_ends_with_it_in_a_session_of_its_own_too(plant: Plant) -> None:
    code = _STARTING + ECHO.replace('"pid": os.getpid()', '"children": CHILDREN')
    record = plant.in_service(plant.variant(uri=plant.upload(archive_of(files_of(code=code)))))
    children = json.load(plant.invoke(record)["Body"])["children"]
    assert [pid for pid in children if processes.identity(pid) is None] == []
    plant.remove(record)
    assert [pid for pid in children if processes.identity(pid) is not None] == []


@pytest.mark.parametrize(
    "environment",
    [
        {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
        {"AWS_ENDPOINT_URL_S3": "https://s3.example.com"},
        {"AWS_PROFILE": "of-somebody"},
        {"HTTP_PROXY": "http://proxy.example.com", "NO_PROXY": ""},
    ],
)
def test_no_variable_of_a_model_points_its_container_at_aws(plant: Plant, environment: dict[str, str]) -> None:
    code = ECHO.replace(
        "def predict_fn(data, model):",
        "def predict_fn(data, model):\n"
        "    import boto3\n"
        "    s3 = boto3.client('s3')\n"
        "    return {'url': s3.meta.endpoint_url, 'buckets': len(s3.list_buckets()['Buckets'])}",
    )
    uri = plant.upload(archive_of(files_of(code=code)))
    record = plant.in_service(plant.variant(uri=uri, container={"Environment": environment}))
    said = json.load(plant.invoke(record)["Body"])
    assert said == {"url": plant.clients.endpoint_url, "buckets": 1}
    plant.remove(record)


def test_a_container_that_is_busy_ends_with_a_sandbox_that_is_killed(isolated_home: Path) -> None:
    running = daemon.start()
    try:
        aws = Aws(running)
        name = aws.name("endpoint")
        config = aws.config(aws.variant(_model(aws, _BUSY)))
        aws.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        assert aws.settled(name)["EndpointStatus"] == "InService"

        def ask() -> None:
            with suppress(BotoCoreError):  # the sandbox goes before it answers
                aws.sagemaker_runtime.invoke_endpoint(EndpointName=name, Body=b"{}", ContentType="application/json")

        asking = threading.Thread(target=ask)
        asking.start()
        wait_for(lambda: any(path.name == "busy" for path in paths_under(isolated_home)))
        os.kill(running.pid, signal.SIGKILL)
        until(lambda: processes_that_mention(isolated_home), lambda found: not found)
        asking.join(60)
        assert not asking.is_alive()
    finally:
        daemon.stop()
