"""A conversation with an endpoint: its history, one question at a time, the answer shown as it comes where it can."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from core.account import Account
from core.cancellation import CancelToken
from core.endpoints.answers import StreamReader, read_answer, without_prompt
from core.endpoints.details import look_up
from core.endpoints.dialects import Dialect, Generation, Message, build_request, plain_prompt, streams
from core.endpoints.invocation import JSON, invoke, invoke_stream
from core.errors import InvocationError, SagewizardError, UsageError
from core.external_text import StreamCleaner, clean

_TOO_LONG = re.compile(
    r"too (?:long|many tokens)|maximum (?:context|model)|context (?:length|window)|max_model_len"
    r"|prompt has \d+ tokens|must have less than \d+|input length",
    re.IGNORECASE,
)
_REFUSES_STREAM = re.compile(r"\bstream\b", re.IGNORECASE)
_REFUSED: Final = frozenset({400, 404, 405, 415, 422})


@dataclass(frozen=True, slots=True)
class Answer:
    """What the endpoint said, safe to show, and in how many seconds.

    `streamed` tells whether it came in parts. `forgotten` counts the questions that were left out of what the model was
    told, oldest first, because it could not hold more; they are gone from the history.
    """

    text: str
    seconds: float
    streamed: bool
    forgotten: int = 0


class Conversation:
    """Questions to one endpoint and its answers. One question at a time.

    In the dialect `messages` the endpoint is told all that was said before. A model that knows no roles (`inputs`,
    `text`) is given each text alone and goes on from it. Whether the endpoint streams is looked up at the first
    question unless `streaming` says so.
    """

    def __init__(
        self,
        account: Account,
        endpoint_name: str,
        dialect: Dialect,
        *,
        system: str | None = None,
        generation: Generation | None = None,
        streaming: bool | None = None,
    ) -> None:
        self.endpoint_name = endpoint_name
        self.dialect = dialect
        self.system = system
        self.generation = generation or Generation()
        self._account = account
        self._streaming = streaming
        self._history: tuple[Message, ...] = ()

    @property
    def history(self) -> tuple[Message, ...]:
        """Questions and answers so far, in turns; without the system prompt."""
        return self._history

    def clear(self) -> None:
        """Forget all that was said."""
        self._history = ()

    def ask(
        self, text: str, *, cancel: CancelToken | None = None, on_text: Callable[[str], None] = lambda _: None
    ) -> Answer:
        """Ask, and return the answer; `on_text` gets its pieces as they come. When it fails, the history stays.

        Raises:
            UsageError: the text is empty, or cannot be sent.
            InvocationError, NotFoundError: as `invocation.invoke` raises them.
            CancelledByUser: stopping was asked for.
            AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
        """
        if not text.strip():
            raise UsageError("There is nothing to ask.", fix="Give a text.")
        if any("\ud800" <= character <= "\udfff" for character in text):  # Python's stand-ins for other bytes
            raise UsageError("The text is not in UTF-8.", fix="Convert it first.")
        cancel = cancel or CancelToken()
        begun = time.monotonic()
        question = Message("user", text)
        kept = self._history
        try:
            said, streamed = self._answer((*kept, question), cancel, on_text)
        except InvocationError as error:
            if self.dialect != "messages" or not kept or not _is_too_long(error):
                raise
            kept = kept[len(kept) // 4 * 2 or 2 :]  # the older half of the turns; a turn is two messages
            said, streamed = self._answer((*kept, question), cancel, on_text)
        forgotten = (len(self._history) - len(kept)) // 2
        self._history = (*kept, question, Message("assistant", said))
        return Answer(said, time.monotonic() - begun, streamed, forgotten)

    def _answer(
        self, messages: tuple[Message, ...], cancel: CancelToken, on_text: Callable[[str], None]
    ) -> tuple[str, bool]:
        if self.system:
            messages = (Message("system", self.system), *messages)
        if self._streams():
            shown: list[str] = []

            def show(piece: str) -> None:
                shown.append(piece)
                on_text(piece)

            try:
                said = self._streamed(messages, cancel, show)
            except InvocationError as error:
                if shown or error.status not in _REFUSED or not _REFUSES_STREAM.search(error.message):
                    raise
                self._streaming = False  # the container says that it does not
            else:
                return said, len(shown) > 1
        return self._whole(messages, cancel, on_text), False

    def _whole(self, messages: tuple[Message, ...], cancel: CancelToken, on_text: Callable[[str], None]) -> str:
        body = build_request(self.dialect, messages, self.generation)
        result = invoke(self._account, self.endpoint_name, body, accept=JSON, cancel=cancel)
        said = clean(read_answer(result.body))
        if self.dialect != "messages":
            said = without_prompt(said, clean(plain_prompt(messages)))
        on_text(said)
        return said

    def _streamed(self, messages: tuple[Message, ...], cancel: CancelToken, on_text: Callable[[str], None]) -> str:
        body = build_request(self.dialect, messages, self.generation, stream=True)
        reader, cleaner = StreamReader(), StreamCleaner()
        pieces: list[str] = []

        def take(piece: str) -> None:
            if piece:
                pieces.append(piece)
                on_text(piece)

        for part in invoke_stream(self._account, self.endpoint_name, body, cancel=cancel):
            take(cleaner.feed(reader.feed(part)))
        take(cleaner.feed(reader.close()))
        take(cleaner.close())
        return "".join(pieces)

    def _streams(self) -> bool:
        if self.dialect == "text":  # its handlers are home-made, for engines that do not stream
            return False
        if self._streaming is None:
            try:
                models = look_up(self._account.clients, self.endpoint_name).models
            except SagewizardError:  # the question itself will tell what is wrong
                return False
            container = models[0].container if models else None
            self._streaming = streams(container.image if container else None)
        return self._streaming


def _is_too_long(error: InvocationError) -> bool:
    return error.status in {None, 400, 413, 422, 424, 500} and bool(_TOO_LONG.search(error.message))
