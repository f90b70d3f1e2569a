"""Parts of files, and cards, from a stand-in Hub over real HTTP."""

from collections.abc import Iterator
from typing import Any

import pytest

from core.cancellation import CancelToken
from core.errors import AccessError, CancelledByUser, NotFoundError, SagewizardError, UnreachableError
from core.models.card import ModelCard, fetch_card
from core.models.hub import HubClient
from core.models.reference import HubReference
from tests.stand_in_hub import Ghost, StandInHub

NAME = "acme/tiny"
PATH = "model.safetensors"
DATA = bytes(range(256)) * 40


@pytest.fixture
def hub() -> Iterator[StandInHub]:
    with StandInHub() as stand_in:
        yield stand_in


def part(hub: StandInHub, start: int, length: int, path: str = PATH, **settings: Any) -> bytes:
    client = HubClient(hub.url, **{"token": "hf_good", "timeout": 60.0, "pause": 0.01, **settings})
    return client.file_range(NAME, "main", path, start, length, CancelToken())


@pytest.mark.parametrize("path", [PATH, "config.json"], ids=["cdn", "hub"])
@pytest.mark.parametrize(("start", "length"), [(0, 8), (8, 1000), (10_000, 240), (10_239, 1)])
def test_a_part_is_what_was_asked_for(hub: StandInHub, path: str, start: int, length: int) -> None:
    hub.add(NAME, {path: DATA})
    assert part(hub, start, length, path) == DATA[start : start + length]
    assert {request.range for request in hub.requests} == {f"bytes={start}-{start + length - 1}"}


def test_the_token_does_not_follow_to_the_cdn(hub: StandInHub) -> None:
    hub.add(NAME, {PATH: DATA}, private=True)
    part(hub, 0, 8)
    assert [(request.origin, request.token) for request in hub.requests] == [("hub", "hf_good"), ("cdn", None)]


def test_a_part_ends_where_the_file_does(hub: StandInHub) -> None:
    hub.add(NAME, {PATH: DATA})
    assert part(hub, 10_200, 1000) == DATA[10_200:]
    assert part(hub, 10_240, 8) == b""
    assert part(hub, 2**50, 8) == b""


def test_nothing_is_asked_for_no_bytes(hub: StandInHub) -> None:
    hub.add(NAME, {PATH: DATA})
    assert part(hub, 4, 0) == b""
    assert hub.requests == []


def test_a_part_from_the_middle_of_a_large_file(hub: StandInHub) -> None:
    hub.add(NAME, {PATH: Ghost(10**12, head=b"header")})
    assert part(hub, 0, 10) == b"header\0\0\0\0"
    assert part(hub, 3, 2) == b"de"
    assert part(hub, 10**12 - 3, 100) == b"\0\0\0"


@pytest.mark.parametrize("start", [0, 100, 2**20])
def test_a_server_that_ignores_the_range_is_read_no_further_than_needed(hub: StandInHub, start: int) -> None:
    hub.add(NAME, {PATH: Ghost(10**12, head=bytes(start) + b"wanted")})
    # What lies behind would never come: the stand-in announces more than it sends.
    hub.fault("^cdn:", ignore_range=True, times=9, cut_after=start + 2**16)
    assert part(hub, start, 6) == b"wanted"
    assert len(hub.requests) == 2


def test_a_file_is_not_downloaded_to_reach_a_part(hub: StandInHub) -> None:
    hub.add(NAME, {PATH: Ghost(10**12)})
    hub.fault("^cdn:", ignore_range=True, times=9)
    with pytest.raises(SagewizardError, match="not sent by themselves"):
        part(hub, 10**11, 8)
    assert len(hub.requests) == 2


def test_another_part_than_the_one_asked_for_is_not_taken(hub: StandInHub) -> None:
    hub.add(NAME, {PATH: DATA})
    hub.fault("^cdn:", status=206, body=b"elsewhere", headers={"Content-Range": "bytes 100-108/10240"})
    with pytest.raises(SagewizardError, match="another part"):
        part(hub, 0, 9)


def test_a_part_that_is_longer_than_asked_for_is_cut(hub: StandInHub) -> None:
    hub.add(NAME, {PATH: DATA})
    hub.fault("^cdn:", status=206, body=DATA, headers={"Content-Range": "bytes 0-7/10240"})
    assert part(hub, 0, 8) == DATA[:8]


def test_a_part_that_breaks_off_is_asked_for_again(hub: StandInHub) -> None:
    hub.add(NAME, {PATH: DATA})
    hub.fault("^cdn:", cut_after=20)
    hub.fault("^hub:", status=503)
    assert part(hub, 0, 1000) == DATA[:1000]
    assert [request.origin for request in hub.requests] == ["hub", "hub", "cdn", "hub", "cdn"]


def test_a_part_that_does_not_come_is_given_up_on(hub: StandInHub) -> None:
    hub.add(NAME, {PATH: DATA})
    hub.fault("^cdn:", hang=True, times=9)
    with pytest.raises(UnreachableError, match="did not answer"):
        part(hub, 0, 8, timeout=0.2)


def test_a_part_of_what_is_not_there_or_gated(hub: StandInHub) -> None:
    hub.add(NAME, {PATH: DATA}, gated="manual")
    with pytest.raises(AccessError, match="gated"):
        part(hub, 0, 8, token="")
    with pytest.raises(NotFoundError):
        part(hub, 0, 8, "other.safetensors")


def test_stopping_before_a_part(hub: StandInHub) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(CancelledByUser):
        HubClient(hub.url, "").file_range(NAME, "main", PATH, 0, 8, cancel)
    assert hub.requests == []


def card(hub: StandInHub, revision: str | None = None) -> ModelCard:
    client = HubClient(hub.url, "", timeout=60.0, pause=0.01)
    return fetch_card(HubReference(NAME, revision), None, client, CancelToken())


def test_the_card_of_a_model_on_the_hub(hub: StandInHub) -> None:
    repository = hub.add(NAME, {"README.md": "---\nlicense: mit\n---\n# Tiny – <b>model</b>".encode()})
    assert card(hub, repository.commit).readable == "# Tiny – model"
    (request,) = hub.requests
    assert request.path == f"/{NAME}/resolve/{repository.commit}/README.md"


def test_a_model_without_a_card(hub: StandInHub) -> None:
    hub.add(NAME, {"config.json": b"{}"})
    assert card(hub) == ModelCard("")


def test_no_model_is_not_a_model_without_a_card(hub: StandInHub) -> None:
    with pytest.raises(NotFoundError, match="no model"):
        card(hub)
    hub.add(NAME, {"README.md": b"x"})
    with pytest.raises(NotFoundError, match="no revision"):
        card(hub, "v9")


def test_a_card_without_end_is_refused(hub: StandInHub) -> None:
    hub.add(NAME, {"README.md": b" " * (2**20 + 1)})
    with pytest.raises(SagewizardError, match="larger than"):
        card(hub)
