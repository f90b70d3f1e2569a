"""Home: the endpoints that exist, what they cost, and what can be done with them."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Final

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Center, Horizontal, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Static

from core.errors import SagewizardError
from core.quantities import format_hourly, format_monthly
from tui import calls, navigation
from tui.background import Calls
from tui.endpoint_rows import FREE_STATUSES, EndpointRow, age_words, endpoint_rows, total_usd_per_hour
from tui.status_words import MUTED, endpoint_status, in_cell
from tui.widgets.account_bar import AccountBar
from tui.widgets.problem import ProblemBox
from tui.workspace import Workspace

if TYPE_CHECKING:
    from core.endpoints.desk import EndpointSummary
    from tui.runs import DeploymentRun

REFRESH_SECONDS: Final = 8.0
_SOON_SECONDS: Final = 2.0
_CHANGES: Final = frozenset({"new", "delete"})


class EndpointTable(DataTable[Text]):
    """The table; its own key says what it does here."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter", "select_cursor", "Inspect", id="home.inspect", tooltip="Look at the endpoint, or its deployment"
        ),
    ]


class HomeScreen(Screen[None]):
    """The list of endpoints. It refreshes itself; cells change in place. Its style sheet is loaded by the app."""

    AUTO_FOCUS = "#endpoints"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "New", id="home.new", tooltip="Deploy a model"),
        Binding("c", "chat", "Chat", id="home.chat", tooltip="Chat with the endpoint"),
        Binding("l", "logs", "Logs", id="home.logs", tooltip="Follow the endpoint's container log"),
        Binding("d", "delete", "Delete", id="home.delete", tooltip="Delete the endpoint and what was made for it"),
        Binding("r", "refresh", "Refresh", id="home.refresh", tooltip="Ask AWS again now"),
        Binding("q", "app.quit", "Quit", id="home.quit", tooltip="Leave the program"),
    ]

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._calls = Calls(self, debug=workspace.context.debug, sandbox=workspace.context.sandbox)
        self._endpoints: tuple[EndpointSummary, ...] | None = None
        self._rows: tuple[EndpointRow, ...] = ()
        self._reopening = False
        self._columns: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        """Lay out the table and what stands in its place when it is empty."""
        yield AccountBar(self._workspace)
        with Horizontal(classes="title-line"):
            yield Static("Endpoints", classes="title")
            yield Static(id="total", classes="title-right")
        yield ProblemBox(id="home-problem")
        with Vertical(id="home-body"):
            yield Static(id="home-wait")
            yield EndpointTable(id="endpoints", cursor_type="row", cell_padding=1)
            with Center(id="empty"):
                yield Static(id="empty-text")
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Set the table up; the first answer fills it."""
        self._set_columns(columns_in(self.size.width))
        self._workspace.account_changed.subscribe(self, lambda _: self._account_changed())
        self._workspace.endpoints_changed.subscribe(self, self._endpoints_changed)
        self._workspace.run_changed.subscribe(self, self._run_changed)
        self.set_interval(REFRESH_SECONDS, self._look_again)
        self._account_changed()

    def on_unmount(self) -> None:
        """Drop what was asked for."""
        self._calls.cancel_all()

    def on_resize(self) -> None:
        """What has room depends on the width."""
        if not self.is_mounted:
            return
        at, columns = self._at_cursor, columns_in(self.size.width)
        if columns != self._columns:
            self._set_columns(columns)
        self._show_rows()
        table = self.query_one(DataTable)
        if at in self.names:
            table.move_cursor(row=table.get_row_index(at))

    def _set_columns(self, columns: tuple[str, ...]) -> None:
        table, self._columns = self.query_one(DataTable), columns
        table.clear(columns=True)
        for key, title, width in _COLUMNS:
            if key in columns:
                table.add_column(title, key=key, width=width)

    def on_screen_resume(self) -> None:
        """Coming back, show what is true now."""
        self._show()
        self._look_now()

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the table, from the top."""
        return tuple(row.name for row in self._rows)

    def _account_changed(self) -> None:
        self._show()
        if self._workspace.account is not None and (self._endpoints is None or self._reopening):
            self._reopening = False
            self._look_now()

    def _endpoints_changed(self, gone: str | None) -> None:
        if self._endpoints is not None:  # what AWS said last may still have it
            self._endpoints = tuple(endpoint for endpoint in self._endpoints if endpoint.name != gone)
        self._look_now()

    def _run_changed(self, _run: "DeploymentRun") -> None:
        if self.is_current:
            self._show()

    def _look_again(self) -> None:
        if self.is_current and not self._calls.busy("endpoints"):
            self._look_now()

    def _look_now(self) -> None:
        self._show()
        if (account := self._workspace.account) is not None:
            self._calls.start("endpoints", lambda _: calls.list_endpoints(account), self._found, self._not_found)

    def _found(self, endpoints: "tuple[EndpointSummary, ...]") -> None:
        self._endpoints = endpoints
        self.query_one(ProblemBox).show(None)
        self._show()
        if any(row.status in ("Creating", "Deleting", "Updating") for row in self._rows):
            self.set_timer(_SOON_SECONDS, self._look_again)

    def _not_found(self, problem: SagewizardError) -> None:
        self.query_one(ProblemBox).show(problem)
        self._show()

    def _show(self) -> None:
        if not self.is_mounted:
            return
        workspace = self._workspace
        if workspace.problem:
            self.query_one(ProblemBox).show(workspace.problem)
        self._rows = endpoint_rows(self._endpoints or (), workspace.runs, workspace.deleting, self._rows)
        known = self._endpoints is not None or bool(self._rows)
        waiting = not known and self.query_one(ProblemBox).problem is None
        self.set_class(not known, "-unknown")
        self.set_class(known and not self._rows, "-empty")
        self.set_class(waiting, "-waiting")
        opening = "Opening the sandbox …" if workspace.context.sandbox else "Opening the account …"
        self.query_one("#home-wait", Static).update(opening if workspace.account is None else "Asking for endpoints …")
        self.query_one("#total", Static).update(_total_words(self._rows))
        self._show_empty()
        self._show_rows()
        self.refresh_bindings()

    def _show_empty(self) -> None:
        if self.has_class("-empty") and self._workspace.account is not None:
            words = empty_words(self._workspace.account.region, readonly=self._workspace.context.readonly)
            self.query_one("#empty-text", Static).update(words)

    def _show_rows(self) -> None:
        """Bring the table in line with the rows, changing only what differs."""
        table = self.query_one(DataTable)
        cursor, now, colours = self._at_cursor, datetime.now(UTC), self.app.theme_variables
        width = name_width(self._columns, self.size.width)
        wanted = {row.name: self._cells(row, now, width, colours) for row in self._rows}
        present = [str(key.value) for key in table.rows]
        if set(present) - set(wanted) or [name for name in wanted if name in present] != present:
            for name in present:
                table.remove_row(name)
            present = []
        if set(wanted) - set(present) and present:  # a new row belongs on top: order is by age
            for name in present:
                table.remove_row(name)
            present = []
        for name, row in wanted.items():
            if name not in present:
                table.add_row(*row, key=name)
                continue
            for column, cell in zip(self._columns, row, strict=True):
                if table.get_cell(name, column) != cell:
                    table.update_cell(name, column, cell)
        if cursor in wanted:
            table.move_cursor(row=table.get_row_index(cursor))

    def _cells(self, row: EndpointRow, now: datetime, width: int, colours: Mapping[str, str]) -> tuple[Text, ...]:
        found = zip((key for key, _, _ in _COLUMNS), cells(row, now, width, colours), strict=True)
        return tuple(cell for key, cell in found if key in self._columns)

    @property
    def _at_cursor(self) -> str:
        table = self.query_one(DataTable)
        if not table.row_count:
            return ""
        return str(table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value)

    @property
    def _chosen(self) -> EndpointRow | None:
        name = self._at_cursor
        return next((row for row in self._rows if row.name == name), None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Grey out keys that have nothing to work on; leave out what a read-only session must not do."""
        if action in _CHANGES and self._workspace.context.readonly:
            return False
        if action in ("chat", "logs", "delete") and not self._rows:
            return None
        return super().check_action(action, parameters)

    @on(DataTable.RowSelected, "#endpoints")
    def _inspect(self) -> None:
        """Show the deployment that is under way or has failed, or else the endpoint."""
        if (row := self._chosen) is None:
            return
        run = self._workspace.run_to_read(row.name, exists=row.exists)
        self.post_message(navigation.OpenRun(run) if run else navigation.OpenEndpoint(row.name))

    def action_new(self) -> None:
        """Open the wizard."""
        self.post_message(navigation.NewDeployment())

    def action_chat(self) -> None:
        """Chat with the endpoint under the cursor."""
        if row := self._chosen:
            if row.status in ("InService", "Updating", "SystemUpdating"):
                self.post_message(navigation.OpenChat(row.name))
            else:
                said = "is stopped" if row.doing == "stopped" else f"is {endpoint_status(row.status)[1]}"
                self.notify(f"{row.name} does not answer: it {said}.", markup=False)

    def action_logs(self) -> None:
        """Follow the log of the endpoint under the cursor."""
        if row := self._chosen:
            self.post_message(navigation.OpenLogs(row.name))

    def action_delete(self) -> None:
        """Ask whether to delete the endpoint under the cursor."""
        if (row := self._chosen) is None:
            return
        run = self._workspace.run_to_read(row.name, exists=row.exists)
        if run is not None and run.active:
            self.notify(f"{row.name} is still being deployed: press enter, then stop it there.", markup=False)
        elif run is not None and not row.exists and not run.left:  # nothing of it is in the account
            self.post_message(navigation.DismissRun(run))
        elif row.name not in self._workspace.deleting:
            self.post_message(navigation.AskToDelete(row.name))

    def action_refresh(self) -> None:
        """Ask again; after a failure open the account anew, with what has been put right since outside the program."""
        box = self.query_one(ProblemBox)
        failed = box.problem is not None
        box.show(None)
        if failed or self._workspace.account is None:
            self._reopening = True
            self.post_message(navigation.OpenAccount())
        else:
            self._look_now()


# Name takes what the others leave: 19 of 80 columns.
_COLUMNS: Final = (
    ("name", "Name", None),
    ("status", "Status", 15),
    ("instance", "Instance", 16),
    ("age", "Age", 6),
    ("price", "$/h", 6),
    ("ours", "Ours", 4),
)
_WANTED: Final = ("status", "price", "instance", "age", "ours")
"""The columns beside the name, the one that is given up last first."""
_WIDTHS: Final = {key: width or 0 for key, _, width in _COLUMNS}
_COLUMN_PADDING: Final = 2
_MARGIN: Final = 4
_LEAST_NAME_WIDTH: Final = 17


def columns_in(width: int) -> tuple[str, ...]:
    """Return the keys of the columns that have room on a screen of that width."""
    kept = {"name"}
    for key in _WANTED:
        if name_width((*kept, key), width) >= _LEAST_NAME_WIDTH:
            kept.add(key)
    return tuple(key for key, _, _ in _COLUMNS if key in kept)


def name_width(columns: Iterable[str], width: int) -> int:
    """Return how many cells are left for the name."""
    return width - _MARGIN - sum(_WIDTHS[key] + _COLUMN_PADDING for key in columns)


def cells(row: EndpointRow, now: datetime, name_width: int, colours: Mapping[str, str]) -> tuple[Text, ...]:
    """Return the row's cells; `colours` are the theme's variables."""
    glyph, word, colour = endpoint_status(row.status)
    count = f"{row.instance_count}×" if row.instance_count > 1 else ""
    price = "–" if row.usd_per_hour is None or row.status in FREE_STATUSES else f"{row.usd_per_hour:.3f}"
    name = row.name if len(row.name) <= name_width else f"{row.name[: name_width - 1]}…"
    return (
        in_cell(name, "foreground", colours),
        in_cell(f"{glyph} {row.doing or word}", colour, colours),
        in_cell(f"{count}{row.instance_type}", "foreground", colours),
        Text(age_words((now - row.created).total_seconds()), justify="right"),
        Text(price, justify="right"),
        in_cell("yes" if row.ours else "no", MUTED, colours),
    )


def _total_words(rows: tuple[EndpointRow, ...]) -> Content:
    paid = [row for row in rows if row.costs]
    if not paid:
        return Content("")
    total = total_usd_per_hour(paid)
    return Content(f"{len(paid)} running · {format_hourly(total)} · {format_monthly(total)}")


def empty_words(region: str, *, readonly: bool) -> Content:
    """Return what an account without endpoints is told."""
    if readonly:
        return Content(f"No endpoints in {region}.")
    return Content.from_markup(
        "No endpoints in $region.\n\nPress [b $primary]n[/] to deploy one: the model that comes with the program is "
        "already filled in, so Enter at every step takes you to a chat with it.",
        region=region,
    )
