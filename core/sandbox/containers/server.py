"""The HTTP side of a stand-in: `GET /ping` and `POST /invocations`, as SageMaker's container contract asks for.

Contract: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html. One model, one worker:
the main thread loads the model and answers one request after the other, while requests queue, as in Multi Model Server.
"""

import json
import logging
import queue
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Protocol

logger = logging.getLogger("model_server")

_QUEUE: Final = 100
"""Requests that may wait for the worker: `job_queue_size` of Multi Model Server."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answers to one request: HTTP status, headers (`Content-Type` among them) and the whole body."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Service(Protocol):
    """A model behind the server."""

    def load(self) -> None:
        """Load the model. Whatever it raises ends the container."""

    def answer(self, headers: Mapping[str, str], body: bytearray) -> Answer:
        """Answer one invocation; `headers` have the spelling of the request."""


@dataclass(slots=True)
class _Job:
    headers: dict[str, str]
    body: bytearray
    done: threading.Event = field(default_factory=threading.Event)
    answer: Answer | None = None


def error_answer(status: int, kind: str, message: str) -> Answer:
    """Return an error as Multi Model Server writes it: indented JSON with `code`, `type` and `message`.

    Its JSON writer (Gson) escapes the characters that mean something in HTML; clients see that, so it is done here too.
    """
    text = json.dumps({"code": status, "type": kind, "message": message}, indent=2, ensure_ascii=False)
    for character in "<>&='":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Answer(status, f"{text}\n".encode(), {"Content-Type": "application/json"})


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - names in the base class
        logger.debug("A connection from %s broke off", client_address, exc_info=True)  # its client went away


class ModelServer:
    """Serves one `Service` on a listening socket."""

    def __init__(self, service: Service, listener: socket.socket) -> None:
        self._service = service
        self._jobs: queue.Queue[_Job] = queue.Queue(_QUEUE)
        self.ready = False
        handler = type("Handler", (_Handler,), {"model_server": self})
        self._http = _HttpServer(("127.0.0.1", 0), handler, bind_and_activate=False)
        self._http.socket.close()
        self._http.socket = listener

    def run(self) -> None:
        """Load the model and answer requests until the process ends. Call it from the main thread.

        Raises whatever loading the model raises, and `SystemExit` when a handler calls for it.
        """
        threading.Thread(target=self._http.serve_forever, name="http", daemon=True).start()
        self._service.load()
        self.ready = True
        logger.info("Model server started.")
        while True:
            job = self._jobs.get()
            job.answer = self._service.answer(job.headers, job.body)
            job.done.set()

    def invoke(self, headers: dict[str, str], body: bytearray) -> Answer:
        """Queue a request for the worker and wait for its answer."""
        if not self.ready:
            return error_answer(503, "ServiceUnavailableException", "No worker is available to serve request: model")
        job = _Job(headers, body)
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            return error_answer(
                503, "ServiceUnavailableException", 'Model "model" has no worker to serve inference request.'
            )
        job.done.wait()
        assert job.answer is not None  # noqa: S101 - set before `done`
        return job.answer


class _Handler(BaseHTTPRequestHandler):
    model_server: ModelServer
    protocol_version = "HTTP/1.1"
    server_version = "sagewizard-sandbox"
    timeout = 600  # seconds that a kept-open connection may be idle

    def do_GET(self) -> None:
        if self.path != "/ping":
            self._send(error_answer(404, "ResourceNotFoundException", "Requested resource is not found."))
        elif self.model_server.ready:
            self._send(Answer(200, b'{\n  "status": "Healthy"\n}\n', {"Content-Type": "application/json"}))
        else:
            self._send(Answer(500, b'{\n  "status": "Unhealthy"\n}\n', {"Content-Type": "application/json"}))

    def do_POST(self) -> None:
        if self.path != "/invocations":
            self.close_connection = True  # the body stays unread
            self._send(error_answer(404, "ResourceNotFoundException", "Requested resource is not found."))
            return
        body = self._read_body()
        answer = self.model_server.invoke(dict(self.headers.items()), body)
        logger.info('ACCESS_LOG - "POST /invocations HTTP/1.1" %d %d', answer.status, len(answer.body))
        self._send(answer)

    def _read_body(self) -> bytearray:
        body = bytearray()
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            body += self.rfile.read(int(self.headers.get("Content-Length") or 0))
            return body
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return body

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            # A handler's header must not be able to write another one, or the body.
            self.send_header(
                name, value.replace("\r", " ").replace("\n", " ").encode("latin-1", "replace").decode("latin-1")
            )
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
        pass  # invocations are logged above; pings are not worth a line
