"""Buckets: kept as the requests that made and configured them, which are asked of moto again at the next start.

Of each bucket there is at most one request for every subresource (`?lifecycle`, `?tagging` …), the last: a PUT of one
replaces all of it, a DELETE takes it away (Amazon S3 API reference, "Bucket operations").
"""

import base64
import html
import io
import logging
import re
import threading
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from datetime import datetime
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from core.sandbox.answers import answer_after
from core.sandbox.keeping.objects import Name, Objects, find_bucket
from core.sandbox.keeping.records import Records
from core.sandbox.keeping.uploads import Uploads
from core.sandbox.request_scope import scope_of

_LARGEST: Final = 1 << 20  # bytes of a configuration; those of S3 have at most tens of KB
_LARGEST_DELETION: Final = 1 << 24  # bytes of a list of 1,000 keys of 1 KB, each letter escaped
_KEY: Final = re.compile(rb"<Key>(.*?)</Key>", re.DOTALL)
_NOT_KEPT: Final = {"HTTP_X_AMZ_DATE", "HTTP_X_AMZ_SECURITY_TOKEN"}
_log = logging.getLogger(__name__)


class S3:
    """moto's S3 application `app` with its buckets and objects kept: a WSGI application itself."""

    def __init__(self, app: Any, records: Records, objects: Objects) -> None:
        self._app = app
        self._records = records
        self._objects = objects
        self._uploads = Uploads(app, objects)
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request; the answer goes out when its effect is kept."""
        with self._objects.answering():
            return self._answer(environ, start_response)

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        bucket, key = _target(environ)
        method = environ["REQUEST_METHOD"]
        if bucket and not key and method in {"PUT", "DELETE"}:
            request = _request(environ)
            with self._lock:  # kept in the order in which they take effect
                return answer_after(
                    self._app, environ, start_response, lambda status: self._keep(bucket, method, request, status)
                )
        if key:
            if method not in {"GET", "HEAD"}:
                self._objects.touch((bucket, key))
            answer = partial(self._uploads.answer, (bucket, key))
            with self._objects.in_pieces() if method == "GET" else nullcontext():
                return answer_after(answer, environ, start_response, lambda _: self._objects.keep())
        if bucket and method == "POST" and "delete" in dict(_query(environ)):
            for named in _KEY.findall(_body(environ, _LARGEST_DELETION)):
                self._objects.touch((bucket, html.unescape(named.decode("utf-8", "replace"))))
        return answer_after(self._app, environ, start_response, lambda _: self._objects.keep())

    def restore(self) -> None:
        """Ask moto again for all that was kept."""
        buckets = self._records.all("bucket")
        for first in (True, False):  # all are made before any is configured: one may name another
            for name, kept in buckets.items():
                for what, request in kept["requests"].items():
                    if (not what) == first:
                        self._ask(name, what, request)
        for name, kept in buckets.items():
            if bucket := find_bucket(name)[1]:
                bucket.creation_date = datetime.fromisoformat(kept["created"])
        self._objects.restore()

    def _keep(self, name: str, method: str, request: Mapping[str, Any], status: str) -> None:
        if not status.startswith("2"):
            return
        what = request["what"]
        bucket = find_bucket(name)[1]
        if bucket is None:
            self._records.change("bucket", {name: None})
            return
        kept = self._records.all("bucket").get(name, {"requests": {}})
        if method == "DELETE":
            kept["requests"].pop(what, None)
        else:
            kept["requests"][what] = {key: value for key, value in request.items() if key != "what"}
        self._records.change("bucket", {name: {**kept, "created": bucket.creation_date.isoformat()}})

    def _ask(self, bucket: str, what: str, request: Mapping[str, Any]) -> None:
        from werkzeug.test import EnvironBuilder

        credential = f"sandbox/20260101/{request['region']}/s3/aws4_request"
        environ = EnvironBuilder(
            path=f"/{bucket}", query_string=what, method="PUT", data=base64.b64decode(request["body"])
        ).get_environ()
        environ |= request["headers"] | {"HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential={credential}"}
        said: list[str] = []
        body = b"".join(self._app(environ, lambda status, _headers, _error=None: said.append(status)))
        if not said[-1].startswith("2"):
            _log.error("The bucket %s (%s) could not be brought back: %s %r", bucket, what, said[-1], body[:500])


def _target(environ: Mapping[str, Any]) -> Name:
    """Return the bucket and the key that a request names, in its path or its host, as moto reads it."""
    from moto.s3.responses import S3Response
    from moto.s3.utils import bucket_name_from_url
    from werkzeug.wrappers import Request

    request = Request(dict(environ))
    path = request.path.removeprefix("/")
    if S3Response.subdomain_based_buckets(request):
        return bucket_name_from_url(request.url) or "", path
    bucket, _, key = path.partition("/")
    return bucket, key


def _body(environ: dict[str, Any], largest: int) -> bytes:
    """Return a request's body, at most `largest` bytes of it, and put it back for who reads it next."""
    stream, length = environ["wsgi.input"], environ.get("CONTENT_LENGTH")
    chunked = bool(environ.get("wsgi.input_terminated"))
    body: bytes = stream.read(min(int(length), largest) if length else largest) if length or chunked else b""
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _query(environ: Mapping[str, Any]) -> list[tuple[str, str]]:
    return parse_qsl(str(environ.get("QUERY_STRING", "")), keep_blank_values=True)


def _request(environ: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept of a request about a bucket; its body is put back for who reads it next."""
    body, query = _body(environ, _LARGEST), _query(environ)
    scope = scope_of(environ)
    headers = {
        name: str(value)
        for name, value in environ.items()
        if name in {"CONTENT_TYPE", "HTTP_CONTENT_ENCODING", "HTTP_CONTENT_MD5"}
        or (name.startswith("HTTP_X_AMZ_") and name not in _NOT_KEPT)
    }
    return {
        # What presigned URLs and some clients add says nothing of what is asked for.
        "what": urlencode([(name, value) for name, value in query if not name.lower().startswith(("x-amz-", "x-id"))]),
        "region": scope.region if scope else "us-east-1",
        "headers": headers,
        "body": base64.b64encode(body).decode(),
    }
