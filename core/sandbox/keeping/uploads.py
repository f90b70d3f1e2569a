"""What S3 does with uploads and copies that moto does not: bodies are checked, parts have checksums, copies conditions.

It stands before moto's application: refuses what S3 refuses, takes in bodies, and adds to moto's answers.
Amazon S3 API reference: PutObject, UploadPart, UploadPartCopy, CopyObject, ListParts, CreateMultipartUpload,
CompleteMultipartUpload, HeadObject.
"""

import io
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from core.sandbox.answers import error_for
from core.sandbox.keeping.bodies import LARGEST, check_size, receive
from core.sandbox.keeping.checksums import ALGORITHMS, COMPOSITE, FULL_OBJECT, encoded, kind_of, new_checksum
from core.sandbox.keeping.large_objects import check_number
from core.sandbox.keeping.objects import Name, Objects, find_bucket
from core.sandbox.keeping.refusals import (
    RefusedRequestError,
    bad_digest,
    invalid_argument,
    invalid_part,
    invalid_request,
    no_such_upload,
)

Headers = list[tuple[str, str]]
Change = Callable[[Headers, bytes], tuple[Headers, bytes]]
"""Makes of an answer's headers and body others."""

_CONFIGURATIONS: Final = frozenset({"acl", "tagging", "retention", "legal-hold"})
"""What else of an object is set with PUT."""
_RANGE: Final = re.compile(r"bytes=(\d+)-(\d+)")
_LARGEST_LIST: Final = 1 << 23  # bytes of a list of 10,000 parts
_MOST_LISTED: Final = 1000
_XML: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"


class Uploads:
    """moto's S3 application `app` with uploads and copies as S3 has them."""

    def __init__(self, app: Any, objects: Objects) -> None:
        self._app = app
        self._objects = objects

    def answer(self, name: Name, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a WSGI request about the object `name`."""
        query = parse_qs(str(environ.get("QUERY_STRING", "")), keep_blank_values=True)
        upload = query.get("uploadId", [""])[0]
        try:
            with ExitStack() as until_answered:
                change = self._prepared(name, upload, query, environ, until_answered)
                if change is None:
                    return self._app(environ, start_response)  # type: ignore[no-any-return]
                return _changed(self._app, environ, start_response, change)
        except RefusedRequestError as error:
            return error_for(environ, "s3", error.code, error.message, status=error.status).send(start_response)

    def _prepared(
        self, name: Name, upload_id: str, query: Mapping[str, list[str]], environ: dict[str, Any], stack: ExitStack
    ) -> Change | None:
        """Make a request ready for moto; return what moto's answer is to be changed with, if it is.

        Raises:
            RefusedRequestError: S3 refuses it.
        """
        method, is_copy = environ["REQUEST_METHOD"], "HTTP_X_AMZ_COPY_SOURCE" in environ
        if method == "PUT" and upload_id and "partNumber" in query:
            upload, number = _upload(name, upload_id), _number(query["partNumber"][0])
            if is_copy:
                _check_source(environ, ranged=True)
                stack.enter_context(self._objects.in_mapped_files())
                return lambda headers, body: (headers, _with_checksum(body, b"</CopyPartResult>", upload, number))
            check_size(environ)
            self._take_in(environ, stack, upload)
        elif method == "PUT" and not _CONFIGURATIONS & query.keys():
            if is_copy:
                _check_source(environ, ranged=False)
                stack.enter_context(self._objects.in_mapped_files())
            else:
                check_size(environ)
                self._take_in(environ, stack, None)
        elif method == "POST" and "uploads" in query:
            return _begun(environ)
        elif method == "POST" and upload_id and not _is_made(name, upload_id):
            return _completed(environ, _upload(name, upload_id))
        elif method == "GET" and upload_id:
            upload = _upload(name, upload_id)
            return lambda headers, _: (headers, _listed(name, upload, query))
        elif method == "HEAD" and environ.get("HTTP_X_AMZ_CHECKSUM_MODE") == "ENABLED":
            return lambda headers, body: (_with_kind(headers, name, query), body)
        return None

    def _take_in(self, environ: dict[str, Any], stack: ExitStack, upload: Any) -> None:
        """Take a request's body in, and leave moto one without."""
        if upload is None:
            received = receive(environ, self._objects.new_path(), None)
        else:
            demanded = upload.kind == COMPOSITE
            received = receive(environ, self._objects.part_path(), upload.algorithm, demanded=demanded)
        stack.enter_context(self._objects.offering(received))
        for header in ("wsgi.input_terminated", "HTTP_TRANSFER_ENCODING", "HTTP_X_AMZ_TRAILER"):
            environ.pop(header, None)
        if str(environ.get("HTTP_X_AMZ_CONTENT_SHA256", "")).startswith("STREAMING-"):
            environ["HTTP_X_AMZ_CONTENT_SHA256"] = "UNSIGNED-PAYLOAD"
        environ |= {"wsgi.input": io.BytesIO(), "CONTENT_LENGTH": "0"}
        for algorithm, checksum in received.checksums.items():  # moto answers with it, and notes it with an object
            environ["HTTP_X_AMZ_SDK_CHECKSUM_ALGORITHM"] = algorithm
            environ[f"HTTP_X_AMZ_CHECKSUM_{algorithm}"] = encoded(checksum)


def _changed(app: Any, environ: dict[str, Any], start_response: Any, change: Change) -> Iterable[bytes]:
    """Let an application answer, and change the answer when it is a good one."""
    said: list[Any] = []
    answered = app(environ, lambda status, headers, _error=None: said.extend((status, headers)))
    status, headers = said[-2:]
    if not status.startswith("2"):
        start_response(status, headers)
        return answered  # type: ignore[no-any-return]
    headers, body = change(headers, b"".join(answered))
    if body:
        headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
        headers.append(("Content-Length", str(len(body))))
    start_response(status, headers)
    return [body]


def _upload(name: Name, upload_id: str) -> Any:
    """Return moto's record of an upload.

    Raises:
        RefusedRequestError: there is none of that id to that object.
    """
    bucket = find_bucket(name[0])[1]
    found = bucket.multiparts.get(upload_id) if bucket else None
    if bucket is not None and (found is None or found.key_name != name[1]):
        raise no_such_upload()
    return found


def _is_made(name: Name, upload_id: str) -> bool:
    """Return whether the object is what came of the upload: whoever completes it again is told so by moto."""
    bucket = find_bucket(name[0])[1]
    found = bucket.keys.get(name[1]) if bucket else None
    return getattr(getattr(found, "multipart", None), "id", None) == upload_id


def _number(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    check_number(number)
    return number


def _begun(environ: dict[str, Any]) -> Change | None:
    """Check the checksum that an upload is to have, and note its kind, which moto leaves open."""
    algorithm = str(environ.get("HTTP_X_AMZ_CHECKSUM_ALGORITHM", "")).upper()
    kind = environ.get("HTTP_X_AMZ_CHECKSUM_TYPE")
    if not algorithm:
        if kind is not None:
            raise invalid_request(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
            )
        return None
    new_checksum(algorithm)
    kind = kind_of(algorithm, kind)
    environ |= {"HTTP_X_AMZ_CHECKSUM_ALGORITHM": algorithm, "HTTP_X_AMZ_CHECKSUM_TYPE": kind}
    told = {"x-amz-checksum-algorithm": algorithm, "x-amz-checksum-type": kind}
    return lambda headers, body: ([*(each for each in headers if each[0].lower() not in told), *told.items()], body)


def _completed(environ: dict[str, Any], upload: Any) -> Change | None:
    """Check what a request to put an object together says of its parts and of the object."""
    length = str(environ.get("CONTENT_LENGTH") or "0")
    if upload is None or not length.isdecimal() or int(length) > _LARGEST_LIST:
        return None  # moto refuses it: there is no such bucket, or no list
    body = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = io.BytesIO(body)
    try:
        # It comes from a client of this machine's own user, and expat ends what expands too much.
        listed = ElementTree.fromstring(body)  # noqa: S314
        wanted = [_wanted(element) for element in listed if _tag(element) == "Part"]
    except (ElementTree.ParseError, ValueError, KeyError):
        raise RefusedRequestError(
            "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema"
        ) from None
    numbers = [number for number, _ in wanted]
    if numbers != sorted(set(numbers)):
        raise RefusedRequestError(
            "InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number."
        )
    parts = [_checked_part(upload, number, told) for number, told in wanted]
    size = sum(part.contentsize for part in parts)
    if environ.get("HTTP_X_AMZ_MP_OBJECT_SIZE", str(size)) != str(size):
        raise invalid_request("The provided 'x-amz-mp-object-size' header does not match what was computed.")
    checksum = upload.checksum_of(parts) if parts else None
    if checksum is None:
        return None
    claim = environ.get(f"HTTP_X_AMZ_CHECKSUM_{upload.algorithm}", checksum)
    if str(claim).partition("-")[0] != checksum:
        raise bad_digest(upload.algorithm.lower())
    told = f"{checksum}-{len(parts)}" if upload.kind == COMPOSITE else checksum
    added = _element(f"Checksum{upload.algorithm}", told) + _element("ChecksumType", upload.kind)
    end = b"</CompleteMultipartUploadResult>"
    return lambda headers, body: (headers, body.replace(end, added.encode() + end))


def _wanted(element: ElementTree.Element) -> tuple[int, Mapping[str, str]]:
    """Return the number of a part that is to be in an object, and what else the request says of it."""
    told = {_tag(child): (child.text or "").strip() for child in element}
    return int(told["PartNumber"]), told


def _checked_part(upload: Any, number: int, told: Mapping[str, str]) -> Any:
    part = upload.parts.get(number)
    if part is None or told["ETag"].strip('"') != part.etag.strip('"'):
        raise invalid_part()
    for algorithm in ALGORITHMS:
        claim = told.get(f"Checksum{algorithm}")
        if claim is not None and (algorithm not in part.checksums or encoded(part.checksums[algorithm]) != claim):
            raise invalid_part()
    if upload.kind == COMPOSITE and f"Checksum{upload.algorithm}" not in told:
        raise invalid_request(
            f"The upload was created using a {upload.algorithm.lower()} checksum. The complete request must include "
            f"the checksum for each part. It was missing for part {number} in the request."
        )
    return part


def _check_source(environ: Mapping[str, Any], *, ranged: bool) -> None:
    """Return when an object is there to be copied, and is the one that the request means."""
    source = urlsplit(str(environ["HTTP_X_AMZ_COPY_SOURCE"]))
    bucket_name, _, key = unquote(source.path).lstrip("/").partition("/")
    version = parse_qs(source.query).get("versionId", [None])[0]
    backend, bucket = find_bucket(bucket_name)
    if bucket is None:
        raise RefusedRequestError("NoSuchBucket", "The specified bucket does not exist", status=404)
    found = backend.get_object(bucket_name, key, version_id=version)
    if found is None:
        raise RefusedRequestError("NoSuchKey", "The specified key does not exist.", status=404)
    wanted = environ.get("HTTP_X_AMZ_COPY_SOURCE_IF_MATCH")
    if wanted is not None and str(wanted).strip('"') != found.etag.strip('"'):
        raise RefusedRequestError(
            "PreconditionFailed", "At least one of the pre-conditions you specified did not hold", status=412
        )
    size, asked = found.contentsize, environ.get("HTTP_X_AMZ_COPY_SOURCE_RANGE")
    if ranged and asked is not None:
        part = _RANGE.fullmatch(str(asked))
        if part is None:
            raise invalid_argument(
                "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
                "zero-based offsets of the first and last bytes to copy"
            )
        first, last = int(part[1]), int(part[2])
        if not first <= last < size:
            raise invalid_argument(f"Range specified is not valid for source object of size: {size}")
        size = last - first + 1
    if size > LARGEST:
        raise invalid_request(
            f"The specified copy source is larger than the maximum allowable size for a copy source: {LARGEST}"
        )


def _listed(name: Name, upload: Any, query: Mapping[str, list[str]]) -> bytes:
    """Return the list of parts; moto's lacks their checksums, and misses some where numbers are left out."""
    marker, most = (
        int(query.get(word, [str(default)])[0])
        for word, default in (("part-number-marker", 0), ("max-parts", _MOST_LISTED))
    )
    most = min(most, _MOST_LISTED)
    parts = list(upload.list_parts(marker, most + 1))
    shown = parts[:most]
    texts = [_element("Bucket", name[0]), _element("Key", name[1]), _element("UploadId", upload.id)]
    texts += [_element("StorageClass", upload.storage or "STANDARD"), _element("PartNumberMarker", marker)]
    texts += [_element("NextPartNumberMarker", shown[-1].name if shown else 0), _element("MaxParts", most)]
    texts.append(_element("IsTruncated", "true" if len(parts) > most else "false"))
    if upload.algorithm:
        texts += [_element("ChecksumAlgorithm", upload.algorithm), _element("ChecksumType", upload.kind)]
    for part in shown:
        about = {"PartNumber": part.name, "LastModified": part.last_modified_ISO8601}
        about |= {"ETag": part.etag, "Size": part.contentsize}
        checksums = {f"Checksum{algorithm}": encoded(checksum) for algorithm, checksum in part.checksums.items()}
        inner = "".join(_element(tag, text) for tag, text in (about | checksums).items())
        texts.append(f"<Part>{inner}</Part>")
    return f'{_XML}<ListPartsResult xmlns="{_NAMESPACE}">{"".join(texts)}</ListPartsResult>'.encode()


def _with_checksum(body: bytes, end: bytes, upload: Any, number: int) -> bytes:
    part = upload.parts.get(number)
    checksums = part.checksums if part else {}
    added = "".join(_element(f"Checksum{algorithm}", encoded(found)) for algorithm, found in checksums.items())
    return body.replace(end, added.encode() + end)


def _with_kind(headers: Headers, name: Name, query: Mapping[str, list[str]]) -> Headers:
    """Return an object's headers with its checksum as S3 writes it; moto leaves out how many parts it is made of."""
    backend, bucket = find_bucket(name[0])
    found = backend.get_object(*name, version_id=query.get("versionId", [None])[0]) if bucket else None
    if not found or not found.checksum_algorithm or not found.checksum_value:
        return headers
    told = found.checksum_value
    if found.checksum_type == COMPOSITE:
        told = f"{told}-{found.checksum_parts}"
    header = f"x-amz-checksum-{found.checksum_algorithm.lower()}"
    others = [each for each in headers if each[0].lower() not in {header, "x-amz-checksum-type"}]
    return [*others, (header, told), ("x-amz-checksum-type", found.checksum_type or FULL_OBJECT)]


def _element(tag: str, text: object) -> str:
    return f"<{tag}>{escape(str(text))}</{tag}>"


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
