"""A stand-in for the Hugging Face Hub on loopback: what the program asks of the real one, with faults on demand.

It answers `/api/models`, `/api/models/{id}[/revision/{rev}]` and `/{id}/resolve/{rev}/{file}` as the Hub does (facts
of `huggingface_hub`'s client): searches, listings with sizes and digests, access by token, errors with `X-Error-Code`,
ranges, and a redirect of large files to a second origin.
"""

import contextlib
import hashlib
import json
import re
import struct
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.stand_in_hub_search import BadQueryError, listing

_Content = bytes  # by a name that no field has
_MOST_OF_A_GHOST = 16 * 2**20
_LFS = (".safetensors", ".bin", ".gguf", ".msgpack", ".h5", ".ot", ".onnx")
_API = re.compile(r"/api/models/(?P<id>[\w.-]+(?:/[\w.-]+)?)(?:/revision/(?P<revision>[^/]+))?")
_RESOLVE = re.compile(r"/(?P<id>[\w.-]+/[\w.-]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)")


@dataclass(frozen=True)
class Ghost:
    """A file that is listed with a size but is not there: for the listings of large models.

    Whole, it comes out empty; of a range that is asked for, `head` comes and then zeros, 16 MiB at most.
    """

    bytes: int
    head: _Content = b""

    def part(self, start: int, length: int) -> _Content:
        """Return `length` bytes from position `start` on, as far as they are there."""
        length = min(length, self.bytes - start, _MOST_OF_A_GHOST)
        return self.head[start : start + length].ljust(max(length, 0), b"\0")


@dataclass
class Repository:
    """A model on the stand-in. `fields` go into its record as they are, in the API's spelling."""

    files: Mapping[str, bytes | Ghost]
    fields: Mapping[str, Any] = field(default_factory=dict)
    private: bool = False
    gated: str | None = None
    disabled: bool = False

    @property
    def commit(self) -> str:
        """The only commit there is."""
        return hashlib.sha1(repr(sorted(self.files.items())).encode()).hexdigest()


@dataclass
class Fault:
    """Something that goes wrong with the next `times` requests whose path matches.

    `drip` is the part of the answer that comes byte by byte and has no end; `body` is what comes of it at once.
    """

    path: re.Pattern[str]
    times: int
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False
    drip: Literal["headers", "body"] | None = None
    body: bytes | None = None
    cut_after: int | None = None
    flip: int | None = None
    ignore_range: bool = False


@dataclass(frozen=True)
class Request:
    """A request as it came: `origin` is `hub` or `cdn`."""

    origin: str
    path: str
    token: str | None
    range: str | None


def safetensors(shape: tuple[int, ...] = (4, 8), dtype: str = "F32", size: int = 4) -> bytes:
    """Return a small real safetensors file of one tensor."""
    length = size
    for side in shape:
        length *= side
    header = json.dumps({"weight": {"dtype": dtype, "shape": list(shape), "data_offsets": [0, length]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(range(256)) * (length // 256) + bytes(length % 256)


class StandInHub:
    """The server; use it in a `with`. `token` may read what is private and gated; others may not."""

    def __init__(self, *, token: str = "hf_good") -> None:
        self.token = token
        self.repositories: dict[str, Repository] = {}
        self.requests: list[Request] = []
        self.stuck = threading.Event()
        """Set once an answer hangs or drips."""
        self.left = threading.Event()
        """Set once a client has closed its connection before the answer was whole."""
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._hub, self.url = self._serve("hub")
        self._cdn, self._cdn_url = self._serve("cdn")

    def __enter__(self) -> "StandInHub":
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        for server in (self._hub, self._cdn):
            server.shutdown()
            server.server_close()

    def add(self, name: str, files: Mapping[str, bytes | Ghost], **settings: Any) -> Repository:
        """Put a model on the stand-in."""
        self.repositories[name] = Repository(files, **settings)
        return self.repositories[name]

    def add_folder(self, name: str, folder: Path, **settings: Any) -> Repository:
        """Put the files of a folder on the stand-in."""
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        return self.add(name, files, **settings)

    def fault(self, path: str = ".", *, times: int = 1, **what: Any) -> None:
        """Let the next `times` requests whose path matches the pattern `path` go wrong; `what` as in `Fault`."""
        with self._lock:
            self._faults.append(Fault(re.compile(path), times, **what))

    def take_fault(self, path: str) -> Fault | None:
        """Return the fault that the request for `path` is to have."""
        with self._lock:
            for fault in self._faults:
                if fault.times > 0 and fault.path.search(path):
                    fault.times -= 1
                    return fault
        return None

    def hang(self) -> None:
        """Wait until the stand-in ends."""
        self.stuck.set()
        self._released.wait(60)

    def drip(self, send: Callable[[bytes], Any]) -> None:
        """Send byte by byte, until the stand-in ends or `send` fails."""
        while not self._released.wait(0.01):
            send(b"x")
            self.stuck.set()

    def cdn_address(self, name: str, path: str) -> str:
        """Return where a large file is redirected to."""
        return f"{self._cdn_url}/cdn/{quote(name)}/{quote(path)}"

    def _serve(self, origin: str) -> tuple[ThreadingHTTPServer, str]:
        hub = self

        class Bound(_Handler):
            stand_in = hub
            name = origin

        server = _Server(("127.0.0.1", 0), Bound)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return server, f"http://127.0.0.1:{server.server_address[1]}"


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up, which cut and hanging connections make them do."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = (
        True  # headers and body are two writes: the second would wait for the first to be acknowledged
    )
    stand_in: StandInHub
    name: str

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the base class
        """Keep quiet."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        authorization = self.headers.get("Authorization") or ""
        self.token = authorization.removeprefix("Bearer ") or None
        self.query = parse_qs(url.query)
        self.stand_in.requests.append(Request(self.name, self.path, self.token, self.headers.get("Range")))
        self.fault = self.stand_in.take_fault(f"{self.name}:{url.path}")
        if self.fault and self.fault.hang:
            self.stand_in.hang()
            self.close_connection = True
        elif self.fault and self.fault.drip:
            self._drip(self.fault)
        elif self.fault and self.fault.status:
            self._answer(self.fault.status, self.fault.body or b"{}", self.fault.headers)
        elif self.name == "cdn":
            _, _, owner, model, path = unquote(url.path).split("/", 4)
            self._send_file(self.stand_in.repositories[f"{owner}/{model}"].files[path], {})
        elif url.path == "/api/models":
            self._search(url.query)
        elif match := _API.fullmatch(url.path):
            self._record(match["id"], unquote(match["revision"] or "main"))
        elif match := _RESOLVE.fullmatch(url.path):
            self._resolve(match["id"], unquote(match["revision"]), unquote(match["path"]))
        else:
            self._refuse(404, None, "Not found")

    def _record(self, name: str, revision: str) -> None:
        repository = self._readable(name, revision)
        if repository is not None:
            self._answer_json(200, self._described(name, repository))

    def _described(self, name: str, repository: Repository) -> dict[str, Any]:
        return {
            "id": name,
            "sha": repository.commit,
            "private": repository.private,
            "gated": repository.gated or False,
            "siblings": [self._sibling(path, content) for path, content in repository.files.items()],
            **repository.fields,
        }

    def _search(self, query: str) -> None:
        if not self._knows_token():
            return
        readable = {
            name: self._described(name, repository)
            for name, repository in self.stand_in.repositories.items()
            if self.token or not repository.private
        }
        try:
            rows, following = listing(list(readable.values()), query)
        except BadQueryError as error:
            self._refuse(400, None, str(error))
        else:
            link = {"Link": f'<{self.stand_in.url}/api/models?{following}>; rel="next"'} if following else {}
            self._answer_json(200, rows, link)

    def _sibling(self, path: str, content: bytes | Ghost) -> dict[str, Any]:
        size = content.bytes if isinstance(content, Ghost) else len(content)
        row: dict[str, Any] = {"rfilename": path}
        if "blobs" in self.query:
            row |= {"size": size, "blobId": _git_sha1(content)}
            if path.endswith(_LFS):
                row["lfs"] = {"size": size, "sha256": _sha256(content), "pointerSize": 134}
        return row

    def _resolve(self, name: str, revision: str, path: str) -> None:
        repository = self._readable(name, revision, content=True)
        if repository is None:
            return
        if path not in repository.files:
            self._refuse(404, "EntryNotFound", "Entry not found")
        elif path.endswith(_LFS):
            self._answer(302, b"", {"Location": self.stand_in.cdn_address(name, path)})
        else:
            self._send_file(repository.files[path], {"X-Repo-Commit": repository.commit})

    def _readable(self, name: str, revision: str, *, content: bool = False) -> Repository | None:
        """Return the repository if the token may read it, and answer with the Hub's refusal otherwise."""
        if not self._knows_token():
            return None
        known = bool(self.token)
        repository = self.stand_in.repositories.get(name)
        if repository is None or (repository.private and not known):
            self._refuse(404 if known else 401, "RepoNotFound", "Repository not found")
        elif repository.disabled:
            self._refuse(403, None, "Access to this resource is disabled.")
        elif revision not in {"main", repository.commit}:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        elif content and repository.gated and not known:
            self._refuse(401, "GatedRepo", f"Access to model {name} is restricted.")
        else:
            return repository
        return None

    def _knows_token(self) -> bool:
        """Whether the token is the good one, or there is none; answers with the Hub's refusal otherwise."""
        if self.token and self.token != self.stand_in.token:
            self._refuse(401, None, "Invalid credentials in Authorization header")
            return False
        return True

    def _refuse(self, status: int, code: str | None, message: str) -> None:
        headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        self._answer(status, json.dumps({"error": message}).encode(), headers)

    def _send_file(self, content: bytes | Ghost, headers: Mapping[str, str]) -> None:
        size = content.bytes if isinstance(content, Ghost) else len(content)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if self.fault and self.fault.ignore_range:
            self._answer(200, content.part(0, size) if isinstance(content, Ghost) else content, headers)
        elif not asked:
            self._answer(200, b"" if isinstance(content, Ghost) else content, headers)
        elif asked[2] and int(asked[1]) >= size:
            self._answer(416, b"", {**headers, "Content-Range": f"bytes */{size}"})
        else:
            start, end = int(asked[1]), min(int(asked[2] or size), size - 1) + 1
            body = content.part(start, end - start) if isinstance(content, Ghost) else content[start:end]
            sent = f"bytes {start}-{start + len(body) - 1}/{size}"
            self._answer(206, body, {**headers, "Content-Range": sent})

    def _answer_json(self, status: int, value: Any, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        self._answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", **headers})

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        fault = self.fault
        if fault and fault.body is not None:
            body = fault.body
        if fault and fault.flip is not None:
            body = body[: fault.flip] + bytes([body[fault.flip] ^ 1]) + body[fault.flip + 1 :]
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if fault and fault.cut_after is not None:
            body, self.close_connection = body[: fault.cut_after], True
        with self._noting_who_leaves():
            self.wfile.write(body)

    def _drip(self, fault: Fault) -> None:
        self.close_connection = True
        self.send_response(fault.status or 200)
        for name, value in fault.headers.items():
            self.send_header(name, value)
        with self._noting_who_leaves():
            if fault.drip == "headers":
                self.flush_headers()
                self.wfile.write(b"X-Slow: ")
            else:
                self.send_header("Content-Length", str(2**40))
                self.end_headers()
                self.wfile.write(fault.body or b"")
            self.stand_in.drip(self.wfile.write)

    @contextlib.contextmanager
    def _noting_who_leaves(self) -> Iterator[None]:
        try:
            yield
        except ConnectionError:
            self.close_connection = True
            self.stand_in.left.set()


def _bytes(content: bytes | Ghost) -> bytes:
    return repr(content).encode() if isinstance(content, Ghost) else content


def _sha256(content: bytes | Ghost) -> str:
    return hashlib.sha256(_bytes(content)).hexdigest()


def _git_sha1(content: bytes | Ghost) -> str:
    body = _bytes(content)
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
