"""The request context that Multi Model Server hands to handlers, for those that take `context` as their last argument.

The names and their behaviour are those of `mms.context` (multi-model-server 1.1).
"""

import logging
from typing import Any

logger = logging.getLogger("model_metrics")


class RequestProcessor:
    """The headers and the status of one request."""

    def __init__(self, headers: dict[str, str]) -> None:
        self._request_headers = headers
        self._response_headers: dict[str, str] = {}
        self._status: tuple[int, str | None] = (200, None)

    def get_request_property(self, key: str) -> str | None:
        """Return one header of the request, by its spelling there."""
        return self._request_headers.get(key)

    def get_request_properties(self) -> dict[str, str]:
        """Return the headers of the request."""
        return self._request_headers

    def report_status(self, code: int, reason_phrase: str | None = None) -> None:
        """Set the status of the answer."""
        self._status = (code, reason_phrase)

    def get_response_status_code(self) -> int:
        """Return the status of the answer."""
        return self._status[0]

    def get_response_status_phrase(self) -> str | None:
        """Return the reason phrase of the answer."""
        return self._status[1]

    def add_response_property(self, key: str, value: str) -> None:
        """Set one header of the answer."""
        self._response_headers[key] = value

    def get_response_headers(self) -> dict[str, str]:
        """Return the headers of the answer."""
        return self._response_headers

    def get_response_header(self, key: str) -> str | None:
        """Return one header of the answer."""
        return self._response_headers.get(key)


class Metrics:
    """Takes any metric that a handler reports (`add_time`, `add_counter`, …) and writes it to the log."""

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("add_"):
            raise AttributeError(name)

        def add(metric: str, value: Any = None, *_more: Any, **_named: Any) -> None:
            logger.debug("%s %s=%s", name[4:], metric, value)

        return add


class Context:
    """What a handler may ask of the model server."""

    def __init__(self, model_dir: str, gpu_id: int | None) -> None:
        self.model_name = "model"
        self.manifest: dict[str, Any] | None = None
        self.system_properties: dict[str, Any] = {
            "model_dir": model_dir,
            "gpu_id": gpu_id,
            "batch_size": 1,
            "server_name": "MMS",
            "server_version": "1.1.11",
        }
        self.request_ids: dict[int, str] = {}
        self.request_processor: list[RequestProcessor] = []
        self.metrics = Metrics()

    def get_request_id(self, idx: int = 0) -> str | None:
        """Return the id of a request of the batch."""
        return self.request_ids.get(idx)

    def get_request_header(self, idx: int, key: str) -> str | None:
        """Return one header of a request."""
        return self.request_processor[idx].get_request_property(key)

    def get_all_request_header(self, idx: int) -> dict[str, str]:
        """Return the headers of a request."""
        return self.request_processor[idx].get_request_properties()

    def set_response_content_type(self, idx: int, value: str) -> None:
        """Set the content type of an answer."""
        self.set_response_header(idx, "content-type", value)

    def get_response_content_type(self, idx: int) -> str | None:
        """Return the content type of an answer."""
        return self.get_response_headers(idx).get("content-type")

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        """Set the status of an answer."""
        self.request_processor[idx].report_status(code, reason_phrase=phrase)

    def set_all_response_status(self, code: int = 200, phrase: str = "") -> None:
        """Set the status of all answers of the batch."""
        for processor in self.request_processor:
            processor.report_status(code, reason_phrase=phrase)

    def get_response_status(self, idx: int) -> tuple[int, str | None]:
        """Return the status and reason phrase of an answer."""
        processor = self.request_processor[idx]
        return processor.get_response_status_code(), processor.get_response_status_phrase()

    def get_response_headers(self, idx: int) -> dict[str, str]:
        """Return the headers of an answer."""
        return self.request_processor[idx].get_response_headers()

    def set_response_header(self, idx: int, key: str, value: str) -> None:
        """Set one header of an answer."""
        self.request_processor[idx].add_response_property(key, value)
