"""Files streamed from a stand-in Hub over real HTTP: whole, checked, and taken up again when cut."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.cancellation import CancelToken
from core.errors import AccessError, CancelledByUser, NotFoundError, RefusedError, SagewizardError, UnreachableError
from core.models.facts import ModelFile
from core.models.hub import HubClient
from core.models.inspection import inspect_model
from core.models.reference import HubReference
from core.models.sources import FileSource, open_source
from tests.contract.sandbox_account import until
from tests.stand_in_hub import StandInHub

NAME = "acme/tiny"
WEIGHTS = os.urandom(3 * 2**20 + 17)
FILES = {"config.json": b"{}", "model.safetensors": WEIGHTS, "vocab.txt": b"a\nb\n", "empty.txt": b""}


@pytest.fixture
def hub() -> Iterator[StandInHub]:
    with StandInHub() as stand_in:
        stand_in.add(NAME, FILES)
        yield stand_in


def opened(hub: StandInHub, token: str | None = None) -> tuple[FileSource, dict[str, ModelFile]]:
    client = HubClient(hub.url, token, pause=0.01)
    facts = inspect_model(HubReference(NAME), client, CancelToken())
    hub.requests.clear()
    return open_source(facts.reference, facts.revision, client), {file.path: file for file in facts.files}


def read(hub: StandInHub, path: str, token: str | None = None) -> bytes:
    source, files = opened(hub, token)
    return b"".join(source.read(files[path], CancelToken()))


@pytest.mark.parametrize("path", sorted(FILES))
def test_a_file_arrives_whole(hub: StandInHub, path: str) -> None:
    assert read(hub, path) == FILES[path]


def test_what_the_hubs_own_library_keeps_on_this_machine_is_not_fetched_again(
    hub: StandInHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import hf_hub_download

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    kept = Path(hf_hub_download(NAME, "model.safetensors", endpoint=hub.url, cache_dir=tmp_path))
    assert read(hub, "model.safetensors") == WEIGHTS
    assert hub.requests == []
    assert read(hub, "vocab.txt") == FILES["vocab.txt"]
    assert hub.requests, "that one was not kept"
    kept.write_bytes(bytes(len(WEIGHTS)))
    with pytest.raises(SagewizardError, match="its checksum differs") as damaged:
        read(hub, "model.safetensors")
    assert "remove it" in damaged.value.fix


def test_the_token_does_not_follow_a_redirect_to_another_origin(hub: StandInHub) -> None:
    read(hub, "model.safetensors", token="hf_good")
    assert [(request.origin, request.token) for request in hub.requests] == [("hub", "hf_good"), ("cdn", None)]


def test_a_cut_stream_is_taken_up_where_it_broke(hub: StandInHub) -> None:
    hub.fault("^cdn:", cut_after=2**20 + 5)
    hub.fault("^cdn:", cut_after=100)
    assert read(hub, "model.safetensors") == WEIGHTS
    ranges = [request.range for request in hub.requests if request.origin == "cdn"]
    assert ranges[0] is None
    assert len(ranges) == 3
    assert all(asked and asked != "bytes=0-" for asked in ranges[1:])


def test_a_server_that_ignores_the_range_is_put_up_with(hub: StandInHub) -> None:
    hub.fault("^cdn:", cut_after=2**21)
    hub.fault("^cdn:", ignore_range=True)
    assert read(hub, "model.safetensors") == WEIGHTS


def test_a_body_that_is_honest_about_being_short_is_taken_up_too(hub: StandInHub) -> None:
    hub.fault("^cdn:", body=WEIGHTS[:1000])
    assert read(hub, "model.safetensors") == WEIGHTS


def test_a_stream_that_never_gets_on_is_given_up(hub: StandInHub) -> None:
    source, files = opened(hub)
    hub.fault("^cdn:", cut_after=0, times=99)
    with pytest.raises(UnreachableError, match="cannot be reached"):
        list(source.read(files["model.safetensors"], CancelToken()))
    assert sum(request.origin == "cdn" for request in hub.requests) == 5


def test_a_flipped_bit_in_a_large_file_is_noticed(hub: StandInHub) -> None:
    hub.fault("^cdn:", flip=2**20)
    with pytest.raises(SagewizardError, match=r"model\.safetensors of acme/tiny is not what was listed"):
        read(hub, "model.safetensors")


def test_a_flipped_bit_in_a_small_file_is_noticed(hub: StandInHub) -> None:
    hub.fault("vocab.txt", flip=1)
    with pytest.raises(SagewizardError, match=r"vocab\.txt of acme/tiny is not what was listed"):
        read(hub, "vocab.txt")


def test_more_bytes_than_listed_are_refused(hub: StandInHub) -> None:
    hub.fault("vocab.txt", body=b"a\nb\nc\n")
    with pytest.raises(SagewizardError, match="larger than the 4 bytes"):
        read(hub, "vocab.txt")


def test_trouble_while_opening_is_waited_out(hub: StandInHub) -> None:
    source, files = opened(hub)
    hub.fault("^cdn:", status=503, times=2)
    hub.fault("^hub:", status=429, headers={"Retry-After": "0"})
    assert b"".join(source.read(files["model.safetensors"], CancelToken())) == WEIGHTS


def test_a_hang_is_given_up_on(hub: StandInHub) -> None:
    _, files = opened(hub)
    hub.fault(hang=True, times=99)
    source = open_source(HubReference(NAME), "main", HubClient(hub.url, timeout=0.2, pause=0.01))
    with pytest.raises(UnreachableError, match=r"did not answer within 0\.2 seconds"):
        list(source.read(files["model.safetensors"], CancelToken()))
    assert until(lambda: len(hub.requests), lambda count: count >= 2) == 2  # the stand-in may read them late


def test_a_file_that_is_gone(hub: StandInHub) -> None:
    source, _ = opened(hub)
    with pytest.raises(NotFoundError, match="not on the Hub any more"):
        list(source.read(ModelFile("gone.txt", 3), CancelToken()))


def test_a_gate_that_closed(hub: StandInHub) -> None:
    source, files = opened(hub)
    hub.repositories[NAME].gated = "auto"
    with pytest.raises(AccessError, match="gated"):
        list(source.read(files["vocab.txt"], CancelToken()))


def test_stopping_ends_a_stream(hub: StandInHub) -> None:
    source, files = opened(hub)
    cancel = CancelToken()
    pieces = source.read(files["model.safetensors"], cancel)
    assert next(pieces)
    cancel.cancel()
    with pytest.raises(CancelledByUser):
        list(pieces)


def test_a_hostile_name_is_never_asked_for(hub: StandInHub) -> None:
    source, _ = opened(hub)
    with pytest.raises(RefusedError, match="unusable name"):
        list(source.read(ModelFile("../../api/secrets", 3), CancelToken()))
    assert hub.requests == []


def test_a_hub_model_without_a_commit_is_not_opened(hub: StandInHub) -> None:
    with pytest.raises(SagewizardError, match="No commit"):
        open_source(HubReference(NAME), None, HubClient(hub.url))


def test_digests_of_the_listing_are_those_of_the_content(hub: StandInHub) -> None:
    _, files = opened(hub)
    assert files["model.safetensors"].sha256 == hashlib.sha256(WEIGHTS).hexdigest()
    assert files["vocab.txt"].git_sha1 == hashlib.sha1(b"blob 4\0a\nb\n").hexdigest()
