"""An S3 for benchmarks of the program's own side: it takes what it is sent, keeps nothing, and costs little itself.

It has no buckets and no objects, and checks no checksums; only what storing an artifact asks for is answered.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
"""

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.rate_limit import RateLimit, listening

_AT_ONCE = 2**20
_ETAG = '"00000000000000000000000000000000"'


class DiscardingS3:
    """The server; use it in a `with`. `bytes_per_second` bounds what it takes, all connections together."""

    def __init__(self, *, bytes_per_second: int | None = None) -> None:
        limit = RateLimit(bytes_per_second)
        self.taken = 0
        """How many bytes of objects and parts have come."""
        self._lock = threading.Lock()
        stand_in = self

        class Bound(_Handler):
            s3 = stand_in
            rate = limit

        self._server = _Server(("127.0.0.1", 0), Bound, bind_and_activate=False)
        self.url = listening(self._server, limited=bytes_per_second is not None)

    def __enter__(self) -> "DiscardingS3":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, count: int) -> None:
        """Count bytes that have come."""
        with self._lock:
            self.taken += count


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    s3: DiscardingS3
    rate: RateLimit

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the base class
        """Keep quiet."""

    def do_GET(self) -> None:
        if "uploads" in self._query:
            self._answer(
                200, "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>"
            )
        else:
            self._answer(200, "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")

    def do_HEAD(self) -> None:
        self._answer(404, "")

    def do_POST(self) -> None:
        self._drain()
        name = "InitiateMultipartUploadResult" if "uploads" in self._query else "CompleteMultipartUploadResult"
        self._answer(200, f"<{name}><UploadId>upload</UploadId><ETag>{_ETAG}</ETag></{name}>")

    def do_PUT(self) -> None:
        self._drain()
        self._answer(200, "")

    @property
    def _query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query, keep_blank_values=True)

    def _drain(self) -> None:
        left = int(self.headers.get("Content-Length") or 0)
        buffer = memoryview(bytearray(min(left, _AT_ONCE)))
        while left:
            count = self.rfile.readinto1(buffer[: min(left, self.rate.piece(_AT_ONCE))])
            if not count:
                raise ConnectionResetError
            self.rate.take(count)
            self.s3.take(count)
            left -= count

    def _answer(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("ETag", _ETAG)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
