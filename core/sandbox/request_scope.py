"""Which service and region a request is meant for, and whose key it bears: read from its signature.

Signature Version 4 names all three in its credential scope, in a header or, for presigned URLs, in the query ("AWS
Signature Version 4 for API requests"). S3 clients still presign with Version 2, which names the key alone. Signatures
themselves are not checked: the key is a secret of this machine's user and travels over loopback only.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

_SCOPE: Final = r"(?P<key>[^/\s,]+)/\d{8}/(?P<region>[a-z0-9-]+)/(?P<service>[A-Za-z0-9-]+)/aws4_request"
_HEADER: Final = re.compile(rf"AWS4-HMAC-SHA256\s.*?Credential={_SCOPE}")
_HEADER_V2: Final = re.compile(r"AWS (?P<key>[A-Z0-9]+):")
_QUERY: Final = re.compile(_SCOPE)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a request's signature says."""

    access_key_id: str
    region: str
    service: str


def scope_of(environ: Mapping[str, Any]) -> Scope | None:
    """Return the scope of a WSGI request; `None` when it is not signed."""
    header = str(environ.get("HTTP_AUTHORIZATION", ""))
    if found := _HEADER.match(header):
        return _scope(found)
    if found := _HEADER_V2.match(header):
        return Scope(found["key"], "us-east-1", "s3")
    query = parse_qs(str(environ.get("QUERY_STRING", "")))
    if found := _QUERY.fullmatch(query.get("X-Amz-Credential", [""])[0]):
        return _scope(found)
    if key := query.get("AWSAccessKeyId"):
        return Scope(key[0], "us-east-1", "s3")
    return None


def _scope(found: "re.Match[str]") -> Scope:
    return Scope(found["key"], found["region"], found["service"].lower())
