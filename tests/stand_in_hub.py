"""A stand-in for the Hugging Face Hub on loopback: what the program asks of the real one, with faults on demand.

It answers `/api/models`, `/api/models/{id}[/revision/{rev}]` and `/{id}/resolve/{rev}/{file}` as the Hub does (facts
of `huggingface_hub`'s client): searches, listings with sizes and digests, access by token, errors with `X-Error-Code`,
ranges, and a redirect of large files to a signed address at a second origin. What it serves is in
`tests.stand_in_hub_files`; no answer is made whole in memory.
"""

import hashlib
import json
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.rate_limit import RateLimit
from tests.stand_in_hub_files import (
    Changed,
    Content,
    Ghost,
    Held,
    HubFile,
    OnDisk,
    Sparse,
    safetensors,
    safetensors_header,
)
from tests.stand_in_hub_search import BadQueryError, listing
from tests.stand_in_hub_sending import Fault, Sending

__all__ = [
    "Changed",
    "Content",
    "Fault",
    "Ghost",
    "OnDisk",
    "Repository",
    "Request",
    "Sparse",
    "StandInHub",
    "safetensors",
    "safetensors_header",
]

_LFS = (".safetensors", ".bin", ".gguf", ".msgpack", ".h5", ".ot", ".onnx")
_API = re.compile(r"/api/models/(?P<id>[\w.-]+(?:/[\w.-]+)?)(?:/revision/(?P<revision>[^/]+))?")
_TREE = re.compile(r"/api/models/(?P<id>[\w.-]+/[\w.-]+)/tree/(?P<revision>[^/]+)")
_RESOLVE = re.compile(r"/(?P<id>[\w.-]+/[\w.-]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)")


@dataclass
class Repository:
    """A model on the stand-in. `fields` go into its record as they are, in the API's spelling."""

    files: Mapping[str, Content]
    fields: Mapping[str, Any] = field(default_factory=dict)
    private: bool = False
    gated: str | None = None
    disabled: bool = False
    _held: dict[tuple[str, ...], Held] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def commit(self) -> str:
        """The only commit there is."""
        about = repr([(path, self.listed(path).mark) for path in sorted(self.files)])
        return hashlib.sha1(about.encode(), usedforsecurity=False).hexdigest()

    def listed(self, path: str) -> HubFile:
        """Return the file that the listing speaks of."""
        content = self.files[path]
        return self._file(content.listed if isinstance(content, Changed) else content, path, "listed")

    def served(self, path: str) -> HubFile:
        """Return the file that is sent."""
        content = self.files[path]
        return self._file(content.content, path, "served") if isinstance(content, Changed) else self.listed(path)

    def _file(self, content: bytes | HubFile, *place: str) -> HubFile:
        if isinstance(content, HubFile):
            return content
        held = self._held.get(place)
        if held is None or held.data is not content:
            held = self._held[place] = Held(content)
        return held


@dataclass(frozen=True)
class Request:
    """A request as it came: `origin` is `hub` or `cdn`."""

    origin: str
    path: str
    token: str | None
    range: str | None


class StandInHub:
    """The server; use it in a `with`. `token` may read what is private and gated; others may not.

    `bytes_per_second` bounds the contents of files that are sent, all connections and both origins together.
    """

    def __init__(self, *, token: str = "hf_good", bytes_per_second: int | None = None) -> None:
        self.token = token
        self.repositories: dict[str, Repository] = {}
        self.requests: list[Request] = []
        self.sent: Counter[str] = Counter()
        """How many bytes were sent of each file, by `owner/model/path`."""
        self.stuck = threading.Event()
        """Set once an answer hangs or drips."""
        self.left = threading.Event()
        """Set once a client has closed its connection before the answer was whole."""
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._addresses = 0
        self._expired: set[int] = set()
        self.limit = RateLimit(bytes_per_second, wait=self._released.wait)
        self._hub, self.url = self._serve("hub")
        self._cdn, self._cdn_url = self._serve("cdn")

    def __enter__(self) -> "StandInHub":
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        for server in (self._hub, self._cdn):
            server.shutdown()
            server.server_close()

    def add(self, name: str, files: Mapping[str, Content], **settings: Any) -> Repository:
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
        """Return where a large file is redirected to: another address each time, good until it is expired."""
        with self._lock:
            self._addresses += 1
            return f"{self._cdn_url}/cdn/{quote(name)}/{quote(path)}?Signature={self._addresses}"

    def expire(self, signature: int | None = None) -> None:
        """End the address with this signature; `None`: all that were given out so far."""
        with self._lock:
            self._expired |= {signature} if signature is not None else set(range(1, self._addresses + 1))

    def is_expired(self, signature: int) -> bool:
        """Whether the address with this signature is refused."""
        with self._lock:
            return signature in self._expired

    def count(self, file: str, count: int) -> None:
        """Take note of bytes of a file (`owner/model/path`) that are sent."""
        with self._lock:
            self.sent[file] += count

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
    request_queue_size = 128  # a connection that finds no room in the queue is tried again a second later

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up, which cut and hanging connections make them do."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(Sending):
    name: str

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
            self.drip(self.fault)
        elif self.fault and self.fault.status:
            self.answer(self.fault.status, self.fault.body or b"{}", self.fault.headers)
        elif self.name == "cdn":
            self._send_from_cdn(url.path)
        elif url.path == "/api/models":
            self._search(url.query)
        elif match := _API.fullmatch(url.path):
            self._record(match["id"], unquote(match["revision"] or "main"))
        elif match := _TREE.fullmatch(url.path):
            self._tree(match["id"], unquote(match["revision"]))
        elif match := _RESOLVE.fullmatch(url.path):
            self._resolve(match["id"], unquote(match["revision"]), unquote(match["path"]))
        else:
            self._refuse(404, None, "Not found")

    do_HEAD = do_GET  # noqa: N815 - a name of the base class

    def _record(self, name: str, revision: str) -> None:
        repository = self._readable(name, revision)
        if repository is not None:
            self.answer_json(200, self._described(name, repository))

    def _tree(self, name: str, revision: str) -> None:
        """List all files, as the Hub's own client asks for them before it downloads."""
        repository = self._readable(name, revision)
        if repository is not None:
            rows = [self._sibling(path, repository.listed(path), sizes=True) for path in repository.files]
            lfs = [{"lfs": {**row["lfs"], "oid": row["lfs"]["sha256"]}} if "lfs" in row else {} for row in rows]
            self.answer_json(
                200,
                [
                    {"type": "file", "path": row["rfilename"], "oid": row["blobId"], "size": row["size"], **more}
                    for row, more in zip(rows, lfs, strict=True)
                ],
            )

    def _described(self, name: str, repository: Repository) -> dict[str, Any]:
        return {
            "id": name,
            "sha": repository.commit,
            "private": repository.private,
            "gated": repository.gated or False,
            "siblings": [self._sibling(path, repository.listed(path)) for path in repository.files],
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
            self.answer_json(200, rows, link)

    def _sibling(self, path: str, file: HubFile, *, sizes: bool = False) -> dict[str, Any]:
        row: dict[str, Any] = {"rfilename": path}
        if not sizes and "blobs" not in self.query:
            return row
        if not path.endswith(_LFS):
            return {**row, "size": file.size, "blobId": file.git_sha1}
        # https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md#the-pointer
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{file.sha256}\nsize {file.size}\n".encode()
        lfs = {"size": file.size, "sha256": file.sha256, "pointerSize": len(pointer)}
        return {**row, "size": file.size, "blobId": Held(pointer).git_sha1, "lfs": lfs}

    def _resolve(self, name: str, revision: str, path: str) -> None:
        repository = self._readable(name, revision, content=True)
        if repository is None:
            return
        if path not in repository.files:
            self._refuse(404, "EntryNotFound", "Entry not found")
            return
        headers = {"X-Repo-Commit": repository.commit}
        if self.command == "HEAD":  # the Hub's own client asks so before it downloads
            headers |= _metadata(path, repository.listed(path))
        if path.endswith(_LFS):
            self.answer(302, b"", {**headers, "Location": self.stand_in.cdn_address(name, path)})
        else:
            self.send_file(f"{name}/{path}", repository.served(path), headers)

    def _send_from_cdn(self, path: str) -> None:
        _, _, owner, model, path = unquote(path).split("/", 4)
        signature = int(self.query["Signature"][0])
        if self.fault and self.fault.expire:
            self.stand_in.expire(signature)
        if self.stand_in.is_expired(signature):
            self.answer(403, b"<Error><Code>AccessDenied</Code><Message>Access denied</Message></Error>", {})
        else:
            name = f"{owner}/{model}"
            self.send_file(f"{name}/{path}", self.stand_in.repositories[name].served(path), {})

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
        self.answer(status, json.dumps({"error": message}).encode(), headers)


def _metadata(path: str, file: HubFile) -> dict[str, str]:
    """Return the headers by which `get_hf_file_metadata` of huggingface_hub knows a file."""
    if path.endswith(_LFS):
        return {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(file.size)}
    return {"ETag": f'"{file.git_sha1}"'}
