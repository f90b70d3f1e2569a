"""The faulty front before the sandbox: each fault does what it says to a plain boto3 client, and to the program."""

import http.client
import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError, HTTPClientError

from core.account import open_account
from core.sandbox import daemon
from core.sandbox.daemon import RunningSandbox
from tests.contract.sandbox_account import Aws, until
from tests.e2e.program import Background, run
from tests.rate_limit import RateLimit
from tests.s3_front import (
    ACCESS_DENIED,
    EXPIRED_TOKEN,
    INTERNAL_ERROR,
    REQUEST_TIMEOUT,
    SLOW_DOWN,
    Refusal,
    S3Front,
    front_of,
)

BODY = os.urandom(3 * 2**20 + 11)


@pytest.fixture
def front(sandbox: RunningSandbox) -> Iterator[S3Front]:
    with S3Front(sandbox.url) as front:
        yield front


@pytest.fixture
def bucket(aws: Aws) -> str:
    return aws.bucket()


def client(front: S3Front, sandbox: RunningSandbox, service: str = "s3", attempts: int = 1, **settings: Any) -> Any:
    # As the program has it: bodies carry a checksum, and are not signed besides.
    settings = {"s3": {"payload_signing_enabled": False}, **settings}
    session = boto3.Session(sandbox.access_key_id, sandbox.secret_access_key, region_name="us-east-1")
    config = Config(retries={"total_max_attempts": attempts, "mode": "standard"}, **settings)
    return session.client(service, endpoint_url=front.url, config=config)


@pytest.fixture
def s3(front: S3Front, sandbox: RunningSandbox) -> Any:
    return client(front, sandbox)


def keys(aws: Aws, bucket: str) -> list[str]:
    return [each["Key"] for each in aws.s3.list_objects_v2(Bucket=bucket).get("Contents", ())]


def content(aws: Aws, bucket: str, key: str = "x") -> bytes:
    body: bytes = aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return body


def test_what_passes_is_what_was_sent(front: S3Front, s3: Any, aws: Aws, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a b/ü", Body=BODY)
    assert content(aws, bucket, "a b/ü") == BODY
    assert s3.get_object(Bucket=bucket, Key="a b/ü")["Body"].read() == BODY
    assert s3.head_object(Bucket=bucket, Key="a b/ü")["ContentLength"] == len(BODY)
    s3.delete_object(Bucket=bucket, Key="a b/ü")
    assert [(request.method, request.status) for request in front.requests] == [
        ("PUT", 200),
        ("GET", 200),
        ("HEAD", 200),
        ("DELETE", 204),
    ]
    assert front.requests[0].path == f"/{bucket}/a%20b/%C3%BC"
    assert front.requests[0].bytes >= len(BODY)  # botocore marks chunks when it adds a checksum


def test_a_body_of_unknown_length_passes(front: S3Front, sandbox: RunningSandbox, aws: Aws, bucket: str) -> None:
    class Unseekable:
        """What botocore has to send in chunks of HTTP's own."""

        def __init__(self) -> None:
            self._left = BODY

        def read(self, size: int = -1) -> bytes:
            size = len(self._left) if size < 0 else size
            piece, self._left = self._left[:size], self._left[size:]
            return piece

    s3 = client(front, sandbox, request_checksum_calculation="when_required")
    url = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "x"})
    connection = http.client.HTTPConnection(front.url.removeprefix("http://"))
    connection.request("PUT", url.removeprefix(front.url), body=Unseekable(), encode_chunked=True)
    assert connection.getresponse().status == 200
    connection.close()
    assert content(aws, bucket) == BODY
    (seen,) = front.seen("PUT")
    assert seen.bytes == len(BODY)


def test_other_services_pass_and_are_told_apart(front: S3Front, sandbox: RunningSandbox) -> None:
    assert client(front, sandbox, "sts").get_caller_identity()["Account"]
    assert client(front, sandbox, "sagemaker").list_endpoints(MaxResults=1)["Endpoints"] is not None
    assert [request.service for request in front.requests] == ["sts", "sagemaker"]
    assert front.seen() == ()
    front.fault(service="sts", refuse=EXPIRED_TOKEN)
    front.fault(service="sagemaker", refuse=EXPIRED_TOKEN)
    for service, call in (("sts", "get_caller_identity"), ("sagemaker", "list_endpoints")):
        with pytest.raises(ClientError, match="The provided token has expired"):
            getattr(client(front, sandbox, service), call)()


@pytest.mark.parametrize("at", ["arrival", "body", 1000, "answer"])
@pytest.mark.parametrize("refusal", [SLOW_DOWN, INTERNAL_ERROR, EXPIRED_TOKEN, ACCESS_DENIED, REQUEST_TIMEOUT])
def test_a_refusal_is_what_the_client_hears(
    front: S3Front, s3: Any, aws: Aws, bucket: str, refusal: Refusal, at: Any
) -> None:
    front.fault("PUT", refuse=refusal, at=at)
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=bucket, Key="x", Body=BODY)
    told = caught.value.response
    assert told["Error"]["Code"] == refusal.code
    assert told["Error"]["Message"] == refusal.message
    assert told["ResponseMetadata"]["HTTPStatusCode"] == refusal.status
    assert keys(aws, bucket) == (["x"] if at == "answer" else [])
    s3.put_object(Bucket=bucket, Key="x", Body=BODY)
    assert content(aws, bucket) == BODY
    assert [request.status for request in front.seen("PUT")] == [refusal.status, 200]


def test_at_its_arrival_a_request_is_refused_before_its_body_comes(front: S3Front, s3: Any, bucket: str) -> None:
    front.fault("PUT", refuse=SLOW_DOWN)
    with pytest.raises(ClientError):
        s3.put_object(Bucket=bucket, Key="x", Body=BODY)
    assert front.uploaded() == 0


def test_a_client_that_asks_again_gets_through(front: S3Front, sandbox: RunningSandbox, aws: Aws, bucket: str) -> None:
    front.fault("PUT", "/x$", at="body", refuse=SLOW_DOWN)
    front.fault("PUT", "/x$", at=2**20, cut=True)
    client(front, sandbox, attempts=3).put_object(Bucket=bucket, Key="x", Body=BODY)
    assert content(aws, bucket) == BODY
    assert [request.status for request in front.seen("PUT")] == [503, None, 200]


@pytest.mark.parametrize("at", ["arrival", "body", 1, 2**20, "answer"])
def test_a_connection_is_cut(front: S3Front, s3: Any, aws: Aws, bucket: str, at: Any) -> None:
    front.fault("PUT", at=at, cut=True)
    with pytest.raises(HTTPClientError):
        s3.put_object(Bucket=bucket, Key="x", Body=BODY)
    assert keys(aws, bucket) == (["x"] if at == "answer" else [])
    (cut,) = front.seen()
    assert cut.status is None
    if isinstance(at, int):
        assert cut.bytes == at


def test_a_lost_answer_of_a_completed_upload_leaves_the_object(front: S3Front, s3: Any, aws: Aws, bucket: str) -> None:
    begun = s3.create_multipart_upload(Bucket=bucket, Key="x")["UploadId"]
    about = {"Bucket": bucket, "Key": "x", "UploadId": begun}
    front.fault("PUT", query="partNumber=2(&|$)", refuse=INTERNAL_ERROR)
    etag = s3.upload_part(**about, PartNumber=1, Body=b"whole")["ETag"]
    with pytest.raises(ClientError):
        s3.upload_part(**about, PartNumber=2, Body=b"never")
    front.fault("POST", query="uploadId=", at="answer", cut=True)
    with pytest.raises(ConnectionClosedError):
        s3.complete_multipart_upload(**about, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    assert content(aws, bucket) == b"whole"


def test_a_bit_flips_in_what_is_sent_and_in_what_is_answered(
    front: S3Front, sandbox: RunningSandbox, aws: Aws, bucket: str
) -> None:
    s3 = client(
        front, sandbox, request_checksum_calculation="when_required", response_checksum_validation="when_required"
    )
    place = 2**20 + 3
    flipped = BODY[:place] + bytes([BODY[place] ^ 1]) + BODY[place + 1 :]
    front.fault("GET", flip_answer=place)
    front.fault("PUT", flip=place)
    s3.put_object(Bucket=bucket, Key="x", Body=BODY, ContentLength=len(BODY))
    assert front.uploaded() == len(BODY)
    assert content(aws, bucket) == flipped
    assert s3.get_object(Bucket=bucket, Key="x")["Body"].read() == BODY  # the same bit again


def test_a_checksum_finds_the_flipped_bit(front: S3Front, s3: Any, aws: Aws, bucket: str) -> None:
    front.fault("PUT", flip=2**20)
    with pytest.raises(ClientError, match="BadDigest"):
        s3.put_object(Bucket=bucket, Key="x", Body=BODY)
    assert keys(aws, bucket) == []


def test_an_answer_breaks_off(front: S3Front, s3: Any, aws: Aws, bucket: str) -> None:
    aws.s3.put_object(Bucket=bucket, Key="x", Body=BODY)
    front.fault("GET", cut_answer=2**20)
    pieces = s3.get_object(Bucket=bucket, Key="x")["Body"].iter_chunks(2**18)
    assert b"".join(islice(pieces, 4)) == BODY[: 2**20]
    with pytest.raises(BotoCoreError):
        next(pieces)


def test_faults_are_for_those_requests_that_fit_and_for_as_often_as_asked(front: S3Front, s3: Any, bucket: str) -> None:
    front.fault("PUT", "/bad", times=2, refuse=ACCESS_DENIED)
    s3.put_object(Bucket=bucket, Key="good", Body=b"")
    for _ in range(2):
        with pytest.raises(ClientError):
            s3.put_object(Bucket=bucket, Key="bad", Body=b"")
    s3.put_object(Bucket=bucket, Key="bad", Body=b"")
    front.fault(refuse=ACCESS_DENIED, times=9)
    front.clear()
    s3.list_objects_v2(Bucket=bucket)
    assert [request.method for request in front.seen()] == ["GET"]


@pytest.mark.parametrize("at", ["arrival", 2**20, "answer"])
@pytest.mark.parametrize("way", ["open", "drop"])
def test_a_gate_holds_a_request_back_until_the_test_has_looked(
    front: S3Front, s3: Any, aws: Aws, bucket: str, at: Any, way: str
) -> None:
    gate = front.hold("PUT", at=at)
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(s3.put_object, Bucket=bucket, Key="x", Body=BODY)
        gate.wait()
        assert keys(aws, bucket) == (["x"] if at == "answer" else [])
        assert not sent.done()
        getattr(gate, way)()
        if way == "open":
            assert sent.result()["ETag"]
            assert content(aws, bucket) == BODY
        else:
            assert isinstance(sent.exception(), HTTPClientError)
            assert keys(aws, bucket) == (["x"] if at == "answer" else [])


def test_a_gate_holds_back_no_body(front: S3Front) -> None:
    with pytest.raises(ValueError, match="in memory"):
        front.hold(at="body")


def test_what_hangs_ends_with_the_front(sandbox: RunningSandbox, bucket: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        with S3Front(sandbox.url) as front:
            gate = front.hold("PUT")
            sent = pool.submit(client(front, sandbox).put_object, Bucket=bucket, Key="x", Body=BODY)
            gate.wait()
        assert isinstance(sent.exception(), HTTPClientError)


def test_a_client_that_leaves_leaves_nothing(front: S3Front, sandbox: RunningSandbox, aws: Aws, bucket: str) -> None:
    url = client(front, sandbox).generate_presigned_url("put_object", {"Bucket": bucket, "Key": "x"})
    connection = http.client.HTTPConnection(front.url.removeprefix("http://"))
    connection.putrequest("PUT", url.removeprefix(front.url))
    connection.putheader("Content-Length", str(len(BODY)))
    connection.endheaders(BODY[:1000])
    until(lambda: front.requests[0].bytes if front.requests else 0, lambda count: count == 1000)
    connection.close()
    assert keys(aws, bucket) == []
    assert front.requests[0].status is None


def test_where_nobody_is_the_front_cuts(sandbox: RunningSandbox) -> None:
    with S3Front("http://127.0.0.1:9") as front, pytest.raises(HTTPClientError):
        client(front, sandbox).list_buckets()


class Clock:
    """A time that passes only by being waited for."""

    def __init__(self) -> None:
        self.now = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        with self._lock:
            self.now += seconds


def test_all_connections_together_send_as_much_as_the_rate_allows(
    front: S3Front, sandbox: RunningSandbox, aws: Aws, bucket: str
) -> None:
    clock = Clock()
    rate = 2**20
    front.limit = RateLimit(rate, clock=clock, wait=clock.wait)
    with ThreadPoolExecutor(3) as pool:
        list(
            pool.map(
                lambda key: client(front, sandbox).put_object(Bucket=bucket, Key=key, Body=BODY[: 2**20]),
                ["a", "b", "c"],
            )
        )
    assert front.uploaded() >= 3 * 2**20
    assert clock.now >= front.uploaded() / rate * 0.999
    assert content(aws, bucket, "c") == BODY[: 2**20]


@pytest.fixture
def led(sandbox: RunningSandbox, isolated_home: Path) -> Iterator[S3Front]:
    with front_of(sandbox) as front:
        yield front


def test_the_program_goes_through_the_front_in_this_process(led: S3Front, sandbox: RunningSandbox, bucket: str) -> None:
    account = open_account(sandbox=True)
    assert account.clients.endpoint_url == led.url
    led.fault("GET", refuse=SLOW_DOWN)
    account.clients.get("s3").list_objects_v2(Bucket=bucket)
    assert [request.status for request in led.seen()] == [503, 200]
    running = daemon.status()
    assert running is not None
    assert running.instance == sandbox.instance
    assert account.ledgers.is_relative_to(os.environ["SAGEWIZARD_HOME"])


def test_the_program_goes_through_the_front_as_a_child(led: S3Front) -> None:
    ended = run("--sandbox", "endpoints", "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out) is not None
    assert led.seen(service="sagemaker")


def test_the_program_can_be_killed_at_an_exact_moment(led: S3Front, tmp_path: Path) -> None:
    gate = led.hold(service="sagemaker")
    with Background(tmp_path, "--sandbox", "endpoints", "--json") as program:
        gate.wait()
        program.process.kill()
        assert program.process.wait() < 0
    gate.drop()
    assert [request.status for request in led.seen(service="sagemaker")] == [None]


def test_a_home_that_knows_a_sandbox_gets_no_front(sandbox: RunningSandbox, sandbox_home: Path) -> None:
    with pytest.raises(ValueError, match="home of its own"), front_of(sandbox):
        pass
    assert daemon.status() == sandbox
