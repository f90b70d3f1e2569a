"""Core calls off the event loop: each on a daemon thread, its result handed to the widget that asked.

Textual's own thread workers delay quitting until they return, and a call to AWS may block for a minute. A daemon thread
does not. Calls are grouped by name: a newer call of a group cancels the older one, whose result is then dropped.
"""

import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Generic, TypeVar

from textual.message_pump import MessagePump

from core.aws.failures import CHECK_NETWORK
from core.cancellation import CancelToken
from core.errors import SagewizardError, UnreachableError

Result = TypeVar("Result")
Item = TypeVar("Item")
TRACE_FILE: Final = "traces.log"
"""Where `--debug` keeps the traces of errors, in the data folder."""
_BATCH_SECONDS: Final = 0.1


class Calls:
    """The calls under way for one screen or app.

    `done` and `failed` run on the event loop, as messages of the owner: they may touch widgets. They do not run when
    the owner is gone, or when the call was superseded or cancelled.
    """

    def __init__(self, owner: MessagePump, *, debug: bool = False, sandbox: bool = False) -> None:
        self._owner = owner
        self._debug = debug
        self._sandbox = sandbox
        self._latest: dict[str, CancelToken] = {}

    def start(
        self,
        group: str,
        work: Callable[[CancelToken], Result],
        done: Callable[[Result], object],
        failed: Callable[[SagewizardError], object],
    ) -> CancelToken:
        """Run `work` in the group, then `done` with what it returned or `failed` with why it could not.

        Returns:
            The token that `work` was given.
        """
        self.cancel(group)
        token = self._latest[group] = CancelToken()

        def deliver(callback: Callable[[], object]) -> None:
            if self._latest.get(group) is token:
                del self._latest[group]
                callback()

        def run() -> None:
            try:
                value = work(token)
            except SagewizardError as error:
                problem = self._as_it_is(error)
                post(self._owner, lambda: deliver(lambda: failed(problem)))
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the program
                unforeseen = self._unforeseen(group, error)
                post(self._owner, lambda: deliver(lambda: failed(unforeseen)))
            else:
                post(self._owner, lambda: deliver(lambda: done(value)))

        threading.Thread(target=run, name=group, daemon=True).start()
        return token

    def busy(self, group: str) -> bool:
        """Whether a call of the group is under way."""
        return group in self._latest

    def cancel(self, group: str) -> None:
        """Ask the call of the group to stop, and drop its result."""
        if token := self._latest.pop(group, None):
            token.cancel()

    def cancel_all(self) -> None:
        """Ask every call to stop, and drop their results: when the owner goes away."""
        for group in list(self._latest):
            self.cancel(group)

    def abandon(self) -> None:
        """Drop all results without asking any call to stop: what is under way goes on until the process ends."""
        self._latest.clear()

    def _as_it_is(self, error: SagewizardError) -> SagewizardError:
        """Return the error; where the sandbox has ended, with that as its cause: what AWS would need does not help."""
        if self._sandbox and isinstance(error, UnreachableError) and _sandbox_has_ended():
            more = error.fix.removeprefix(CHECK_NETWORK).strip()
            fix = f"Press r on the home screen: that starts it again. {more}".strip()
            return UnreachableError("The sandbox does not answer: it has ended.", fix=fix)
        return error

    def _unforeseen(self, group: str, error: Exception) -> SagewizardError:
        from core.external_text import clean_line

        if self._debug:
            keep_trace(group, error)
        return SagewizardError(
            f"Something unforeseen went wrong ({type(error).__name__}: {clean_line(str(error))}).",
            fix="Try again; if it stays, run with --debug and report what the trace file says.",
        )


def _sandbox_has_ended() -> bool:
    from core.sandbox import daemon

    try:
        return daemon.status() is None
    except SagewizardError:  # it runs, and is busy
        return False


class Feed(Generic[Item]):
    """Brings items from any thread to the event loop, many at a time and at most ten times a second."""

    def __init__(self, owner: MessagePump, take_in: Callable[[list[Item]], object]) -> None:
        self._owner = owner
        self._take_in = take_in
        self._lock = threading.Lock()
        self._waiting: list[Item] = []
        self._told = False

    def put(self, item: Item) -> None:
        """Take an item; safe from any thread, never blocks."""
        with self._lock:
            self._waiting.append(item)
            if self._told:
                return
            self._told = True
        post(self._owner, lambda: self._owner.set_timer(_BATCH_SECONDS, self.drain))

    def drain(self) -> None:
        """Hand over what waits, now; on the event loop."""
        with self._lock:
            items, self._waiting, self._told = self._waiting, [], False
        if items:
            self._take_in(items)


def post(owner: MessagePump, callback: Callable[[], object]) -> None:
    """Have `callback` run on the event loop, as a message of `owner`; safe from any thread."""
    with suppress(RuntimeError):  # the event loop has ended: nobody is left to tell
        owner.call_later(callback)


def keep_trace(what: str, error: BaseException) -> None:
    """Append the trace of `error` to a file in the data folder, readable by its owner only."""
    from core.folders import data_folder

    path = data_folder() / TRACE_FILE
    path.touch(mode=0o600)
    with path.open("a", encoding="utf-8") as file:
        file.write(f"--- {what}\n{''.join(traceback.format_exception(error))}\n")
