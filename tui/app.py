"""The full-screen program: it opens the account, keeps what the screens share, and takes a person between them."""

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable
from functools import cached_property, partial
from pathlib import PurePath
from typing import TYPE_CHECKING, ClassVar, Final

from textual import on
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from core.errors import SagewizardError
from tui import calls, navigation
from tui.background import Calls
from tui.context import AppContext
from tui.screens.home import HomeScreen
from tui.theme import SAGE
from tui.workspace import Workspace

if TYPE_CHECKING:
    from core.account import Account, Identity
    from core.deployments.ledger import Deployment
    from tui.deployer import Deployer
    from tui.screens.deployment import DeploymentScreen

NEEDS_TERMINAL: Final = (
    "sagewizard: the full-screen program needs a terminal on stdin and stderr, and TERM other than “dumb”.\n"
    "  Without one use the commands: sagewizard demo, fit, plan, package, deploy, endpoints, chat, invoke "
    "(sagewizard --help).\n"
)
_TERMINATED: Final = 128 + signal.SIGTERM
_AGAIN_SECONDS: Final = 3.0
_NOTICE_SECONDS: Final = 30.0
_SETTLED_SECONDS: Final = 0.05
_OVER_HOME: Final = 2
"""How many screens there are with one over home."""
_OF_TEXTUAL: Final = ("Theme", "Screenshot")


class SagewizardApp(App[int]):
    """One session of the full-screen program."""

    TITLE = "sagewizard"
    # The home screen's rules are here too: Textual loads no style sheet for the first screen.
    CSS_PATH: ClassVar[list[str | PurePath]] = ["app.tcss", "screens/home.tcss"]
    # Not annotated: mypy takes Textual's own declaration for an instance variable.
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (76, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (20, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "quit", "Quit", id="app.quit", tooltip="Leave the program", show=False, priority=True),
        Binding("ctrl+c", "interrupt", "Stop", id="app.interrupt", tooltip="Twice: quit", show=False, system=True),
        # F1 works everywhere; `?` is a letter in a field.
        Binding("f1", "help", "Help", id="app.help", tooltip="What the keys do here", key_display="f1"),
        Binding("question_mark", "help", show=False, system=True, id="app.help-too"),
    ]

    def __init__(self, context: AppContext, *, reference: str | None = None) -> None:
        super().__init__()
        self.register_theme(SAGE)
        self.theme = os.environ.get("TEXTUAL_THEME", SAGE.name)
        self.workspace = Workspace(context, self)
        self.calls = Calls(self, debug=context.debug, sandbox=context.sandbox)
        self._reference = reference
        self._interrupted_at = 0.0
        self._leaving = False

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Name the colour of what stands back, which Textual's own themes do not know."""
        return {"quiet": "#8d9794"}

    def get_default_screen(self) -> Screen[None]:
        """Start at home: the first frame shows it, before anything was asked of anybody."""
        return HomeScreen(self.workspace)

    @cached_property
    def deployer(self) -> "Deployer":
        """Carries out plans and deletions; loaded when the first is asked for."""
        from tui import deployer

        return deployer.Deployer(self, self.workspace)

    def on_ready(self) -> None:
        """After the first frame: open the account, and go where the command line asked to."""
        self.workspace.run_changed.subscribe(self, self._leave_when_idle)
        self.set_timer(_SETTLED_SECONDS, self.open_account)  # loading boto3 would hold up the frame being drawn
        if self._reference is not None:
            self.post_message(navigation.NewDeployment(self._reference))

    def on_unmount(self) -> None:
        """Stop what goes on; nobody waits for it any more."""
        self.calls.cancel_all()
        if "deployer" in self.__dict__:
            self.deployer.abandon()

    def open_account(self) -> None:
        """Open the account in the background, again when it failed before."""
        if self.workspace.account is not None or self.calls.busy("account"):
            return
        self.workspace.problem = None
        self.workspace.account_changed.publish(None)
        self.calls.start(
            "account", lambda _: calls.open_account(self.workspace.context), self._opened, self._not_opened
        )

    def _opened(self, account: "Account") -> None:
        self.workspace.account = account
        self.workspace.problem = None
        self.workspace.account_changed.publish(None)
        if account.notice:
            self.notify(account.notice, severity="warning", timeout=_NOTICE_SECONDS, markup=False)
        self.calls.start("identity", lambda _: account.identity(), self._identified, self._not_opened)

    def _identified(self, identity: "Identity") -> None:
        self.workspace.identity = identity
        self.workspace.account_changed.publish(None)
        if (account := self.workspace.account) is not None:
            self.calls.start(
                "unfinished", lambda _: calls.unfinished_deployments(account), self._found_unfinished, lambda _: None
            )

    def _found_unfinished(self, found: "tuple[tuple[Deployment, SagewizardError], ...]") -> None:
        """List what earlier sessions left to be gone on with; what cannot be read is no hindrance."""
        from tui.runs import earlier_run

        known = {run.deployment for run in self.workspace.runs}
        earlier = [earlier_run(deployment, why) for deployment, why in found if deployment.id not in known]
        self.workspace.runs[:0] = earlier
        for run in earlier:
            self.workspace.run_changed.publish(run)

    def _not_opened(self, problem: SagewizardError) -> None:
        self.workspace.account = None
        self.workspace.problem = problem
        self.workspace.account_changed.publish(None)

    @on(navigation.OpenAccount)
    def _open_account_again(self) -> None:
        self.calls.cancel("identity")  # its failure would be the old account's
        self.workspace.account = None
        self.open_account()

    @on(navigation.NewDeployment)
    def _new_deployment(self, message: navigation.NewDeployment) -> None:
        from tui.screens.wizard import WizardScreen

        self.push_screen(WizardScreen(self.workspace, reference=message.reference, at=message.step))

    @on(navigation.StartRun)
    def _start_run(self, message: navigation.StartRun) -> None:
        from tui.screens.deployment import DeploymentScreen

        self._show_run(DeploymentScreen(self.workspace, self.deployer.start(message.plan)))

    @on(navigation.ResumeRun)
    def _resume_run(self, message: navigation.ResumeRun) -> None:
        from tui.screens.deployment import DeploymentScreen

        self._show_run(DeploymentScreen(self.workspace, self.deployer.resume(message.run)))

    def _show_run(self, screen: "DeploymentScreen") -> None:
        while len(self.screen_stack) > _OVER_HOME:
            self.pop_screen()
        if len(self.screen_stack) == _OVER_HOME:
            self.switch_screen(screen)  # in the wizard's place, with no glimpse of home between them
        else:
            self.push_screen(screen)

    @on(navigation.OpenRun)
    def _open_run(self, message: navigation.OpenRun) -> None:
        from tui.screens.deployment import DeploymentScreen

        self.push_screen(DeploymentScreen(self.workspace, message.run))

    @on(navigation.StopRun)
    def _stop_run(self, message: navigation.StopRun) -> None:
        self.deployer.stop(message.run)

    @on(navigation.DismissRun)
    def _dismiss_run(self, message: navigation.DismissRun) -> None:
        message.run.dismissed = True
        self.workspace.run_changed.publish(message.run)

    @on(navigation.OpenEndpoint)
    def _open_endpoint(self, message: navigation.OpenEndpoint) -> None:
        from tui.screens.endpoint import EndpointScreen

        self.push_screen(EndpointScreen(self.workspace, message.name))

    @on(navigation.OpenChat)
    def _open_chat(self, message: navigation.OpenChat) -> None:
        from tui.screens.chat import ChatScreen

        self._home()
        self.push_screen(ChatScreen(self.workspace, message.name))

    @on(navigation.OpenLogs)
    def _open_logs(self, message: navigation.OpenLogs) -> None:
        from tui.screens.logs import LogsScreen

        self.push_screen(LogsScreen(self.workspace, message.name))

    @on(navigation.AskToDelete)
    def _ask_to_delete(self, message: navigation.AskToDelete) -> None:
        from tui.screens.delete import DeleteScreen

        def answered(confirmed: bool | None) -> None:
            if confirmed:
                self._home()
                self.deployer.delete(message.name)

        self.push_screen(DeleteScreen(self.workspace, message.name), answered)

    def _home(self) -> None:
        while len(self.screen_stack) > 1:
            self.pop_screen()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Offer in the palette what the keys of the present screen do, then what Textual offers."""
        offered: set[str] = set()
        for active in screen.active_bindings.values():
            binding = active.binding
            if active.enabled and binding.id and binding.description not in {"", *offered} and not binding.system:
                offered.add(binding.description)
                run = partial(self.run_action, binding.action, default_namespace=active.node)
                yield SystemCommand(binding.description, binding.tooltip, run)
        yield from (command for command in super().get_system_commands(screen) if command.title in _OF_TEXTUAL)

    def action_help(self) -> None:
        """Show what the keys do on the present screen."""
        from tui.screens.help import HelpScreen, keys_of

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(keys_of(self.screen)))

    async def action_quit(self) -> None:
        """Leave; ask first when a deployment goes on."""
        from tui.screens.confirm import ConfirmScreen, before_quitting

        names = [run.name for run in self.workspace.active_runs]
        if not names:
            self.exit(0)
        elif not isinstance(self.screen, ConfirmScreen):
            question = before_quitting(names, self.workspace.context.command("deployments"))
            self.push_screen(ConfirmScreen(question), self._quit_as)

    def _quit_as(self, answer: str | None) -> None:
        if answer == "leave":
            self.exit(0)
        elif answer == "undo":
            self._leaving = True
            for run in self.workspace.active_runs:
                self.deployer.stop(run)
            self.notify("Undoing what was made; then the program ends.", timeout=30, markup=False)
            self._leave_when_idle(None)

    def _leave_when_idle(self, _run: object) -> None:
        if self._leaving and not self.workspace.active_runs:
            self.exit(0)

    def action_interrupt(self) -> None:
        """Ctrl+C: say how to leave; twice leaves."""
        if time.monotonic() - self._interrupted_at < _AGAIN_SECONDS:
            self.run_worker(self.action_quit(), name="quit")
            return
        self._interrupted_at = time.monotonic()
        self.notify("Press Ctrl+C again to quit.", timeout=_AGAIN_SECONDS, markup=False)


def run_app(context: AppContext, *, reference: str | None = None) -> int:
    """Run the full-screen program until the person leaves it; return its exit code.

    `reference` opens the wizard with that model. Without a terminal nothing is run and the code is 2.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"):
        sys.stderr.write(NEEDS_TERMINAL)
        return 2
    app = SagewizardApp(context, reference=reference)

    async def run() -> int:
        # Textual leaves the terminal as it is on SIGTERM; ending the app puts it back.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, app.exit, _TERMINATED)
        return await app.run_async() or app.return_code or 0

    code = asyncio.run(run())
    sys.stdout.write(app.workspace.farewell)
    if any(not thread.daemon and thread is not threading.main_thread() for thread in threading.enumerate()):
        # Pools within a call that is still under way; Python would wait for them, for a minute when AWS is silent.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code
