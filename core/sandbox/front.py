"""The one address of the sandbox: every request comes in here and goes to the service it was signed for.

What the sandbox has no service for is answered with an error, never passed on: nothing leaves this machine.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote

from core.sandbox.administration import OWN_PATHS
from core.sandbox.answers import Answer, error_for
from core.sandbox.request_scope import scope_of

Service = Callable[[dict[str, Any], Any, str], Iterable[bytes]]
"""Answers a WSGI request, given the region it was signed for."""

_log = logging.getLogger(__name__)


class Front:
    """The WSGI application. `services` are by signing name; `knows_key` tells the account's access keys."""

    def __init__(
        self,
        services: Mapping[str, Service],
        *,
        knows_key: Callable[[str], bool],
        own: Callable[[dict[str, Any]], Answer],
    ) -> None:
        self._services = services
        self._knows_key = knows_key
        self._own = own

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        if str(environ.get("PATH_INFO", "")).startswith(OWN_PATHS):
            return self._own(environ).send(start_response)
        scope = scope_of(environ)
        if scope is None:
            message = "The request is not signed; the sandbox answers signed requests only."
            asked, code = (
                ("s3", "AccessDenied") if _looks_like_s3(environ) else ("", "MissingAuthenticationTokenException")
            )
            return error_for(environ, asked, code, message, status=403).send(start_response)
        try:
            if not self._knows_key(scope.access_key_id):
                code = "InvalidAccessKeyId" if scope.service == "s3" else _unknown_key(environ)
                message = "The security token included in the request is invalid."
                return error_for(environ, scope.service, code, message, status=403).send(start_response)
            service = self._services.get(scope.service)
            if service is None:
                message = f"The sandbox has no service “{scope.service}”, only {', '.join(sorted(self._services))}."
                return error_for(environ, scope.service, "ServiceNotInSandbox", message).send(start_response)
            return service(environ, start_response, scope.region)
        except Exception:  # noqa: BLE001 - a fault of one request must not end the account
            _log.exception("%s %s failed", environ.get("REQUEST_METHOD"), quote(str(environ.get("PATH_INFO"))))
            message = "The sandbox itself failed on this request; its log has the details."
            return error_for(environ, scope.service, "InternalFailure", message, status=500).send(start_response)


def _looks_like_s3(environ: Mapping[str, Any]) -> bool:
    """Return whether an unsigned request may be one to S3: the other services ask by a header, or in JSON or a form."""
    kind = str(environ.get("CONTENT_TYPE", ""))
    return "HTTP_X_AMZ_TARGET" not in environ and "json" not in kind and "x-www-form-urlencoded" not in kind


def _unknown_key(environ: Mapping[str, Any]) -> str:
    """JSON services and Query services call it differently."""
    form = str(environ.get("CONTENT_TYPE", "")).startswith("application/x-www-form-urlencoded")
    return "InvalidClientTokenId" if form else "UnrecognizedClientException"
