"""A deployment while it goes on: its stages, its log, how to stop it, and what became of it."""

from datetime import UTC, datetime
from itertools import islice
from pathlib import PurePath
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, Log, Static

from core.errors import SagewizardError
from core.quantities import format_duration, format_hourly
from tui import navigation
from tui.runs import LOG_LINES, DeploymentRun
from tui.screens.confirm import Choice, ConfirmScreen, Question
from tui.status_words import in_colour, run_status
from tui.widgets.account_bar import AccountBar
from tui.widgets.problem import ProblemBox
from tui.widgets.stage_list import StageList
from tui.workspace import Workspace

_TICK_SECONDS: Final = 0.5
_TALL_ROWS: Final = 32
"""From this height on all stages, a long problem and some of the log have room together."""
_LOW_ROWS: Final = 20
"""Below this height all stages leave no room for the log."""


class DeploymentScreen(Screen[None]):
    """Shows one run. Leaving it changes nothing: it goes on, and one that failed stays in the list until put aside."""

    CSS_PATH: ClassVar[list[str | PurePath]] = ["../controls.tcss", "deployment.tcss"]
    AUTO_FOCUS = "Log"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Home", id="run.home", tooltip="Go home; a deployment under way goes on"),
        Binding("c", "stop", "Stop", id="run.stop", tooltip="Stop the deployment and undo what it made"),
        Binding("enter", "chat", "Chat", id="run.chat", tooltip="Chat with the endpoint"),
        Binding("r", "resume", "Resume", id="run.resume", tooltip="Go on from what it has made"),
        Binding("e", "edit", "Change and retry", id="run.edit", tooltip="Back to the review with the same answers"),
        Binding("d", "put_aside", "Dismiss", id="run.dismiss", tooltip="Go home, and take it off the list there"),
    ]

    def __init__(self, workspace: Workspace, run: DeploymentRun) -> None:
        super().__init__()
        self._workspace = workspace
        self._run = run
        self._shown_lines = 0
        self._leads_to_chat = run.active
        """Whether the chat opens by itself once the endpoint is in service: nobody has asked to stop it."""
        self._asking = False
        """Whether the person is being asked something that the end of the run must not answer."""

    def compose(self) -> ComposeResult:
        """Lay out the stages above the log."""
        yield AccountBar(self._workspace)
        with Horizontal(classes="title-line"):
            yield Static(Content(f"Deploying {self._run.name}"), classes="title")
            yield Static(id="run-word", classes="title-right")
        yield Static(Content(_summary(self._run)), id="run-summary")
        yield StageList()
        yield ProblemBox(id="run-problem")
        yield Log(id="run-log", max_lines=LOG_LINES, auto_scroll=True)
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Follow the run."""
        self._workspace.run_changed.subscribe(self, self._run_changed)
        self.set_interval(_TICK_SECONDS, self._tick)
        self.query_one(Log).border_title = "Log"
        self._show()

    def _run_changed(self, run: DeploymentRun) -> None:
        if run is self._run:
            self._show()

    def on_resize(self) -> None:
        """What has room depends on the height."""
        if self.is_mounted:
            self._show_stages()

    def _tick(self) -> None:
        if self._run.active and self.is_current:
            self._show_stages()

    def _show(self) -> None:
        self._show_stages()
        self._show_log()
        self.query_one(ProblemBox).show(_problem(self._run))
        self.refresh_bindings()
        self._go_on_to_chat()

    def on_screen_resume(self) -> None:
        """What lay over this screen is gone."""
        self._go_on_to_chat()

    def _go_on_to_chat(self) -> None:
        """Open the chat once it is ready; never from behind a question, which would be answered by its going away."""
        if self._leads_to_chat and self._run.word == "ready" and self.is_active and not self._asking:
            self._leads_to_chat = False
            self.action_chat()

    def _show_stages(self) -> None:
        now = datetime.now(UTC)
        glyph, word, colour = run_status(self._run.word)
        elapsed = Content.styled(format_duration(self._run.seconds(now)), "$foreground")
        self.query_one("#run-word", Static).update(Content.assemble(in_colour(f"{glyph} {word}  ", colour), elapsed))
        least = _TALL_ROWS if self._run.word == "failed" else _LOW_ROWS if self._run.active else 0
        brief = self.size.height < least  # the log must not be pushed out
        self.query_one(StageList).show(self._run, now, brief=brief)

    def _show_log(self) -> None:
        new = self._run.logged - self._shown_lines
        if new > 0:
            kept = len(self._run.log)
            self.query_one(Log).write_lines(islice(self._run.log, max(0, kept - new), kept))
            self._shown_lines = self._run.logged

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer the keys that make sense now."""
        match action:
            case "stop":
                return self._run.word == "running"
            case "chat":
                return self._run.word == "ready"
            case "resume":
                return self._run.can_go_on and not self._workspace.context.readonly
            case "edit":  # of an earlier session the answers are not known
                return self._run.word in ("failed", "cancelled") and not self._run.interrupted
            case "put_aside":
                return self._run.word in ("failed", "cancelled")
        return super().check_action(action, parameters)

    def action_leave(self) -> None:
        """Go home. What the person stopped has nothing more to tell, unless something of it is left."""
        if self._run.word == "cancelled" and not self._run.left:
            self.app.post_message(navigation.DismissRun(self._run))
        self.dismiss()

    def action_put_aside(self) -> None:
        """Go home; how it ended has been read."""
        self.app.post_message(navigation.DismissRun(self._run))
        self.dismiss()

    def action_chat(self) -> None:
        """Chat with the endpoint."""
        self.post_message(navigation.OpenChat(self._run.name))

    def action_resume(self) -> None:
        """Go on with it; this screen gives way to the new run's."""
        self.post_message(navigation.ResumeRun(self._run))

    def action_edit(self) -> None:
        """Go back to the review with this run's answers; to the model when that is not as it was looked at."""
        draft = self._workspace.draft = self._run.draft or self._workspace.draft
        changed = self._run.stages["inspect"].word == "failed"
        if not self._run.left:
            self.app.post_message(navigation.DismissRun(self._run))
        self.dismiss()
        again = navigation.NewDeployment(draft.reference) if draft and changed else None
        self.app.post_message(again or navigation.NewDeployment(step="review"))

    def action_stop(self) -> None:
        """Ask whether to stop; then stop, and undo what was made."""
        question = Question(
            "Stop this deployment?",
            f"What it has made so far for {self._run.name} is removed again. That takes a moment; it is shown here.",
            (Choice("go-on", "Go on deploying"), Choice("stop", "Stop and undo", danger=True)),
        )
        self._asking = True
        self.app.push_screen(ConfirmScreen(question), self._stop_as)

    def _stop_as(self, answer: str | None) -> None:
        self._asking = False
        if answer == "stop":
            self._leads_to_chat = False
            self.app.post_message(navigation.StopRun(self._run))
        self._go_on_to_chat()


def _problem(run: DeploymentRun) -> SagewizardError | None:
    """Return what is to be shown as an error: that a run was stopped as asked is none, unless something is left."""
    if run.word != "cancelled":
        return run.problem
    fix = run.problem.fix if run.problem else ""
    return SagewizardError("Stopped, but not all that was made could be removed.", fix=fix) if run.left else None


def _summary(run: DeploymentRun) -> str:
    endpoint = run.plan.endpoint
    count = f"{endpoint.instance_count} × " if endpoint.instance_count > 1 else ""
    price = format_hourly(run.plan.price_usd_per_hour)
    return f"{run.plan.model.reference} on {count}{endpoint.instance_type} in {run.plan.region}, {price}"
