"""How every question to the Hugging Face Hub is asked: with a timeout, a bounded number of attempts, and a way to stop.

Requests go through huggingface_hub's HTTP session (proxies and certificates as its users know them) but not through
its methods: `model_info` neither retries nor times out by itself, others wait without end and cannot be stopped
between attempts.
"""

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from core.cancellation import CancelToken
from core.errors import AccessError, SagewizardError
from core.models.hub_failures import (
    busy,
    from_answer,
    from_listing_answer,
    from_network,
    is_network,
    is_timeout,
    kinds,
    nonsense,
    retry_after,
)

DEFAULT_ENDPOINT: Final = "https://huggingface.co"
CHUNK: Final = 1 << 20
"""Bytes of an answer that are taken at once."""
_RETRIED: Final = frozenset({408, 429, 500, 502, 503, 504})
_LONGEST_WAIT: Final = 30.0
"""Seconds that the Hub may ask us to wait before another attempt; if it wants more, the person is told instead."""
_ERROR_BYTES: Final = 64 * 2**10
_LONGEST_ERROR: Final = 10.0
"""Seconds that the text of an error may take."""
_LONGEST_METADATA: Final = 60.0
"""Seconds that one whole answer of metadata may take, however steadily it drips."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Repository:
    """What a request is about: a repository at a revision (`None`: its main branch)."""

    name: str
    revision: str | None = None


class HubRequests:
    """Sends GET requests to the Hub. Safe to use from several threads.

    Without `endpoint` and `token`, `HF_ENDPOINT` and the token places of huggingface_hub (`HF_TOKEN`, its token file)
    count, as they are when a request is made. `timeout` (seconds to connect, and between two pieces of an answer),
    `attempts` and `pause` (seconds before the second attempt; doubled each time) are for tests.

    `about` is the repository that a request is about, `None` for one about models at large: it is for words only.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        token: str | None = None,
        *,
        timeout: float = 10.0,
        attempts: int = 4,
        pause: float = 0.5,
    ) -> None:
        self._endpoint = endpoint
        self._token = token
        self.timeout = timeout
        self.attempts = attempts
        self.pause = pause

    @property
    def endpoint(self) -> str:
        """The Hub's address, without a slash at its end."""
        return (self._endpoint or os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")

    def page(self, repository: str) -> str:
        """Return the address of a repository's page, where people read about it and ask for access."""
        return f"{self.endpoint}/{repository}"

    def interrupted(self, error: BaseException) -> SagewizardError | None:
        """Return the program's own error for a connection that broke while bytes flowed; `None` for any other error."""
        if is_network(error) or is_timeout(error):
            return from_network(error, self.endpoint, timeout=self.timeout)
        return None

    def read(
        self,
        path: str,
        about: Repository | None,
        headers: Mapping[str, str],
        take: Callable[[Any], _T],
        cancel: CancelToken,
        *,
        good: frozenset[int] = frozenset(),
    ) -> _T:
        """Return what `take` makes of the open answer to a GET of `path`; asked for again when it breaks off.

        `good` are error statuses that `take` understands.

        Raises:
            SagewizardError: as `opened`, or the answer broke off each time.
            CancelledByUser: stopping was asked for.
        """
        for attempt in range(1, self.attempts + 1):
            try:
                with self.opened(path, about, headers, cancel, good=good) as response:
                    return take(response)
            except Exception as error:
                told = self.interrupted(error)
                if told is None:
                    raise
                if attempt == self.attempts or is_timeout(error):
                    raise told from error
                cancel.wait(self.pause * 2 ** (attempt - 1))
        raise AssertionError("unreachable: the last attempt returns or raises")

    def pieces(self, response: Any, cancel: CancelToken, *, chunk: int | None = CHUNK) -> Iterator[bytes]:
        """Yield an answer's body, stopping when asked and when it takes more than a minute.

        `chunk` is the size of the pieces in bytes; `None` for pieces as they arrive.
        """
        ends = time.monotonic() + _LONGEST_METADATA
        for piece in response.iter_bytes(chunk):
            cancel.check()
            if time.monotonic() > ends:
                raise from_network(TimeoutError(), self.endpoint, timeout=_LONGEST_METADATA)
            yield piece

    def body(self, response: Any, about: Repository | None, limit: int, cancel: CancelToken) -> bytes:
        """Return an answer's whole body.

        Raises:
            SagewizardError: it is larger than `limit` bytes.
        """
        pieces, size = [], 0
        for piece in self.pieces(response, cancel, chunk=None):  # a body that drips is not waited for a whole chunk of
            size += len(piece)
            if size > limit:
                raise nonsense(named(about), f"it is larger than {limit:,} bytes")
            pieces.append(piece)
        return b"".join(pieces)

    @contextmanager
    def opened(
        self,
        path: str,
        about: Repository | None,
        headers: Mapping[str, str],
        cancel: CancelToken,
        *,
        good: frozenset[int] = frozenset(),
    ) -> Iterator[Any]:
        """Give the open answer to a GET of `path` (with its query), its status no error, or one of `good`.

        Errors of the network while the answer is read pass through.

        Raises:
            NotFoundError: there is no such model or revision.
            AccessError: it is gated or disabled, or the token is not accepted.
            UnreachableError: the Hub did not answer.
            SagewizardError: the answer makes no sense.
            CancelledByUser: stopping was asked for.
        """
        hub, token = _quiet_hub(), self._current_token()
        # Not huggingface_hub's own headers: building those may ask the Hub a question of its own first. On a redirect
        # to another host the session drops the authorization by itself.
        sent = {"user-agent": "sagewizard", **headers}
        if token:
            sent["authorization"] = f"Bearer {token}"
        with contextlib.ExitStack() as stack:
            response = self._first_answer(hub, stack, self.endpoint + path, sent, cancel)
            if response.status_code not in good:
                self._raise_for_status(hub, response, about, token=bool(token))
            yield response

    def _first_answer(
        self, hub: Any, stack: contextlib.ExitStack, url: str, headers: Mapping[str, str], cancel: CancelToken
    ) -> Any:
        """Return the first answer whose status does not call for another attempt, or the last one."""
        wait = self.pause
        for attempt in range(1, self.attempts + 1):
            cancel.check()
            asked: float | None = None
            last = attempt == self.attempts
            try:
                response = stack.enter_context(
                    hub.get_session().stream("GET", url, headers=headers, timeout=self.timeout, follow_redirects=True)
                )
                if response.status_code not in _RETRIED or last:
                    return response
                asked = retry_after(response.headers)
                stack.close()
            except Exception as error:
                # A Hub that hangs is asked twice only: four times the timeout is longer than anyone waits.
                if last or not (is_network(error) or is_timeout(error)) or (is_timeout(error) and attempt > 1):
                    raise from_network(error, self.endpoint, timeout=self.timeout) from error
            if asked is not None and asked > _LONGEST_WAIT:
                raise busy(asked)
            cancel.wait(wait if asked is None else asked)
            wait *= 2
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _raise_for_status(self, hub: Any, response: Any, about: Repository | None, *, token: bool) -> None:
        if response.status_code < 400:
            return
        with contextlib.suppress(Exception):  # the error's text is worth having, but not worth failing for
            _read_beginning(response)
        try:
            hub.hf_raise_for_status(response)
        except Exception as error:
            if "HfHubHTTPError" not in kinds(error):
                raise from_network(error, self.endpoint, timeout=self.timeout) from error
            if about is None:
                raise from_listing_answer(error, token=token) from error
            raise from_answer(error, about.name, about.revision, self.page(about.name), token=token) from error
        raise nonsense(named(about), f"HTTP status {response.status_code}")

    def _current_token(self) -> str | None:
        if self._token is not None:
            token: str | None = self._token
        else:
            from huggingface_hub import get_token

            token = get_token()
        token = (token or "").strip()
        if not token:
            return None
        if not (token.isascii() and token.isprintable()) or " " in token:
            raise AccessError(
                "The Hub token that is set has characters no token has.",
                fix="Set HF_TOKEN to one from https://huggingface.co/settings/tokens, or unset it.",
            )
        return token


def named(about: Repository | None) -> str:
    """Return what an answer is about, in words."""
    return about.name if about else "what was searched for"


def _quiet_hub() -> Any:
    """Return huggingface_hub's `utils`, imported so that nothing of it reaches the screen or the network unasked."""
    # Read when the library is first imported; a person's own setting is left as it is.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import utils

    logger = logging.getLogger("huggingface_hub")
    if any(not isinstance(handler, logging.NullHandler) for handler in logger.handlers):
        logger.handlers[:] = [logging.NullHandler()]
        logger.propagate = False
    return utils


def _read_beginning(response: Any) -> None:
    """Let the beginning of an error's body be all of it: the rest is not worth reading, or without end."""
    pieces, size, ends = [], 0, time.monotonic() + _LONGEST_ERROR
    try:
        for piece in response.iter_bytes():
            pieces.append(piece)
            size += len(piece)
            if size >= _ERROR_BYTES or time.monotonic() > ends:
                break
    finally:
        response._content = b"".join(pieces)[:_ERROR_BYTES]
