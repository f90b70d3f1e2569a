"""InvokeEndpoint and InvokeEndpointWithResponseStream, as plain boto3 sees them."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError

from core.sandbox.hosting.container import Container
from core.sandbox.hosting.records import EndpointRecord
from tests.contract.hosting_plant import Plant, archive_of, files_of, wait_for


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    made = Plant(tmp_path_factory.mktemp("plant"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """A plant that soon gives up waiting, for the tests of just that: on a slow machine the others need their time."""
    made = Plant(tmp_path_factory.mktemp("hasty"), whole_seconds=2.0, stream_seconds=4.0)
    yield made
    made.close()


@pytest.fixture(scope="module")
def echo(plant: Plant) -> EndpointRecord:
    return plant.in_service()


class Streamer(BaseHTTPRequestHandler):
    """Answers as a container may that streams: the body says how. After each piece it may wait for `go_on`."""

    protocol_version = "HTTP/1.1"
    go_on = threading.Event()

    def do_POST(self) -> None:
        how = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Type", "application/jsonlines")
        self.send_header(
            "X-Amzn-SageMaker-Custom-Attributes", self.headers.get("X-Amzn-SageMaker-Custom-Attributes", "")
        )
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in how["pieces"]:
            self.wfile.write(f"{len(piece):x}\r\n{piece}\r\n".encode())
            self.wfile.flush()
            if how.get("wait"):
                self.go_on.wait(60)
        if how.get("break"):
            self.close_connection = True
            return
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def streamer_before(plant: Plant, record: EndpointRecord) -> Iterator[EndpointRecord]:
    """Put a container before that of an endpoint, one that streams; the Hugging Face one cannot."""
    Streamer.go_on.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Streamer)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    with plant.supervisor.serving(record, "AllTraffic") as container:
        assert isinstance(container, Container)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(container, "port", server.server_address[1])
        try:
            yield record
        finally:
            Streamer.go_on.set()  # closing waits for the answers that are under way
            server.shutdown()
            server.server_close()


@pytest.fixture
def streaming(plant: Plant, echo: EndpointRecord) -> Iterator[EndpointRecord]:
    """The echo endpoint, streaming."""
    with streamer_before(plant, echo) as record:
        yield record


def stream(plant: Plant, record: EndpointRecord, **how: Any) -> Any:
    return plant.clients.get("sagemaker-runtime").invoke_endpoint_with_response_stream(
        EndpointName=record.name,
        Body=json.dumps(how),
        ContentType="application/json",
        Accept="application/jsonlines",
        CustomAttributes="trace=1",
    )


@pytest.mark.parametrize("operation", ["invoke_endpoint", "invoke_endpoint_with_response_stream"])
def test_an_endpoint_that_does_not_exist(plant: Plant, operation: str) -> None:
    invoke = getattr(plant.clients.get("sagemaker-runtime"), operation)
    with pytest.raises(ClientError, match="Endpoint nobody of account 123456789012 not found") as raised:
        invoke(EndpointName="nobody", Body=b"")
    assert raised.value.response["Error"]["Code"] == "ValidationError"
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_an_endpoint_that_is_not_in_service_yet_is_not_found_either(plant: Plant) -> None:
    code = "import time\ndef model_fn(d): time.sleep(600)"
    record = plant.launch(plant.variant(uri=plant.upload(archive_of(files_of(code=code)))))
    with pytest.raises(ClientError, match=r"\(ValidationError\).* not found."):
        plant.invoke(record)
    plant.remove(record)


@pytest.mark.parametrize("operation", ["invoke_endpoint", "invoke_endpoint_with_response_stream"])
def test_what_a_handler_raises_becomes_a_model_error(plant: Plant, echo: EndpointRecord, operation: str) -> None:
    runtime = plant.clients.get("sagemaker-runtime")
    with pytest.raises(runtime.exceptions.ModelError) as raised:
        getattr(runtime, operation)(EndpointName=echo.name, Body=b"<'x'>", ContentType="text/odd")
    response = raised.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert response["OriginalStatusCode"] == 400
    assert json.loads(response["OriginalMessage"])["message"] == "cannot read text/odd"
    assert response["LogStreamArn"] == (
        f"arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/{echo.name}"
    )
    assert response["Error"]["Message"] == (
        f'Received client error (400) from primary with message "{response["OriginalMessage"]}". See '
        "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#logEventViewer:group="
        f"/aws/sagemaker/Endpoints/{echo.name} in account 123456789012 for more information."
    )


def test_an_answer_that_takes_too_long(hasty: Plant) -> None:
    record = hasty.in_service()
    with pytest.raises(ClientError, match="Your invocation timed out while waiting for a response from container prim"):
        hasty.invoke(record, b'{"sleep": 60}')
    hasty.remove(record)


def test_a_container_that_ends_while_it_answers(plant: Plant) -> None:
    record = plant.in_service()
    with pytest.raises(ClientError, match=r"\(ModelError\).*and could not load the entire response body"):
        plant.invoke(record, b'{"exit": 3}')
    plant.remove(record)


@pytest.mark.parametrize("size", [25 * 1024**2, 25 * 1024**2 + 1])
def test_payloads_up_to_25_mib(plant: Plant, size: int) -> None:
    code = "def model_fn(d): return 1\ndef transform_fn(m, b, c, a): return str(len(b))\n"
    record = plant.in_service(plant.variant(uri=plant.upload(archive_of(files_of(code=code)))))
    if size == 25 * 1024**2:
        assert plant.invoke(record, bytes(size), ContentType="image/png")["Body"].read() == str(size).encode()
    else:
        with pytest.raises(ClientError, match="content length exceeded 26214400 bytes") as raised:
            plant.invoke(record, bytes(size), ContentType="image/png")
        assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    plant.remove(record)


def test_custom_attributes_go_there_and_back(plant: Plant) -> None:
    code = (
        "def model_fn(d): return 1\n"
        "def transform_fn(m, b, c, a, context):\n"
        "    name = 'X-Amzn-SageMaker-Custom-Attributes'\n"
        "    context.set_response_header(0, name, context.get_request_header(0, name) + '; seen')\n"
        "    return context.get_request_header(0, 'X-Amzn-SageMaker-Inference-Id')\n"
    )
    record = plant.in_service(plant.variant(uri=plant.upload(archive_of(files_of(code=code)))))
    answer = plant.invoke(record, CustomAttributes="route=/v1", InferenceId="id-7")
    assert (answer["CustomAttributes"], answer["Body"].read()) == ("route=/v1; seen", b"id-7")
    for bad in ("x" * 1025, "a\tb"):
        with pytest.raises(ClientError, match="ValidationError"):
            plant.invoke(record, CustomAttributes=bad)
    plant.remove(record)


def test_a_variant_that_does_not_exist(plant: Plant, echo: EndpointRecord) -> None:
    with pytest.raises(ClientError, match=r"\(ValidationError\).*Variant nobody not found"):
        plant.invoke(echo, TargetVariant="nobody")


def test_traffic_follows_the_weights(plant: Plant) -> None:
    record = plant.in_service(plant.variant("a", desired_weight=1.0), plant.variant("b", desired_weight=0.0))
    assert {plant.invoke(record)["InvokedProductionVariant"] for _ in range(12)} == {"a"}
    assert plant.invoke(record, TargetVariant="b")["InvokedProductionVariant"] == "b"
    plant.remove(record)


def test_many_at_once(plant: Plant, echo: EndpointRecord) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = pool.map(
            lambda i: json.load(plant.invoke(echo, json.dumps({"i": i}).encode())["Body"])["echo"]["i"], range(80)
        )
    assert list(answers) == list(range(80))


def test_pieces_come_as_the_container_sends_them(plant: Plant, streaming: EndpointRecord) -> None:
    answer = stream(plant, streaming, pieces=['{"token": "a"}\n', '{"token": "b"}\n'], wait=True)
    assert answer["ContentType"] == "application/jsonlines"
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    assert answer["CustomAttributes"] == "trace=1"
    events = iter(answer["Body"])
    assert next(events) == {"PayloadPart": {"Bytes": b'{"token": "a"}\n'}}  # the second is not sent yet
    Streamer.go_on.set()
    assert [event["PayloadPart"]["Bytes"] for event in events] == [b'{"token": "b"}\n']


def test_a_stream_that_breaks_ends_with_an_error(plant: Plant, streaming: EndpointRecord) -> None:
    received = []
    with pytest.raises(EventStreamError, match=r"ModelStreamError.*reset or closed"):
        received.extend(stream(plant, streaming, pieces=["one"], **{"break": True})["Body"])


def test_a_stream_that_takes_too_long_ends_with_an_error(hasty: Plant) -> None:
    record = hasty.in_service()
    received = []
    with streamer_before(hasty, record), pytest.raises(EventStreamError, match=r"ModelStreamError.*timed out"):
        received.extend(stream(hasty, record, pieces=["one"], wait=True)["Body"])
    hasty.remove(record)


def test_a_whole_answer_comes_as_one_piece(plant: Plant, echo: EndpointRecord) -> None:
    [event] = list(stream(plant, echo, x=1)["Body"])
    assert json.loads(event["PayloadPart"]["Bytes"])["echo"] == {"x": 1}


def test_invocations_are_counted_in_cloudwatch(plant: Plant) -> None:
    record = plant.in_service()
    for body in (b"{}", b"{}", b"no json"):
        try:
            plant.invoke(record, body)
        except ClientError:
            assert body == b"no json"
    cloudwatch = plant.clients.get("cloudwatch")

    def sums() -> dict[str, float] | None:
        now = datetime.now(UTC)
        found = {}
        for name in ("Invocations", "Invocation4XXErrors", "Invocation5XXErrors", "ModelLatency", "OverheadLatency"):
            points = cloudwatch.get_metric_statistics(
                Namespace="AWS/SageMaker",
                MetricName=name,
                Dimensions=[
                    {"Name": "EndpointName", "Value": record.name},
                    {"Name": "VariantName", "Value": "AllTraffic"},
                ],
                StartTime=now - timedelta(hours=1),
                EndTime=now + timedelta(minutes=5),
                Period=7200,
                Statistics=["Sum"],
            )["Datapoints"]
            found[name] = sum(point["Sum"] for point in points)
        return found if found["Invocations"] == 3 else None

    found = wait_for(sums)
    assert (found["Invocation4XXErrors"], found["Invocation5XXErrors"]) == (1, 0)
    assert 0 < found["ModelLatency"] < 60e6
    assert 0 <= found["OverheadLatency"] < 60e6
    plant.remove(record)
