"""Answers without end: they are stopped when asked, and errors are not read to the last byte."""

from collections.abc import Iterator

import pytest

from core.cancellation import CancelToken
from core.errors import CancelledByUser, NotFoundError, UsageError
from core.models.hub import HubClient
from core.models.inspection import inspect_model
from core.models.reference import HubReference, parse_reference
from tests.stand_in_hub import StandInHub


class Dripping:
    """An answer that comes byte by byte, until it is asked for larger pieces: those it never has whole."""

    def __init__(self, cancel: CancelToken) -> None:
        self.cancel, self.given = cancel, 0

    def iter_bytes(self, chunk: int | None = None) -> Iterator[bytes]:
        assert chunk is None, "a whole chunk would never come"
        while True:
            self.given += 1
            if self.given == 3:
                self.cancel.cancel()
            yield b"x"


def test_a_dripping_answer_ends_when_stopping_is_asked_for() -> None:
    cancel = CancelToken()
    answer = Dripping(cancel)
    with pytest.raises(CancelledByUser):
        HubClient("http://127.0.0.1:9").body(answer, None, 1000, cancel)
    assert answer.given == 3


def test_of_a_long_error_only_the_beginning_is_read() -> None:
    with StandInHub() as hub:
        hub.fault("/api/models", status=404, body=b"x" * 20_000_000, times=9)
        with pytest.raises(NotFoundError, match="no model") as caught:
            inspect_model(HubReference("acme/none"), HubClient(hub.url, pause=0.01), CancelToken())
    response = getattr(caught.value.__cause__, "response", None)
    assert response is not None
    assert len(response.content) == 64 * 2**10


def test_the_home_of_nobody_is_no_folder() -> None:
    with pytest.raises(UsageError, match="names no folder"):
        parse_reference("~nobody-of-that-name/x")
