"""What the stand-in Hub does beyond files in memory: files of any size, rates, and what changes under way."""

import hashlib
import http.client
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from core.cancellation import CancelToken
from core.errors import SagewizardError
from core.models.hub import HubClient
from core.models.inspection import inspect_model
from core.models.reference import HubReference
from core.models.sources import open_source
from tests.rate_limit import RateLimit
from tests.stand_in_hub import Changed, Content, Ghost, OnDisk, Sparse, StandInHub, safetensors_header
from tests.stand_in_hub_files import HubFile

NAME = "acme/tiny"
PATH = "model.safetensors"
PATTERN = os.urandom(70_001)
SIZE = 5 * 2**20 + 3


@pytest.fixture
def hub() -> Iterator[StandInHub]:
    with StandInHub() as stand_in:
        yield stand_in


def files(folder: Path) -> dict[str, tuple[HubFile, bytes]]:
    """Files that are not given as bytes, and their contents."""
    data = os.urandom(SIZE)
    (folder / "there").write_bytes(data)
    patterned = (b"header" + PATTERN * (SIZE // len(PATTERN) + 1))[:SIZE]
    return {
        "zeros": (Sparse(SIZE), bytes(SIZE)),
        "pattern": (Sparse(SIZE, head=b"header", pattern=PATTERN), patterned),
        "only the head": (Sparse(3, head=b"header"), b"hea"),
        "disk": (OnDisk(folder / "there"), data),
    }


NAMES = ["zeros", "pattern", "only the head", "disk"]


def read(hub: StandInHub, path: str = PATH) -> bytes:
    client = HubClient(hub.url, pause=0.01)
    facts = inspect_model(HubReference(NAME), client, CancelToken())
    (file,) = [file for file in facts.files if file.path == path]
    return b"".join(open_source(facts.reference, facts.revision, client).read(file, CancelToken()))


def part(hub: StandInHub, start: int, length: int) -> bytes:
    return HubClient(hub.url, pause=0.01).file_range(NAME, "main", PATH, start, length, CancelToken())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("path", [PATH, "notes.txt"], ids=["cdn", "hub"])
def test_a_file_is_listed_with_its_digest_and_sent_whole(hub: StandInHub, tmp_path: Path, name: str, path: str) -> None:
    file, data = files(tmp_path)[name]
    hub.add(NAME, {path: file})
    assert read(hub, path) == data  # seen by the program to be what was listed
    assert (file.size, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert file.git_sha1 == hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    assert hub.sent == {f"{NAME}/{path}": len(data)}


@pytest.mark.parametrize("name", ["zeros", "pattern", "disk"])
@pytest.mark.parametrize(
    ("start", "length"), [(0, 1), (0, 7), (5, 2), (6, 70_001), (2**20 - 1, 2**20 + 5), (SIZE - 3, 100)]
)
def test_a_part_of_a_file_is_sent(hub: StandInHub, tmp_path: Path, name: str, start: int, length: int) -> None:
    file, data = files(tmp_path)[name]
    hub.add(NAME, {PATH: file})
    assert part(hub, start, length) == data[start : start + length]
    assert hub.sent.total() == len(data[start : start + length])


def test_a_file_of_terabytes_costs_nothing_where_it_is_not_read(hub: StandInHub) -> None:
    head = safetensors_header((2**39,), "F32", 2**41)
    hub.add(NAME, {PATH: Sparse(len(head) + 2**41, head=head, pattern=b"abc")})
    start = len(head) + 3 * 2**38
    assert part(hub, 0, len(head)) == head
    assert part(hub, start, 7) == b"abcabca"
    assert hub.repositories[NAME].commit == hub.repositories[NAME].commit


@pytest.mark.parametrize("name", ["zeros", "disk"])
def test_faults_strike_large_files_too(hub: StandInHub, tmp_path: Path, name: str) -> None:
    file, data = files(tmp_path)[name]
    hub.add(NAME, {PATH: file})
    hub.fault("^cdn:", cut_after=2**21 + 1)
    assert read(hub) == data
    hub.fault("^cdn:", flip=2**20 + 1, times=9)
    with pytest.raises(SagewizardError, match="checksum differs"):
        read(hub)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"other than there", "checksum differs"),
        (b"shorter", "7 bytes"),
        (b"longer than was listed", "larger"),
    ],
)
def test_a_file_that_changed_after_it_was_listed_is_noticed(hub: StandInHub, content: bytes, words: str) -> None:
    hub.add(NAME, {"notes.txt": Changed(listed=b"as it was listed", content=content)})
    with pytest.raises(SagewizardError, match=words):
        read(hub, "notes.txt")


def test_a_changed_file_may_be_large(hub: StandInHub) -> None:
    hub.add(NAME, {PATH: Changed(listed=Sparse(SIZE), content=Sparse(SIZE, pattern=PATTERN))})
    with pytest.raises(SagewizardError, match="checksum differs"):
        read(hub)
    assert hub.sent[f"{NAME}/{PATH}"] == SIZE


def test_the_commit_tells_contents_apart(hub: StandInHub, tmp_path: Path) -> None:
    contents: list[Content] = [file for file, _ in files(tmp_path).values()]
    contents += [b"x", b"y", Ghost(SIZE), Ghost(SIZE, head=b"x"), Changed(Ghost(7), b"x")]
    commits = [hub.add(NAME, {PATH: content}).commit for content in contents]
    assert len(set(commits)) == len(commits)
    assert hub.add(NAME, {PATH: Changed(b"x", b"y")}).commit == hub.add(NAME, {PATH: b"x"}).commit


def test_an_expired_address_stays_refused_until_the_hub_gives_another(hub: StandInHub) -> None:
    hub.add(NAME, {PATH: b"content"})

    def resolved() -> str:
        return str(ask(f"{hub.url}/{NAME}/resolve/main/{PATH}").headers["Location"])

    first, second = resolved(), resolved()
    hub.fault("^cdn:", expire=True)
    assert [ask(address).status for address in (first, first, second, first)] == [403, 403, 200, 403]
    hub.expire()
    assert [ask(address).status for address in (second, resolved())] == [403, 200]


def ask(address: str) -> http.client.HTTPResponse:
    """Return an answer as it is, redirects not followed."""
    url = urlsplit(address)
    connection = http.client.HTTPConnection(url.netloc)
    connection.request("GET", address.removeprefix(f"http://{url.netloc}"))
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def test_both_origins_together_send_as_much_as_the_rate_allows(hub: StandInHub, tmp_path: Path) -> None:
    class Clock:
        now = 0.0

        def wait(self, seconds: float) -> None:
            self.now += seconds

    clock = Clock()
    file, data = files(tmp_path)["disk"]
    hub.add(NAME, {PATH: file, "notes.txt": Sparse(2**20)})
    hub.limit = RateLimit(2**20, clock=lambda: clock.now, wait=clock.wait)
    assert read(hub) == data
    assert clock.now == pytest.approx(SIZE / 2**20)
    assert len(read(hub, "notes.txt")) == 2**20
    assert clock.now == pytest.approx(SIZE / 2**20 + 1)


def test_a_rate_is_shared_by_those_who_take_at_once() -> None:
    waits: list[float] = []
    limit = RateLimit(1000, clock=lambda: 0.0, wait=waits.append)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(limit.take, [500] * 8))
    assert sorted(waits) == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0]


def test_time_that_was_not_used_is_not_made_up_for() -> None:
    now = 0.0
    waits: list[float] = []
    limit = RateLimit(1000, clock=lambda: now, wait=waits.append)
    now = 60.0
    limit.take(100)
    limit.take(100)
    assert waits == pytest.approx([0.1, 0.2])


def test_without_a_rate_nothing_waits() -> None:
    limit = RateLimit(None, wait=lambda _: pytest.fail("it waited"))
    limit.take(10**12)
    assert limit.piece(2**20) == 2**20
    assert RateLimit(2**20).piece(2**20) < 2**16
