"""Runs an unpacked artifact under AWS's own serving code, without Java or Docker: `conformance_runner.py hf|sm FOLDER`.

`hf` is sagemaker-huggingface-inference-toolkit's handler service, which the Hugging Face inference container runs;
`sm` is sagemaker-inference's Transformer, which the framework containers run. Requests are read from standard input,
one JSON object a line (`body`, `content_type`, `accept`); the answers go to standard output likewise (`status`,
`content_type`, `body`). A process of its own, because the toolkits change sys.path and keep the module `inference`.
The network is closed before anything of the artifact is loaded.
"""

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

INSTALL = "pip install --no-deps sagemaker-huggingface-inference-toolkit==2.6.0 multi-model-server==1.1.11"


class Metrics:
    """Takes the times that the toolkit measures."""

    def add_time(self, *_: Any, **__: Any) -> None:
        """Forget them."""


class Properties:
    """The headers of one request."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers

    def get_request_properties(self) -> dict[str, str]:
        """Return the headers."""
        return self.headers


class Context:
    """The part of Multi Model Server's request context that the toolkits read."""

    def __init__(self, model_dir: str) -> None:
        self.system_properties = {"model_dir": model_dir, "batch_size": 1, "gpu_id": None}
        self.request_processor = [Properties({})]
        self.metrics = Metrics()
        self.manifest: dict[str, Any] = {}
        self.status = 200
        self.content_type: str | None = None

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        """Keep the status."""
        self.status = code

    def set_response_content_type(self, idx: int, value: str) -> None:
        """Keep the content type."""
        self.content_type = value


def service_of(toolkit: str) -> Any:
    """Return the handler service of `toolkit`; its import fails where the toolkit is not installed."""
    if toolkit == "sm":
        from sagemaker_inference.default_handler_service import DefaultHandlerService
        from sagemaker_inference.transformer import Transformer

        return DefaultHandlerService(transformer=Transformer())
    import transformers.file_utils as file_utils

    if not hasattr(file_utils, "is_tf_available"):  # toolkit 2.6.0 asks for it; transformers 5 has it no more
        file_utils.is_tf_available = lambda: False
    from sagemaker_huggingface_inference_toolkit.handler_service import HuggingFaceHandlerService

    return HuggingFaceHandlerService()


def answer(service: Any, context: Context, request: dict[str, str]) -> dict[str, Any]:
    """Return what the server would answer to `request`."""
    headers = {"Content-Type": request["content_type"], "Accept": request["accept"]}
    context.status, context.content_type = 200, None
    context.request_processor = [Properties({name: value for name, value in headers.items() if value})]
    try:
        body = service.handle([{"body": bytearray(request["body"].encode())}], context)[0]
    except Exception as error:  # noqa: BLE001 - the model server catches them all; PredictionException has a status
        context.status, body = getattr(error, "error_code", 500), getattr(error, "message", str(error))
    text = bytes(body).decode() if isinstance(body, bytes | bytearray) else body
    return {"status": context.status, "content_type": context.content_type, "body": text}


def _no_network(*_: Any, **__: Any) -> NoReturn:
    raise OSError("the network is closed here")


def main() -> None:
    """Serve the requests on standard input."""
    toolkit, folder = sys.argv[1], str(Path(sys.argv[2]).resolve())
    socket.socket.connect = socket.getaddrinfo = _no_network  # type: ignore[method-assign]
    os.environ["SAGEMAKER_PROGRAM"] = "inference.py"
    answers = os.fdopen(os.dup(1), "w")  # a print in the artifact would land among the answers
    os.dup2(2, 1)
    sys.path.insert(0, os.path.join(folder, "code"))  # noqa: PTH118
    try:
        service = service_of(toolkit)
    except ImportError as error:
        sys.exit(f"AWS's toolkit is not installed ({error}). Install it with: {INSTALL}")
    context = Context(folder)
    service.initialize(context)
    for line in sys.stdin:
        answers.write(json.dumps(answer(service, context, json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
