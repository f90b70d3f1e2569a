"""SageMaker's runtime over real HTTP, answering by script: it plays what no sandbox container does."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from core.sandbox.hosting import event_stream

VLLM = "763104351884.dkr.ecr.us-east-1.amazonaws.com/vllm:0.30.0-gpu"
DLC = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-inference:2.6.0-transformers5.5.3-cpu"


@dataclass
class Reply:
    """One HTTP answer; `frames` are sent one by one, and `then` is called before each but the first."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    frames: tuple[bytes, ...] = ()
    then: Callable[[], object] = lambda: None


Script = Callable[[bytes, bool], Reply]


class RuntimeStandIn:
    """SageMaker's runtime for one endpoint that answers by script, and enough of its control plane to describe it."""

    def __init__(self) -> None:
        self.script: Script = lambda _body, _stream: Reply()
        self.requests: list[tuple[bytes, bool, Mapping[str, str]]] = []
        self.status = "InService"
        self.image = VLLM
        self.exists = True
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            stand_in_of: ClassVar[RuntimeStandIn] = stand_in

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if target := self.headers.get("X-Amz-Target"):
                    self.reply(stand_in.describe(target.split(".")[1], json.loads(body)))
                    return
                stream = self.path.endswith("response-stream")
                stand_in.requests.append((body, stream, dict(self.headers)))
                self.reply(stand_in.script(body, stream))

            def reply(self, reply: Reply) -> None:
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if reply.frames:
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    for number, frame in enumerate(reply.frames):
                        if number:
                            reply.then()
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(frame), frame))
                    self.wfile.write(b"0\r\n\r\n")
                else:
                    self.send_header("Content-Length", str(len(reply.body)))
                    self.end_headers()
                    self.wfile.write(reply.body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def describe(self, operation: str, request: Mapping[str, Any]) -> Reply:
        now = 1_767_225_600
        arn = "arn:aws:sagemaker:us-east-1:123456789012:thing/chat"
        if operation == "DescribeEndpoint" and not (self.exists and request["EndpointName"] == "chat"):
            return error("ValidationException", 'Could not find endpoint "arn:aws:sagemaker:…".')
        answers: dict[str, Any] = {
            "DescribeEndpoint": {
                "EndpointName": "chat",
                "EndpointArn": arn,
                "EndpointConfigName": "chat",
                "EndpointStatus": self.status,
                "CreationTime": now,
                "LastModifiedTime": now,
            },
            "DescribeEndpointConfig": {
                "EndpointConfigName": "chat",
                "EndpointConfigArn": arn,
                "CreationTime": now,
                "ProductionVariants": [{"VariantName": "A", "ModelName": "chat", "InstanceType": "ml.g5.xlarge"}],
            },
            "DescribeModel": {
                "ModelName": "chat",
                "ModelArn": arn,
                "CreationTime": now,
                "PrimaryContainer": {"Image": self.image},
            },
            "ListTags": {"Tags": []},
            "ListEndpoints": {
                "Endpoints": [
                    {
                        "EndpointName": "chat",
                        "EndpointArn": arn,
                        "EndpointStatus": self.status,
                        "CreationTime": now,
                        "LastModifiedTime": now,
                    }
                ]
            },
        }
        return Reply(
            headers={"Content-Type": "application/x-amz-json-1.1"}, body=json.dumps(answers[operation]).encode()
        )


def error(code: str, message: str, *, status: int = 400, **members: Any) -> Reply:
    return Reply(
        status,
        {"x-amzn-ErrorType": code, "Content-Type": "application/json"},
        json.dumps({"__type": code, "Message": message, "message": message, **members}).encode(),
    )


def model_error(status: int, said: str) -> Reply:
    return error(
        "ModelError",
        f"Received client error ({status}) from primary.",
        status=424,
        OriginalStatusCode=status,
        OriginalMessage=said,
    )


def whole(text: str) -> Reply:
    answer = {"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}
    return Reply(
        headers={"Content-Type": "application/json", "x-Amzn-Invoked-Production-Variant": "A"},
        body=json.dumps(answer, ensure_ascii=False).encode(),
    )


def streamed(*parts: bytes, end: bytes = b"", then: Callable[[], object] = lambda: None) -> Reply:
    frames = [event_stream.payload_part(part) for part in parts]
    return Reply(
        headers={"Content-Type": event_stream.CONTENT_TYPE, "X-Amzn-SageMaker-Content-Type": "text/event-stream"},
        frames=(*frames, end) if end else tuple(frames),
        then=then,
    )


def delta(text: str) -> bytes:
    return f"data: {json.dumps({'choices': [{'delta': {'content': text}}]}, ensure_ascii=False)}\n\n".encode()
