"""The container log of an endpoint, as it comes."""

from pathlib import PurePath
from typing import TYPE_CHECKING, ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, Log, Static

from core.cancellation import CancelToken
from core.errors import SagewizardError
from tui import calls
from tui.background import Calls, Feed
from tui.log_lines import time_of_day, without_stamp
from tui.widgets.account_bar import AccountBar
from tui.widgets.problem import ProblemBox
from tui.workspace import Workspace

if TYPE_CHECKING:
    from core.aws.logs import LogLine

MOST_LINES: Final = 20_000


class LogsScreen(Screen[None]):
    """Follows the log; `f` holds it still."""

    CSS_PATH: ClassVar[list[str | PurePath]] = ["../controls.tcss", "logs.tcss"]
    AUTO_FOCUS = "Log"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back", id="logs.back", tooltip="Go back"),
        Binding("f", "follow", "Follow", id="logs.follow", tooltip="Keep the newest line in view, or hold still"),
        Binding("r", "again", "Again", id="logs.again", tooltip="Read the log again from its beginning"),
    ]

    def __init__(self, workspace: Workspace, name: str) -> None:
        super().__init__()
        self._workspace = workspace
        self._endpoint = name
        self._calls = Calls(self, debug=workspace.context.debug, sandbox=workspace.context.sandbox)
        self._count = 0
        self._feed: Feed[LogLine] | None = None

    def compose(self) -> ComposeResult:
        """Lay out the log."""
        yield AccountBar(self._workspace)
        with Horizontal(classes="title-line"):
            yield Static(Content(f"Log of {self._endpoint}"), classes="title")
            yield Static(id="logs-state", classes="title-right")
        yield ProblemBox(id="logs-problem")
        yield Log(id="logs", max_lines=MOST_LINES, auto_scroll=True)
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Begin to read."""
        self._read()

    def on_unmount(self) -> None:
        """Stop reading."""
        self._calls.cancel_all()

    def _read(self) -> None:
        workspace = self._workspace
        feed: Feed[LogLine] = Feed(self, lambda lines: self._arrived(feed, lines))
        self._feed = feed

        def follow(cancel: CancelToken) -> None:
            for line in calls.follow_logs(workspace.open_account(), self._endpoint, cancel):
                feed.put(line)

        self._calls.start("logs", follow, lambda _: self._show_state(), self._failed)
        self._show_state()

    def _arrived(self, feed: "Feed[LogLine]", lines: "list[LogLine]") -> None:
        if feed is not self._feed:  # of a reading that was given up for this one
            return
        self._count += len(lines)
        self.query_one(Log).write_lines(f"{time_of_day(line.at)}  {without_stamp(line.text)}" for line in lines)
        self._show_state()

    def _failed(self, problem: SagewizardError) -> None:
        self.query_one(ProblemBox).show(problem)
        self._show_state()

    def _show_state(self) -> None:
        following = self.query_one(Log).auto_scroll
        word = "not reading" if not self._calls.busy("logs") else "◐ following" if following else "■ held still"
        lines = "1 line" if self._count == 1 else f"{self._count} lines"
        self.query_one("#logs-state", Static).update(Content(f"{lines} · {word}"))

    def action_leave(self) -> None:
        """Go back."""
        self.dismiss()

    def action_follow(self) -> None:
        """Keep the newest line in view, or hold still."""
        log = self.query_one(Log)
        log.auto_scroll = not log.auto_scroll
        if log.auto_scroll:
            log.scroll_end(animate=False)
        self._show_state()

    def action_again(self) -> None:
        """Read from the beginning."""
        self.query_one(ProblemBox).show(None)
        self.query_one(Log).clear()
        self._count = 0
        self._read()
