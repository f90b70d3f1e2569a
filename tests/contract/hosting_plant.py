"""The hosting processes on their own, for tests: a supervisor and a runtime before moto's S3, Logs and CloudWatch."""

import io
import logging
import tarfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from core.aws.clients import Clients, StaticCredentials
from core.sandbox.hosting.records import EndpointRecord, HostingState, VariantRecord
from core.sandbox.hosting.runtime import Runtime
from core.sandbox.hosting.supervisor import Supervisor

REGION = "us-east-1"
IMAGE = (
    "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-inference:"
    "2.6.0-transformers5.5.3-gpu-py312-cu124-ubuntu22.04"
)
BUCKET = "sagemaker-plant"
ECHO = """
import json, os, sys, time

def model_fn(model_dir):
    print("loading from", model_dir)
    return json.load(open(os.path.join(model_dir, "config.json")))

def input_fn(body, content_type):
    if content_type != "application/json":
        raise ValueError(f"cannot read {content_type}")
    return json.loads(body)

def predict_fn(data, model):
    if "sleep" in data:
        time.sleep(data["sleep"])
    if "exit" in data:
        os._exit(data["exit"])
    if "print" in data:
        print(data["print"])
    if "environ" in data:
        return dict(os.environ)
    return {"echo": data, "model": model["name"], "pid": os.getpid()}

def output_fn(prediction, accept):
    return json.dumps(prediction)
"""


def echo_held_back(gate: Path) -> str:
    """Return the echo handler that loads once the file `gate` is there."""
    wait = f"    while not os.path.exists({str(gate)!r}):\n        time.sleep(0.02)\n"
    return ECHO.replace("def model_fn(model_dir):\n", f"def model_fn(model_dir):\n{wait}")


def files_of(name: str = "one", code: str = ECHO, **more: str) -> dict[str, bytes]:
    """Return a small artifact: what `/opt/ml/model` would hold."""
    files = {"config.json": f'{{"name": "{name}"}}', "code/inference.py": code, **more}
    return {path: text.encode() for path, text in files.items()}


def archive_of(files: Mapping[str, bytes]) -> bytes:
    """Return files as a `model.tar.gz`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


Found = TypeVar("Found")


def wait_for(find: Callable[[], Found | None], seconds: float = 60.0) -> Found:
    """Return what `find` returns once that is true; fail after `seconds`."""
    until = time.monotonic() + seconds
    while not (found := find()):
        assert time.monotonic() < until, f"it did not come about in {seconds} s"
        time.sleep(0.02)
    return found


class Plant:
    """A running plant. `state` may be looked into; `clients` talk to it over HTTP like anybody's."""

    def __init__(self, work_folder: Path, *, whole_seconds: float = 60.0, stream_seconds: float = 480.0) -> None:
        from moto.moto_server.threaded_moto_server import ThreadedMotoServer

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self._moto = self._server._server.app  # type: ignore[attr-defined, unused-ignore]
        self._server._server.app = self._answer  # type: ignore[attr-defined, unused-ignore]
        url = f"http://{host}:{port}"
        self.work_folder = work_folder
        self.state = HostingState()
        self.supervisor = Supervisor(
            self.state, endpoint_url=url, access_key_id="AKIATEST", secret_access_key="secret", work_folder=work_folder
        )
        self.runtime = Runtime(self.state, self.supervisor, whole_seconds=whole_seconds, stream_seconds=stream_seconds)
        self.clients = Clients(region=REGION, endpoint_url=url, credentials=StaticCredentials("AKIATEST", "secret"))
        self.clients.get("s3").create_bucket(Bucket=BUCKET)

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"].startswith("/endpoints/"):
            return self.runtime.handle(environ, start_response, REGION)
        return self._moto(environ, start_response)

    def close(self) -> None:
        """End it all."""
        self.runtime.close()
        self.supervisor.close()
        self._server.stop()

    def upload(self, body: bytes, key: str | None = None) -> str:
        """Put an object and return its URI."""
        key = key or f"{uuid4()}/model.tar.gz"
        self.clients.get("s3").put_object(Bucket=BUCKET, Key=key, Body=body)
        return f"s3://{BUCKET}/{key}"

    def variant(self, name: str = "AllTraffic", uri: str | None = None, **changes: Any) -> VariantRecord:
        """Return a variant that runs the echo artifact, or the archive at `uri`."""
        container: dict[str, Any] = {"Image": IMAGE, "ModelDataUrl": uri or self.upload(archive_of(files_of()))}
        container |= changes.pop("container", {})
        settings: dict[str, Any] = {
            "model_name": "model",
            "instance_type": "ml.m5.large",
            "desired_count": 1,
            "desired_weight": 1.0,
            "role_arn": "arn:aws:iam::123456789012:role/role",
            "startup_timeout": 60,
            "download_timeout": 60,
        }
        return VariantRecord(name=name, container=container, **(settings | changes))

    def launch(self, *variants: VariantRecord, name: str | None = None) -> EndpointRecord:
        """Begin an endpoint with these variants, or the echo one."""
        name = name or f"endpoint-{uuid4()}"
        record = EndpointRecord(
            name=name,
            arn=f"arn:aws:sagemaker:{REGION}:123456789012:endpoint/{name}",
            region=REGION,
            config_name="config",
            variants=list(variants) or [self.variant()],
            tags={},
        )
        with self.state.lock:
            self.state.region(REGION).endpoints[name] = record
        self.supervisor.launch(record)
        return record

    def settled(self, record: EndpointRecord) -> EndpointRecord:
        """Wait until an endpoint is in service or has failed."""
        wait_for(lambda: self.status_of(record) in ("InService", "Failed"))
        return record

    def status_of(self, record: EndpointRecord) -> str:
        """Return an endpoint's status; what changed together with it has changed too."""
        with self.state.lock:
            return record.status

    def in_service(self, *variants: VariantRecord) -> EndpointRecord:
        """Return an endpoint in service."""
        record = self.settled(self.launch(*variants))
        assert record.status == "InService", record.failure_reason
        return record

    def invoke(self, record: EndpointRecord, body: bytes = b"{}", **more: Any) -> Any:
        """Invoke an endpoint."""
        request = {"ContentType": "application/json", **more}
        return self.clients.get("sagemaker-runtime").invoke_endpoint(EndpointName=record.name, Body=body, **request)

    def log(self, record: EndpointRecord) -> list[str]:
        """Return the lines of an endpoint's log group, all streams."""
        logs = self.clients.get("logs")
        try:
            found = logs.filter_log_events(logGroupName=f"/aws/sagemaker/Endpoints/{record.name}")
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [event["message"] for event in found["events"]]

    def remove(self, record: EndpointRecord) -> None:
        """Delete an endpoint and wait until it is gone."""
        self.supervisor.remove(record)
        wait_for(lambda: record.name not in self.state.region(REGION).endpoints)
