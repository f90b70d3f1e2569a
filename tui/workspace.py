"""What all screens share: the account once it is open, the draft, the deployments under way."""

from typing import TYPE_CHECKING

from textual.dom import DOMNode
from textual.signal import Signal

from core.errors import SagewizardError
from tui.context import AppContext

if TYPE_CHECKING:
    from core.account import Account, Identity
    from core.models.hub import HubClient
    from tui.draft import Draft
    from tui.runs import DeploymentRun


class Workspace:
    """The state of the program while it runs. Only the app changes it; screens subscribe to the signals.

    `account` is `None` until it is open; `problem` then says why it could not be opened. `draft` is the wizard's, kept
    when its screen is left.
    """

    def __init__(self, context: AppContext, owner: DOMNode) -> None:
        self.context = context
        self.account: Account | None = None
        self.identity: Identity | None = None
        self.problem: SagewizardError | None = None
        self.draft: Draft | None = None
        self.runs: list[DeploymentRun] = []
        self.deleting: dict[str, str] = {}
        """Endpoints being deleted, and what is being removed of each just now."""
        self._made: list[str] = []
        self._remains: list[str] = []
        self._hub: HubClient | None = None
        self.account_changed: Signal[None] = Signal(owner, "account-changed")
        self.endpoints_changed: Signal[str | None] = Signal(owner, "endpoints-changed")
        """Published with the name of an endpoint that has just been deleted to the end, else with `None`."""
        self.run_changed: Signal[DeploymentRun] = Signal(owner, "run-changed")

    def open_account(self) -> "Account":
        """Return the open account.

        Raises:
            SagewizardError: it is not open yet, or could not be opened.
        """
        if self.account is None:
            raise self.problem or SagewizardError("The account is not open yet.", fix="Wait a moment, then try again.")
        return self.account

    @property
    def hub(self) -> "HubClient":
        """The Hub, as the environment says to reach it."""
        if self._hub is None:
            from core.models.hub import HubClient

            self._hub = HubClient()
        return self._hub

    def count_made(self, name: str) -> None:
        """Remember that this session brought the endpoint into service."""
        self._made.append(name)

    def count_gone(self, name: str, *, whole: bool = True) -> None:
        """Remember that the endpoint is deleted; when `whole`, with all that was made for it."""
        self._made = [made for made in self._made if made != name]
        self._remains = [other for other in self._remains if other != name]
        if not whole:
            self._remains.append(name)
        for run in self.runs:
            if run.name == name and not run.active:
                run.left, run.dismissed = False, True

    @property
    def farewell(self) -> str:
        """What to say in the shell after the program: what it leaves behind, and how that is deleted; mostly empty."""
        command = self.context.command
        lines = [
            f"{name} is in service. Chat: {command('chat', name)} · delete: {command('endpoints', 'delete', name)}\n"
            for name in self._made
        ]
        for name in self._remains:
            said = f"{name} is deleted, but not all that was made for it could be removed."
            lines.append(self._how_to_clear(said, name))
        for run in self.runs:
            if run.active:
                said = (
                    f"{run.name} was left while it was being deployed ({run.doing}). What exists of it may cost money."
                )
            elif run.interrupted:  # nothing of this session
                continue
            elif run.can_go_on:
                on, off = (command(verb, run.deployment) for verb in ("resume", "rollback"))
                lines.append(f"{run.name} is not deployed yet. Go on: {on} · remove what is there: {off}\n")
                continue
            elif run.left:
                ended = "was stopped" if run.word == "cancelled" else "failed"
                said = f"{run.name} {ended}, and not all that was made for it could be removed."
            else:
                continue
            lines.append(self._how_to_clear(said, run.name))
        return "".join(lines)

    def _how_to_clear(self, said: str, name: str) -> str:
        command = self.context.command
        return f"{said} See: {command('deployments')} · delete: {command('endpoints', 'delete', name)}\n"

    @property
    def active_runs(self) -> "list[DeploymentRun]":
        """The deployments that go on now, oldest first."""
        return [run for run in self.runs if run.active]

    def run_to_read(self, name: str, *, exists: bool) -> "DeploymentRun | None":
        """Return the newest deployment of that name while there is something to read of it.

        That is while it goes on, or until how it ended is put aside; of one that left nothing, only while no endpoint
        of that name exists: that one is another's.
        """
        run = next((run for run in reversed(self.runs) if run.name == name), None)
        if run is None or run.active:
            return run
        return run if run.awaits_reader and (run.left or not exists) else None

    @property
    def where(self) -> str:
        """The account in words: `sandbox`, `profile work`, …"""
        if self.context.sandbox:
            return "sandbox"
        label = self.account.label if self.account else self.context.profile or "default"
        return f"profile {label}"
