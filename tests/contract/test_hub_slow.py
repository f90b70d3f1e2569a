"""Answers that drip, hang or have no end: waiting for them ends, when asked or by itself, and so does reading them."""

import gzip
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from core.cancellation import CancelToken
from core.errors import CancelledByUser, NotFoundError, SagewizardError, UnreachableError
from core.models.hub import HubClient
from tests.contract.sandbox_account import until
from tests.stand_in_hub import StandInHub

NAME = "acme/tiny"
CONFIG = b'{"model_type": "gpt2"}'
# RFC 1952: a name of the file follows, and ends with a zero byte. Until then there is nothing to decompress.
_GZIP_WITHOUT_END = b"\x1f\x8b\x08\x08" + bytes(6)
_ENDLESS: list[dict[str, Any]] = [
    {"drip": "headers"},
    {"drip": "body"},
    {"drip": "body", "headers": {"Content-Encoding": "gzip"}, "body": _GZIP_WITHOUT_END},
    {"drip": "body", "status": 302, "headers": {"Location": "/elsewhere"}},
]
_NAMES = ["headers", "body", "compressed body", "redirect"]


@pytest.fixture
def hub() -> Iterator[StandInHub]:
    with StandInHub() as stand_in:
        stand_in.add(NAME, {"config.json": CONFIG})
        yield stand_in


def client(hub: StandInHub, **settings: Any) -> HubClient:
    return HubClient(hub.url, "hf_good", **{"timeout": 60.0, "longest": 60.0, "pause": 0.01, **settings})


def record(hub: HubClient, cancel: CancelToken) -> object:
    return hub.model(NAME, None, cancel)


def part(hub: HubClient, cancel: CancelToken) -> object:
    return hub.file_range(NAME, "main", "config.json", 0, 10_000, cancel)


def whole(hub: HubClient, cancel: CancelToken) -> object:
    with hub.stream(NAME, "main", "config.json", start=0, cancel=cancel) as pieces:
        return b"".join(pieces)


@pytest.mark.parametrize(
    "fault", [*_ENDLESS, {"drip": "body", "status": 404}, {"hang": True}], ids=[*_NAMES, "error", "hang"]
)
@pytest.mark.parametrize("ask", [record, part, whole])
def test_waiting_ends_when_stopping_is_asked_for(
    hub: StandInHub, fault: dict[str, Any], ask: Callable[[HubClient, CancelToken], object]
) -> None:
    hub.fault(times=99, **fault)
    cancel = CancelToken()

    def stop_once_stuck() -> None:
        hub.stuck.wait(30)
        cancel.cancel()

    stopping = threading.Thread(target=stop_once_stuck)
    stopping.start()
    with pytest.raises(CancelledByUser):
        ask(client(hub), cancel)
    stopping.join()
    assert len(hub.requests) == 1


@pytest.mark.parametrize("fault", _ENDLESS, ids=_NAMES)
@pytest.mark.parametrize("ask", [record, part])
def test_metadata_that_drips_is_given_up_on(
    hub: StandInHub, fault: dict[str, Any], ask: Callable[[HubClient, CancelToken], object]
) -> None:
    hub.fault(times=99, **fault)
    with pytest.raises(UnreachableError, match=r"did not answer within 0\.3 seconds"):
        ask(client(hub, longest=0.3), CancelToken())
    assert len(hub.requests) == 1


@pytest.mark.parametrize("fault", _ENDLESS, ids=_NAMES)
def test_what_is_given_up_on_leaves_no_connection_and_no_thread(hub: StandInHub, fault: dict[str, Any]) -> None:
    hub.fault(times=99, **fault)
    with pytest.raises(UnreachableError):
        record(client(hub, longest=0.3), CancelToken())
    assert hub.left.wait(30)
    names = until(lambda: [thread.name for thread in threading.enumerate()], lambda found: "hub-answer" not in found)
    assert "hub-answer" not in names


def test_the_hub_is_asked_again_after_it_dripped(hub: StandInHub) -> None:
    asked = client(hub, longest=0.3)
    hub.fault(drip="headers")
    with pytest.raises(UnreachableError):
        part(asked, CancelToken())
    assert part(client(hub), CancelToken()) == CONFIG


def test_of_a_large_error_only_the_beginning_is_read(hub: StandInHub) -> None:
    hub.fault(status=404, body=b"x" * 20_000_000, times=9)
    with pytest.raises(NotFoundError, match="no model") as caught:
        record(client(hub), CancelToken())
    response = getattr(caught.value.__cause__, "response", None)
    assert response is not None
    assert len(response.content) == 64 * 2**10
    assert hub.left.wait(30)


@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "gzip"}])
def test_the_text_of_an_error_is_not_waited_for_long(hub: StandInHub, headers: dict[str, str]) -> None:
    hub.fault(status=404, headers=headers, drip="body", times=9)
    with pytest.raises(NotFoundError, match="no model"):
        record(client(hub, longest=0.3), CancelToken())


def test_of_a_large_redirect_only_the_beginning_is_read(hub: StandInHub) -> None:
    there = {"Location": f"/{NAME}/resolve/main/config.json"}
    hub.fault(status=302, body=b"x" * 20_000_000, headers=there)
    assert part(client(hub), CancelToken()) == CONFIG
    assert hub.left.wait(30)


def test_redirects_in_a_circle_end(hub: StandInHub) -> None:
    hub.fault(status=302, headers={"Location": "/again"}, times=99)
    with pytest.raises(UnreachableError, match="redirects more than 10 times"):
        record(client(hub), CancelToken())
    assert len(hub.requests) == 11


@pytest.mark.parametrize("place", ["http://[", "ftp://127.0.0.1/x", "http://a b/"])
def test_a_redirect_to_no_address_is_told(hub: StandInHub, place: str) -> None:
    hub.fault(status=302, headers={"Location": place}, times=99)
    with pytest.raises(UnreachableError, match=r"could not be asked|cannot be reached"):
        record(client(hub), CancelToken())


def test_a_compressed_answer_is_read(hub: StandInHub) -> None:
    hub.fault(body=gzip.compress(CONFIG), headers={"Content-Encoding": "gzip"}, status=200)
    assert hub_file(hub) == CONFIG


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd", "deflate"])
def test_an_answer_that_may_grow_without_bounds_is_refused(hub: StandInHub, encoding: str) -> None:
    body = gzip.compress(gzip.compress(CONFIG))
    hub.fault(body=body, headers={"Content-Encoding": encoding}, status=200)
    with pytest.raises(SagewizardError, match="compressed in a way"):
        hub_file(hub)
    hub.fault(body=body, headers={"Content-Encoding": encoding}, status=404)
    with pytest.raises(NotFoundError) as caught:
        hub_file(hub)
    assert getattr(caught.value.__cause__, "response").content == b""  # noqa: B009 - of a type that is not ours


def hub_file(hub: StandInHub) -> bytes:
    return client(hub).file(NAME, "main", "config.json", limit=10_000, cancel=CancelToken())
