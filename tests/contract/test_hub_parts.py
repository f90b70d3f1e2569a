"""Large files in parts from a stand-in Hub over real HTTP: few questions, and nothing damaged is passed on."""

import hashlib
import os
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from core.artifacts.reading import Piece, read_ahead
from core.artifacts.tree import Member
from core.cancellation import CancelToken
from core.errors import AccessError, CancelledByUser, NotFoundError, SagewizardError, UnreachableError
from core.models.facts import ModelFile
from core.models.hub import HubClient
from core.models.sources import HubSource
from tests.contract.sandbox_account import until
from tests.stand_in_hub import Changed, Sparse, StandInHub

NAME = "acme/tiny"
UNIT = 2**20
WEIGHTS = os.urandom(3 * UNIT + 17)
TEXT = os.urandom(2 * UNIT + 5)
FILES = {"model.safetensors": WEIGHTS, "vocab.txt": TEXT, "config.json": b"{}"}
PARTS = ["bytes=0-1048575", "bytes=1048576-2097151", "bytes=2097152-3145727", "bytes=3145728-"]


class CountingHub(StandInHub):
    """Counts the connections to its second origin."""

    def __init__(self, **settings: Any) -> None:
        self.connections = 0
        super().__init__(**settings)

    def _serve(self, origin: str) -> tuple[ThreadingHTTPServer, str]:
        server, url = super()._serve(origin)
        accepted = server.get_request

        def count() -> Any:
            self.connections += origin == "cdn"
            return accepted()

        server.get_request = count  # type: ignore[method-assign]
        return server, url


@pytest.fixture
def hub() -> Iterator[CountingHub]:
    stand_in = CountingHub()
    with stand_in:
        stand_in.add(NAME, FILES)
        yield stand_in


def member(hub: StandInHub, path: str, client: HubClient | None = None, **known: Any) -> Member:
    data = FILES.get(path, b"")
    listed: dict[str, Any] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), **known}
    file = ModelFile(path, **listed)
    source = HubSource(NAME, hub.repositories[NAME].commit, client or HubClient(hub.url, "hf_good", pause=0.01))
    return Member(path, file.bytes, source.content(file), file)


def pieces(*members: Member, one_by_one: bool = False, cancel: CancelToken | None = None) -> Iterator[Piece]:
    window = UNIT if one_by_one else 64 * UNIT
    return read_ahead(members, cancel=cancel or CancelToken(), unit_bytes=UNIT, window_bytes=window)


def read(*members: Member, one_by_one: bool = False) -> bytes:
    return b"".join(piece.data for piece in pieces(*members, one_by_one=one_by_one))


def asked(hub: StandInHub, origin: str) -> list[str | None]:
    return [request.range for request in hub.requests if request.origin == origin]


@pytest.mark.parametrize("one_by_one", [True, False])
def test_a_file_of_many_parts_costs_the_hub_one_question(hub: CountingHub, one_by_one: bool) -> None:
    assert read(member(hub, "model.safetensors"), one_by_one=one_by_one) == WEIGHTS
    assert asked(hub, "hub") == [None]
    assert sorted(map(str, asked(hub, "cdn"))) == PARTS


def test_the_address_is_remembered_by_the_client(hub: CountingHub) -> None:
    client = HubClient(hub.url)
    for _ in range(2):
        assert read(member(hub, "model.safetensors", client)) == WEIGHTS
    assert asked(hub, "hub") == [None]


def test_parts_come_over_a_connection_that_is_there(hub: CountingHub) -> None:
    assert read(member(hub, "model.safetensors"), one_by_one=True) == WEIGHTS
    assert hub.connections == 1


def test_no_byte_is_sent_twice(hub: CountingHub) -> None:
    read(member(hub, "model.safetensors"))
    assert hub.sent[f"{NAME}/model.safetensors"] == len(WEIGHTS)


def test_the_token_goes_to_the_hub_alone(hub: CountingHub) -> None:
    hub.fault("^cdn:", expire=True)
    read(member(hub, "model.safetensors"), member(hub, "vocab.txt"))
    assert {(request.origin, request.token) for request in hub.requests} == {("hub", "hf_good"), ("cdn", None)}


def test_a_large_file_that_the_hub_sends_itself(hub: CountingHub) -> None:
    assert read(member(hub, "vocab.txt"), one_by_one=True) == TEXT
    assert asked(hub, "hub") == [None, "bytes=1048576-2097151", "bytes=2097152-"]


def test_parts_of_a_large_file_that_the_hub_sends_itself_at_once(hub: CountingHub) -> None:
    assert read(member(hub, "vocab.txt"), member(hub, "config.json")) == TEXT + b"{}"
    assert asked(hub, "hub").count(None) == 2


def test_a_part_that_is_cut_is_taken_up_where_it_broke(hub: CountingHub) -> None:
    hub.fault("^cdn:", cut_after=300_001, times=2)
    assert read(member(hub, "model.safetensors"), one_by_one=True) == WEIGHTS
    begins = [int(str(part).removeprefix("bytes=").split("-")[0]) for part in asked(hub, "cdn")]
    assert begins[:2] == [0, 300_001]
    assert sorted(begins) == begins
    assert len(begins) == 6
    assert asked(hub, "hub") == [None]


def test_cuts_and_trouble_in_all_parts_are_waited_out(hub: CountingHub) -> None:
    hub.fault("^cdn:", status=503, times=3)
    hub.fault("^cdn:", cut_after=0, times=2)
    hub.fault("^cdn:", cut_after=99_999, times=4)
    hub.fault("^hub:", status=429, headers={"Retry-After": "0"})
    assert read(member(hub, "model.safetensors")) == WEIGHTS


def test_a_part_that_never_gets_on_is_given_up(hub: CountingHub) -> None:
    hub.fault("^cdn:", cut_after=0, times=99)
    with pytest.raises(UnreachableError, match="cannot be reached"):
        read(member(hub, "model.safetensors"), one_by_one=True)
    assert len(asked(hub, "cdn")) == 5


def test_a_part_that_hangs_is_given_up_on(hub: CountingHub) -> None:
    hub.fault("^cdn:", hang=True, times=99)
    with pytest.raises(UnreachableError, match=r"did not answer within 0\.2 seconds"):
        read(member(hub, "model.safetensors", HubClient(hub.url, timeout=0.2, pause=0.01)), one_by_one=True)


@pytest.mark.parametrize("part", range(4))
def test_a_flipped_bit_is_refused_before_the_last_piece(hub: CountingHub, part: int) -> None:
    coming = pieces(member(hub, "model.safetensors"), one_by_one=True)
    given_out = [next(coming) for _ in range(part)]
    hub.fault("^cdn:", flip=5)
    with pytest.raises(SagewizardError, match=r"model\.safetensors of acme/tiny is not what was listed"):
        given_out.extend(coming)
    assert len(given_out) == 3
    assert not any(piece.last for piece in given_out)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_an_address_that_is_good_no_more_is_asked_for_anew(hub: CountingHub, status: int) -> None:
    coming = pieces(member(hub, "model.safetensors"), one_by_one=True)
    first = bytes(next(coming).data)
    hub.fault("^cdn:", status=status)
    assert first + b"".join(piece.data for piece in coming) == WEIGHTS
    assert asked(hub, "hub") == [None, None]


def test_an_address_that_expires_for_all_parts_at_once_is_asked_for_once(hub: CountingHub) -> None:
    client = HubClient(hub.url)
    read(member(hub, "model.safetensors", client))
    hub.expire()
    assert read(member(hub, "model.safetensors", client)) == WEIGHTS
    assert asked(hub, "hub") == [None, None]


def test_an_address_that_is_refused_from_the_start_is_asked_for_anew(hub: CountingHub) -> None:
    hub.fault("^cdn:", expire=True)
    assert read(member(hub, "model.safetensors"), one_by_one=True) == WEIGHTS
    assert asked(hub, "hub") == [None, None]


def test_a_file_that_stays_refused_is_asked_for_anew_once(hub: CountingHub) -> None:
    coming = pieces(member(hub, "model.safetensors"), one_by_one=True)
    next(coming)
    hub.fault("^cdn:", status=403, times=99)
    with pytest.raises(AccessError, match="denied access"):
        next(coming)
    assert asked(hub, "hub") == [None, None]
    assert len(asked(hub, "cdn")) == 3


def test_a_file_that_is_gone_from_the_hub(hub: CountingHub) -> None:
    with pytest.raises(NotFoundError, match="not on the Hub any more"):
        read(member(hub, "gone.safetensors", bytes=5 * UNIT))


def test_another_part_than_was_asked_for_is_refused(hub: CountingHub) -> None:
    headers = {"Content-Range": f"bytes 5-{UNIT + 4}/{len(WEIGHTS)}"}
    hub.fault("^cdn:", status=206, headers=headers, body=WEIGHTS[5 : UNIT + 5])
    with pytest.raises(SagewizardError, match="another part of the file"):
        read(member(hub, "model.safetensors"), one_by_one=True)


def test_a_server_that_ignores_ranges_is_put_up_with_for_small_files(hub: CountingHub) -> None:
    hub.fault("^cdn:", ignore_range=True, times=99)
    assert read(member(hub, "model.safetensors")) == WEIGHTS


def test_a_server_that_ignores_ranges_is_not_made_to_send_a_large_file_again_and_again(hub: CountingHub) -> None:
    hub.add(NAME, {"model.safetensors": Sparse(100 * UNIT)})
    hub.fault("^cdn:", ignore_range=True, times=99)
    content = member(hub, "model.safetensors", bytes=100 * UNIT).content
    assert b"".join(content.read_part(8 * UNIT, 10, CancelToken())) == bytes(10)
    with pytest.raises(SagewizardError, match="parts of files are not sent by themselves"):
        list(content.read_part(8 * UNIT + 1, 10, CancelToken()))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (WEIGHTS + b"!", "is larger than the 3,145,745 bytes"),
        (WEIGHTS[:-1], "has 3,145,744 bytes instead of 3,145,745"),
    ],
    ids=["longer", "shorter"],
)
def test_a_file_of_another_size_than_listed_is_refused(hub: CountingHub, content: bytes, said: str) -> None:
    hub.add(NAME, {"model.safetensors": Changed(WEIGHTS, content)})
    with pytest.raises(SagewizardError, match=said):
        read(member(hub, "model.safetensors"))


def test_very_many_small_files_cost_one_question_each(hub: CountingHub) -> None:
    files = {f"{number}.json": b"%d" % number for number in range(200)}
    hub.add(NAME, files)
    client = HubClient(hub.url)
    known = [
        member(hub, path, client, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
        for path, data in files.items()
    ]
    assert read(*known) == b"".join(files.values())
    assert len(hub.requests) == 200


@pytest.mark.parametrize("what", [{"hang": True}, {"drip": "headers"}, {"drip": "body"}])
@pytest.mark.parametrize("origin", ["hub", "cdn"])
def test_stopping_ends_what_hangs(hub: CountingHub, origin: str, what: dict[str, Any]) -> None:
    hub.fault(f"^{origin}:", times=99, **what)
    cancel = CancelToken()

    def stop_once_stuck() -> None:
        hub.stuck.wait(30)
        cancel.cancel()

    stopping = threading.Thread(target=stop_once_stuck)
    stopping.start()
    client = HubClient(hub.url, timeout=60, longest=60)
    with pytest.raises(CancelledByUser):
        list(pieces(member(hub, "model.safetensors", client), cancel=cancel))
    stopping.join()


def test_an_error_ends_what_hangs(hub: CountingHub) -> None:
    client = HubClient(hub.url, timeout=60, longest=60)
    hub.fault("^cdn:", hang=True, times=99)
    first = member(hub, "config.json", client)

    class AfterTheOthers:
        """The small file, which is only read when the large one hangs, and is not what was listed."""

        def read_part(self, start: int, length: int, cancel: CancelToken) -> Iterator[bytes]:
            assert hub.stuck.wait(30)
            yield b"[]"

        check, release = first.content.check, first.content.release

    damaged = Member(first.path, first.bytes, AfterTheOthers(), first.origin)
    with pytest.raises(SagewizardError, match=r"config\.json of acme/tiny is not what was listed"):
        list(pieces(damaged, member(hub, "model.safetensors", client)))
    left = until(lambda: [thread.name for thread in threading.enumerate()], lambda found: "read-ahead" not in found)
    assert "read-ahead" not in left


@pytest.fixture
def cached(hub: CountingHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in the local cache of the Hub that holds the weights."""
    repository = tmp_path / "cache" / "models--acme--tiny"
    blob = repository / "blobs" / "0123"
    link = repository / "snapshots" / hub.repositories[NAME].commit / "model.safetensors"
    blob.parent.mkdir(parents=True)
    link.parent.mkdir(parents=True)
    blob.write_bytes(WEIGHTS)
    link.symlink_to(blob)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    return blob


def test_what_is_in_the_local_cache_is_not_fetched(hub: CountingHub, cached: Path) -> None:
    assert read(member(hub, "model.safetensors"), member(hub, "config.json")) == WEIGHTS + b"{}"
    assert [request.path.rpartition("/")[2] for request in hub.requests] == ["config.json"]


def test_a_damaged_file_in_the_local_cache_is_named(hub: CountingHub, cached: Path) -> None:
    cached.write_bytes(WEIGHTS[:-1] + bytes([WEIGHTS[-1] ^ 1]))
    given_out: list[Piece] = []
    with pytest.raises(SagewizardError) as caught:
        given_out.extend(pieces(member(hub, "model.safetensors")))
    assert caught.value.message == f"{cached} is not what was listed: its checksum differs."
    assert "local cache" in caught.value.fix
    assert "remove it" in caught.value.fix
    assert not any(piece.last for piece in given_out)
    assert hub.requests == []
    cached.unlink()
    assert read(member(hub, "model.safetensors")) == WEIGHTS


def test_a_file_in_the_local_cache_of_another_size_is_fetched(hub: CountingHub, cached: Path) -> None:
    cached.write_bytes(WEIGHTS[:-1])
    assert read(member(hub, "model.safetensors")) == WEIGHTS
    assert asked(hub, "hub") == [None]


def test_all_that_came_before_a_cut_is_passed_on(hub: CountingHub) -> None:
    client = HubClient(hub.url)
    hub.fault("^cdn:", cut_after=300_001)
    came = b""
    with client.stream(NAME, "main", "model.safetensors", start=0, cancel=CancelToken()) as coming:
        try:
            for piece in coming:
                came += piece
        except Exception as error:  # noqa: BLE001 - of the HTTP library, whose name differs
            interrupted = client.interrupted(error)
        else:
            interrupted = None
    assert interrupted is not None
    assert came == WEIGHTS[:300_001]
