"""How every question to the Hugging Face Hub is asked: with a timeout, a bounded number of attempts, and a way to stop.

Requests go through huggingface_hub's HTTP session (proxies and certificates as its users know them) but not through
its methods: `model_info` neither retries nor times out by itself, others wait without end and cannot be stopped
between attempts. Each answer is read as a `HubAnswer`, which can be.
"""

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeVar

from core.cancellation import CancelToken
from core.errors import AccessError, CancelledByUser, SagewizardError
from core.models.hub_answer import AnswerTooSlowError, HubAnswer
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
_RETRIED: Final = frozenset({408, 429, 500, 502, 503, 504})
_LONGEST_WAIT: Final = 30.0
"""Seconds that the Hub may ask us to wait before another attempt; if it wants more, the person is told instead."""
_ERROR_BYTES: Final = 64 * 2**10
_LONGEST_ERROR: Final = 10.0
"""Seconds that the text of an error may take."""
_ENCODINGS: Final = frozenset({"", "identity", "gzip"})
"""Of these a piece from the network grows by a bounded factor (about 1,000); of others, and of several, it does not."""

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
    `longest` (seconds until an answer's headers are there, and then for a whole body of metadata, however steadily it
    drips), `attempts` and `pause` (seconds before the second attempt; doubled each time) are for tests.

    Whoever waits, for whatever, is released within a second when stopping is asked for.

    `about` is the repository that a request is about, `None` for one about models at large: it is for words only.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        token: str | None = None,
        *,
        timeout: float = 10.0,
        longest: float = 60.0,
        attempts: int = 4,
        pause: float = 0.5,
    ) -> None:
        self._endpoint = endpoint
        self._token = token
        self.timeout = timeout
        self.longest = longest
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
            return from_network(error, self.endpoint, timeout=self._limit_of(error))
        return None

    def read(
        self,
        path: str,
        about: Repository | None,
        headers: Mapping[str, str],
        take: Callable[[HubAnswer], _T],
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
                with self.opened(path, about, headers, cancel, good=good) as answer:
                    return take(answer)
            except Exception as error:
                told = self.interrupted(error)
                if told is None:
                    raise
                if attempt == self.attempts or is_timeout(error):
                    raise told from error
                cancel.wait(self.pause * 2 ** (attempt - 1))
        raise AssertionError("unreachable: the last attempt returns or raises")

    def body(self, answer: HubAnswer, about: Repository | None, limit: int, cancel: CancelToken) -> bytes:
        """Return an answer's whole body.

        Raises:
            SagewizardError: it is larger than `limit` bytes.
            TimeoutError: it takes more than `longest`.
            CancelledByUser: stopping was asked for.
        """
        pieces, size = [], 0
        for piece in answer.pieces(cancel, seconds=self.longest):
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
        at: str | None = None,
        stay: bool = False,
    ) -> Iterator[HubAnswer]:
        """Give the open answer to a GET of `path` (with its query), its status no error, or one of `good`.

        With `stay`, a redirect to another origin is not followed: its address is the answer's `elsewhere`. `at` is
        such an address that is asked instead, without the token, which is for the Hub alone. Errors of the network
        while the answer is read pass through.

        Raises:
            NotFoundError: there is no such model or revision.
            AccessError: it is gated or disabled, or the token is not accepted.
            UnreachableError: the Hub did not answer.
            SagewizardError: the answer makes no sense.
            CancelledByUser: stopping was asked for.
        """
        hub, token = _quiet_hub(), self._current_token()
        # Not huggingface_hub's own headers: building those may ask the Hub a question of its own first.
        sent = {"user-agent": "sagewizard", "accept-encoding": "gzip", **headers}
        if token and at is None:
            sent["authorization"] = f"Bearer {token}"
        with contextlib.ExitStack() as stack:
            answer = self._first_answer(hub, stack, at or self.endpoint + path, sent, cancel, stay=stay)
            if answer.status_code >= 400 and answer.status_code not in good:
                self._refuse(hub, answer, about, cancel, token=bool(token))
            if not _is_bounded(answer):
                raise nonsense(named(about), "it is compressed in a way that was not asked for")
            yield answer

    def _first_answer(
        self,
        hub: Any,
        stack: contextlib.ExitStack,
        url: str,
        headers: Mapping[str, str],
        cancel: CancelToken,
        *,
        stay: bool,
    ) -> HubAnswer:
        """Return the first answer whose status does not call for another attempt, or the last one."""
        wait = self.pause
        for attempt in range(1, self.attempts + 1):
            cancel.check()
            asked: float | None = None
            last = attempt == self.attempts
            try:
                answer = HubAnswer(hub.get_session(), url, headers, timeout=self.timeout, stay=stay)
                stack.callback(answer.close)
                answer.open(cancel, seconds=self.longest)
                if answer.status_code not in _RETRIED or last:
                    return answer
                asked = retry_after(answer.headers)
            except CancelledByUser:
                raise
            except Exception as error:
                if last or not self._worth_another(error, attempt):
                    raise from_network(error, self.endpoint, timeout=self._limit_of(error)) from error
            stack.close()
            if asked is not None and asked > _LONGEST_WAIT:
                raise busy(asked)
            cancel.wait(wait if asked is None else asked)
            wait *= 2
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _worth_another(self, error: BaseException, attempt: int) -> bool:
        if is_timeout(error):
            # A Hub that hangs is asked twice only: four times the timeout is longer than anyone waits.
            return attempt == 1 and not isinstance(error, AnswerTooSlowError)
        return is_network(error)

    def _limit_of(self, error: BaseException) -> float:
        """Return how many seconds were waited, if that is the error."""
        return self.longest if isinstance(error, AnswerTooSlowError) else self.timeout

    def _refuse(
        self, hub: Any, answer: HubAnswer, about: Repository | None, cancel: CancelToken, *, token: bool
    ) -> NoReturn:
        """Raise the program's own error for an answer whose status is one; of its text only the beginning is read."""
        limit = _ERROR_BYTES if _is_bounded(answer) else 0
        response = answer.with_beginning(limit, cancel, seconds=min(_LONGEST_ERROR, self.longest))
        try:
            hub.hf_raise_for_status(response)
        except Exception as error:
            if "HfHubHTTPError" not in kinds(error):
                raise from_network(error, self.endpoint, timeout=self.timeout) from error
            if about is None:
                raise from_listing_answer(error, token=token) from error
            raise from_answer(error, about.name, about.revision, self.page(about.name), token=token) from error
        raise nonsense(named(about), f"HTTP status {answer.status_code}")

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


def _is_bounded(answer: HubAnswer) -> bool:
    """Whether the body of an answer is no more than its compression can make of what was sent."""
    return str(answer.headers.get("content-encoding") or "").strip().lower() in _ENCODINGS
