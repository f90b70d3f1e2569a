"""What a command runs in: the common options, the settings they resolve to, and the way to stop it.

Nothing here is looked up before it is asked for: `--help` needs no config file and no AWS.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from core.cancellation import CancelToken
from core.own_commands import own_command
from tui.interrupts import STOPPING, nothing_left, stopping_politely
from tui.output import message

if TYPE_CHECKING:
    from core.account import Account
    from core.models.hub import HubClient
    from tui.event_lines import EventLines


@dataclass(slots=True)
class CommonOptions:
    """The common options as they were written, before or after the command; `None` where one was not given."""

    sandbox: bool | None = None
    profile: str | None = None
    region: str | None = None
    json: bool | None = None
    debug: bool | None = None


class Session:
    """One run of the program from the command line."""

    def __init__(self) -> None:
        self.options = CommonOptions()
        self.cancel = CancelToken()
        self.events: EventLines | None = None
        """Where events go as JSON lines; an error is then told by the last of them, and not by a document."""

    @property
    def json(self) -> bool:
        """Whether stdout is for a program to read."""
        return bool(self.options.json)

    @property
    def debug(self) -> bool:
        """Whether sources of values and traces of errors are shown."""
        return bool(self.options.debug)

    @property
    def may_ask(self) -> bool:
        """Whether a person is there to answer questions: a terminal at both ends, and no `--json`."""
        return not self.json and sys.stdin.isatty() and sys.stderr.isatty()

    def stream_events(self) -> None:
        """Under `--json`, make stdout carry events from here on."""
        if self.json:
            from tui.event_lines import EventLines

            self.events = EventLines()

    @cached_property
    def _config(self) -> Mapping[str, Any]:
        from core.settings import load_config

        return load_config()

    def setting(self, name: str, *, option: Any = None, plan: Any = None, default: Any = None) -> Any:
        """Return the value of a setting by the program's precedence, told with its source under `--debug`.

        Raises:
            UsageError: the config file cannot be read.
        """
        from core.settings import resolve

        found = resolve(name, option=option, plan=plan, default=default, config=self._config)
        if self.debug:
            message(f"debug: {name} = {found.value} ({found.source})")
        return found.value

    @cached_property
    def sandbox(self) -> bool:
        """Whether the account is the sandbox."""
        from core.settings import is_true

        return is_true("sandbox", self.setting("sandbox", option=self.options.sandbox, default=False))

    def account(self, *, plan_region: str | None = None, sandbox: bool | None = None) -> "Account":
        """Return the account to work in, opened (the sandbox is started when it is not running).

        `plan_region` is what a plan file says; `sandbox` overrules what was asked for.

        Raises:
            SagewizardError: see `core.account.open_account`.
        """
        from core.account import open_account

        account = open_account(
            sandbox=self.sandbox if sandbox is None else sandbox,
            profile=self.setting("profile", option=self.options.profile),
            region=self.setting("region", option=self.options.region, plan=plan_region),
        )
        if account.notice:
            message(account.notice)
        return account

    def hub(self) -> "HubClient":
        """Return the client of the Hub."""
        from core.models.hub import HubClient

        return HubClient()

    @contextmanager
    def politely(self, at_once: Callable[[], str] = nothing_left, *, notice: str = STOPPING) -> Iterator[None]:
        """Within it, the first Ctrl+C (or SIGTERM) asks the work to end; only a second one ends the program at once.

        `notice` is told at the first; at the second `at_once` says what is left.
        """
        with stopping_politely(self.cancel, at_once, notice=notice):
            yield

    def command(self, *words: str) -> str:
        """Return the command line that goes on in the same account: `sagewizard --sandbox chat NAME`."""
        options = self.options
        return own_command(*words, sandbox=bool(options.sandbox), profile=options.profile, region=options.region)


pass_session = click.make_pass_decorator(Session)
"""Gives a command the session as its first argument."""
