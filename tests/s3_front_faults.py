"""What can go wrong at the front (`tests.s3_front`), with which requests and when."""

import re
import threading
from dataclasses import dataclass
from typing import Literal

Moment = Literal["arrival", "body", "answer"] | int
"""When a fault strikes: before anything of the body is read (`arrival`); once the body was read, of which nothing is
passed on (`body`); once as many bytes of the body were passed on (a number, less than there are); once the request was
carried out and before any of its answer goes out (`answer`)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error as AWS answers it, in the format of the service that was asked."""

    status: int
    code: str
    message: str


# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
SLOW_DOWN = Refusal(503, "SlowDown", "Please reduce your request rate.")
INTERNAL_ERROR = Refusal(500, "InternalError", "We encountered an internal error. Please try again.")
EXPIRED_TOKEN = Refusal(403, "ExpiredToken", "The provided token has expired.")
"""As most services answer; S3's own list has it with status 400."""
ACCESS_DENIED = Refusal(403, "AccessDenied", "Access Denied")
REQUEST_TIMEOUT = Refusal(
    400,
    "RequestTimeout",
    "Your socket connection to the server was not read from or written to within the timeout period.",
)


class Gate:
    """Where requests are held back until the test lets them go."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        """Set once a request is held back."""
        self._decided = threading.Event()
        self._open = False

    def wait(self) -> None:
        """Return once a request is held back; fail when none comes."""
        assert self.arrived.wait(60), "no request came to the gate"

    def open(self) -> None:
        """Let what is held back go on."""
        self._open = True
        self._decided.set()

    def drop(self) -> None:
        """Cut the connections of what is held back."""
        self._decided.set()

    def pass_through(self) -> bool:
        """Wait; return whether the request may go on."""
        self.arrived.set()
        self._decided.wait()
        return self._open


@dataclass
class Request:
    """A request as it came. `path` and `query` are quoted as they were, `service` is the one that it is signed for."""

    service: str
    method: str
    path: str
    query: str
    bytes: int = 0
    """How much of its body has come."""
    status: int | None = None
    """What it was answered with; `None` when its connection was cut."""


@dataclass(frozen=True)
class Pattern:
    """Which requests are meant: all that a service gets, or those in which the regular expressions are found."""

    service: str | None
    method: str
    path: str
    query: str

    def fits(self, request: Request) -> bool:
        """Whether a request is meant."""
        return (
            self.service in {None, request.service}
            and re.fullmatch(self.method or ".*", request.method) is not None
            and re.search(self.path, request.path) is not None
            and re.search(self.query, request.query) is not None
        )


@dataclass
class Fault:
    """Something that goes wrong with the next `times` requests of a pattern, as `S3Front.fault` has it."""

    pattern: Pattern
    times: int
    at: Moment = "arrival"
    refuse: Refusal | None = None
    cut: bool = False
    gate: Gate | None = None
    flip: int | None = None
    flip_answer: int | None = None
    cut_answer: int | None = None
