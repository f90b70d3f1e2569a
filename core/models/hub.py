"""The one place that talks to the Hugging Face Hub.

Requests go through huggingface_hub's HTTP session (proxies and certificates as its users know them) but not through
its methods: `model_info` neither retries nor times out by itself, others wait without end and cannot be stopped
between attempts. Every request here has a timeout, a bounded number of attempts, and stops when asked.
"""

import contextlib
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from core.cancellation import CancelToken
from core.errors import AccessError, SagewizardError
from core.models.hub_failures import (
    busy,
    from_answer,
    from_network,
    is_network,
    is_timeout,
    kinds,
    nonsense,
    retry_after,
)

DEFAULT_ENDPOINT: Final = "https://huggingface.co"
_RETRIED: Final = frozenset({408, 429, 500, 502, 503, 504})
_LONGEST_WAIT: Final = 30.0
"""Seconds that the Hub may ask us to wait before another attempt; if it wants more, the person is told instead."""
_LONGEST_METADATA: Final = 60.0
"""Seconds that one whole answer of metadata may take, however steadily it drips."""
_INFO_BYTES: Final = 64 * 2**20
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Repository:
    """What a request is about: a repository at a revision (`None`: its main branch)."""

    name: str
    revision: str | None = None


class HubClient:
    """Reads metadata and files of repositories on the Hub. Safe to use from several threads.

    Without `endpoint` and `token`, `HF_ENDPOINT` and the token places of huggingface_hub (`HF_TOKEN`, its token file)
    count, as they are when a request is made. `timeout` (seconds to connect, and between two pieces of an answer),
    `attempts` and `pause` (seconds before the second attempt; doubled each time) are for tests.
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

    def model(self, repository: str, revision: str | None, cancel: CancelToken) -> Mapping[str, Any]:
        """Return the Hub's record of a model with its file listing, as its API spells it. One request.

        Raises:
            NotFoundError: there is no such model or revision.
            AccessError: it is gated or disabled, or the token is not accepted.
            UnreachableError: the Hub did not answer.
            SagewizardError: the answer makes no sense.
        """
        path = f"/api/models/{quote(repository)}"
        if revision is not None:
            path += f"/revision/{quote(revision, safe='')}"
        about = Repository(repository, revision)
        body = self._whole(f"{path}?blobs=true&securityStatus=true", about, _INFO_BYTES, cancel)
        try:
            found = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise nonsense(repository, "it is not valid JSON") from error
        if not isinstance(found, dict):
            raise nonsense(repository, "it is not a JSON object")
        return found

    def file(self, repository: str, revision: str, path: str, *, limit: int, cancel: CancelToken) -> bytes:
        """Return a whole small file of at most `limit` bytes. One request.

        Raises:
            SagewizardError: as `model`, or the file is larger than `limit`.
        """
        about = Repository(repository, revision)
        return self._whole(self._file_path(about, path), about, limit, cancel)

    @contextmanager
    def stream(
        self, repository: str, revision: str, path: str, *, start: int, cancel: CancelToken
    ) -> Iterator[Iterator[bytes]]:
        """Give the bytes of a file from position `start` on.

        Opening is retried; what breaks while the bytes flow is the caller's to take up again (`interrupted`). A server
        that ignores the range is put up with: what comes before `start` is read and dropped.

        Raises:
            SagewizardError: as `model`.
        """
        about = Repository(repository, revision)
        headers = {"range": f"bytes={start}-"} if start else {}
        # Compressed answers would make ranges and lengths those of other bytes.
        with self._opened(
            self._file_path(about, path), about, {"accept-encoding": "identity", **headers}, cancel
        ) as got:
            skip = start if start and got.status_code != 206 else 0
            yield _skipping(got.iter_bytes(_CHUNK), skip)

    def interrupted(self, error: BaseException) -> SagewizardError | None:
        """Return the program's own error for a connection that broke while bytes flowed; `None` for any other error."""
        if is_network(error) or is_timeout(error):
            return from_network(error, self.endpoint, timeout=self.timeout)
        return None

    def _file_path(self, about: Repository, path: str) -> str:
        return f"/{quote(about.name)}/resolve/{quote(about.revision or 'main', safe='')}/{quote(path)}"

    def _whole(self, path: str, about: Repository, limit: int, cancel: CancelToken) -> bytes:
        """Return the body of an answer, retried when it breaks off."""
        for attempt in range(1, self.attempts + 1):
            try:
                with self._opened(path, about, {}, cancel) as response:
                    return self._body(response, about, limit, cancel)
            except Exception as error:
                told = self.interrupted(error)
                if told is None:
                    raise
                if attempt == self.attempts or is_timeout(error):
                    raise told from error
                cancel.wait(self.pause * 2 ** (attempt - 1))
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _body(self, response: Any, about: Repository, limit: int, cancel: CancelToken) -> bytes:
        pieces, size, ends = [], 0, time.monotonic() + _LONGEST_METADATA
        for piece in response.iter_bytes(_CHUNK):
            cancel.check()
            size += len(piece)
            if size > limit:
                raise nonsense(about.name, f"it is larger than {limit:,} bytes")
            if time.monotonic() > ends:
                raise from_network(TimeoutError(), self.endpoint, timeout=_LONGEST_METADATA)
            pieces.append(piece)
        return b"".join(pieces)

    @contextmanager
    def _opened(self, path: str, about: Repository, headers: Mapping[str, str], cancel: CancelToken) -> Iterator[Any]:
        """Give the open answer to a GET, its status good. Errors of the network while it is read pass through."""
        hub, token = _quiet_hub(), self._current_token()
        # Not huggingface_hub's own headers: building those may ask the Hub a question of its own first. On a redirect
        # to another host the session drops the authorization by itself.
        sent = {"user-agent": "sagewizard", **headers}
        if token:
            sent["authorization"] = f"Bearer {token}"
        with contextlib.ExitStack() as stack:
            response = self._first_good(hub, stack, self.endpoint + path, sent, about, cancel)
            yield response

    def _first_good(
        self,
        hub: Any,
        stack: contextlib.ExitStack,
        url: str,
        headers: Mapping[str, str],
        about: Repository,
        cancel: CancelToken,
    ) -> Any:
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
                    self._raise_for_status(hub, response, about, token="authorization" in headers)
                    return response
                asked = retry_after(response.headers)
                stack.close()
            except SagewizardError:
                raise
            except Exception as error:
                # A Hub that hangs is asked twice only: four times the timeout is longer than anyone waits.
                if last or not (is_network(error) or is_timeout(error)) or (is_timeout(error) and attempt > 1):
                    raise from_network(error, self.endpoint, timeout=self.timeout) from error
            if asked is not None and asked > _LONGEST_WAIT:
                raise busy(asked)
            cancel.wait(wait if asked is None else asked)
            wait *= 2
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _raise_for_status(self, hub: Any, response: Any, about: Repository, *, token: bool) -> None:
        if response.status_code < 400:
            return
        with contextlib.suppress(Exception):  # the error's text is worth having, but not worth failing for
            response.read()
        try:
            hub.hf_raise_for_status(response)
        except Exception as error:
            if "HfHubHTTPError" not in kinds(error):
                raise
            raise from_answer(error, about.name, about.revision, self.page(about.name), token=token) from error
        raise nonsense(about.name, f"HTTP status {response.status_code}")

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


def _skipping(pieces: Iterator[bytes], skip: int) -> Iterator[bytes]:
    for piece in pieces:
        if skip >= len(piece):
            skip -= len(piece)
            continue
        yield piece[skip:]
        skip = 0


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
