"""All that is known of one endpoint; every value can be copied."""

from typing import TYPE_CHECKING, ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Static

from core.errors import SagewizardError
from core.quantities import format_hourly, format_monthly
from tui import calls, navigation
from tui.background import Calls
from tui.status_words import MUTED, endpoint_status, in_cell, in_colour
from tui.widgets.account_bar import AccountBar
from tui.widgets.fitted_table import FittedColumn, FittedTable
from tui.widgets.problem import ProblemBox
from tui.workspace import Workspace

if TYPE_CHECKING:
    from core.endpoints.details import EndpointDetails

REFRESH_SECONDS: Final = 8.0
_COLUMNS: Final = (FittedColumn(cells=14), FittedColumn())


class DetailTable(FittedTable):
    """Labels and values; Enter copies the value."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,y", "select_cursor", "Copy value", id="endpoint.copy", tooltip="Copy the value of this row"),
    ]


class EndpointScreen(Screen[None]):
    """Shows an endpoint and keeps it up to date."""

    CSS_PATH = "endpoint.tcss"
    AUTO_FOCUS = "#details"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back", id="endpoint.back", tooltip="Go back"),
        Binding("c", "chat", "Chat", id="endpoint.chat", tooltip="Chat with it"),
        Binding("l", "logs", "Logs", id="endpoint.logs", tooltip="Follow its container log"),
        Binding("d", "delete", "Delete", id="endpoint.delete", tooltip="Delete it and what was made for it"),
        Binding("r", "refresh", "Refresh", id="endpoint.refresh", tooltip="Ask AWS again now"),
    ]

    def __init__(self, workspace: Workspace, name: str) -> None:
        super().__init__()
        self._workspace = workspace
        self._endpoint = name
        self._calls = Calls(self, debug=workspace.context.debug, sandbox=workspace.context.sandbox)
        self._values: tuple[tuple[str, str], ...] = ()
        self._status = ""

    def compose(self) -> ComposeResult:
        """Lay out the table and the whole value of the row under the cursor."""
        yield AccountBar(self._workspace)
        with Horizontal(classes="title-line"):
            yield Static(Content(self._endpoint), classes="title")
            yield Static("asking …", id="endpoint-status", classes="title-right")
        yield ProblemBox(id="endpoint-problem")
        yield DetailTable(_COLUMNS, id="details", show_header=False)
        yield Static(id="whole-value")
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Ask for the first time."""
        self.set_interval(REFRESH_SECONDS, self._look_again)
        self.action_refresh()

    def on_unmount(self) -> None:
        """Drop what was asked for."""
        self._calls.cancel_all()

    def _look_again(self) -> None:
        if self.is_current and not self._calls.busy("details"):
            self.action_refresh()

    def _found(self, details: "EndpointDetails") -> None:
        self._status = details.status
        glyph, word, colour = endpoint_status(details.status)
        self.query_one("#endpoint-status", Static).update(in_colour(f"{glyph} {word}", colour))
        reason = details.failure_reason
        self.query_one(ProblemBox).show(
            SagewizardError(reason, fix="The log may say more: press l. Nothing is charged for a failed endpoint.")
            if reason
            else None
        )
        values = detail_values(details)
        if values != self._values:
            self._fill(values)
        self.refresh_bindings()

    def _fill(self, values: tuple[tuple[str, str], ...]) -> None:
        colours = self.app.theme_variables
        self._values = values
        self.query_one(DetailTable).show_rows(
            (in_cell(label, MUTED, colours), in_cell(value, "foreground", colours)) for label, value in values
        )

    def _not_found(self, problem: SagewizardError) -> None:
        self.query_one(ProblemBox).show(problem)
        self.query_one("#endpoint-status", Static).update("")

    @on(DataTable.RowHighlighted)
    def _highlighted(self, event: DataTable.RowHighlighted) -> None:
        if 0 <= event.cursor_row < len(self._values):
            value = self._values[event.cursor_row][1]
            self.query_one("#whole-value", Static).update(
                Content(value if len(value) > self.query_one(DetailTable).room else "")
            )

    @on(DataTable.RowSelected)
    def _copy(self, event: DataTable.RowSelected) -> None:
        if 0 <= event.cursor_row < len(self._values):
            label, value = self._values[event.cursor_row]
            self.app.copy_to_clipboard(value)
            self.notify(f"{label} is copied.", markup=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Grey out what cannot be done now; leave out what a read-only session must not do."""
        if action == "delete" and self._workspace.context.readonly:
            return False
        if action == "chat" and self._status not in ("InService", "Updating", "SystemUpdating"):
            return None
        return super().check_action(action, parameters)

    def action_refresh(self) -> None:
        """Ask again."""
        workspace, name = self._workspace, self._endpoint
        self._calls.start(
            "details", lambda _: calls.show_endpoint(workspace.open_account(), name), self._found, self._not_found
        )

    def action_leave(self) -> None:
        """Go back."""
        self.dismiss()

    def action_chat(self) -> None:
        """Chat with it."""
        self.post_message(navigation.OpenChat(self._endpoint))

    def action_logs(self) -> None:
        """Follow its log."""
        self.post_message(navigation.OpenLogs(self._endpoint))

    def action_delete(self) -> None:
        """Ask whether to delete it."""
        self.post_message(navigation.AskToDelete(self._endpoint))


def detail_values(details: "EndpointDetails") -> tuple[tuple[str, str], ...]:
    """Return an endpoint as labels and values, in the order a person looks for them."""
    price = details.price_usd_per_hour
    rows = [("Status", details.status), ("Created", f"{details.created.astimezone():%Y-%m-%d %H:%M}")]
    if price is not None:
        rows.append(("Price", f"{format_hourly(price)} · {format_monthly(price)}"))
    if details.cost_usd_estimate is not None:
        rows.append(("Cost so far", f"about ${details.cost_usd_estimate:,.2f}"))
    for variant in details.variants:
        count = f"{variant.current_count or 0} of {variant.desired_count or 0} × " if not variant.serverless else ""
        rows.append(("Variant", f"{variant.name}: {count}{variant.instance_type or 'serverless'}"))
    if (metrics := details.metrics) is not None:
        errors = f"{metrics.errors_4xx} refused, {metrics.errors_5xx} failed"
        rows.append(("Requests", f"{metrics.invocations} in {metrics.hours} h, {errors}"))
        if metrics.model_latency_ms is not None:
            slowest = f", slowest {metrics.slowest_ms:,.0f} ms" if metrics.slowest_ms is not None else ""
            rows.append(("Answers in", f"{metrics.model_latency_ms:,.0f} ms on average{slowest}"))
    rows += [
        ("Engine", details.engine or "unknown"),
        ("Image", details.image or "unknown"),
        ("Artifact", details.model_data_uri or "none"),
        ("Role", details.role_arn or "unknown"),
        ("Models", ", ".join(details.models) or "none"),
        ("Config", details.config_name or "unknown"),
        ("ARN", details.arn),
        ("Log group", details.log_group),
        ("Console", details.console_url),
        ("Made by", "sagewizard" if details.ours else "something else"),
    ]
    rows += [("Environment", f"{key}={value}") for key, value in sorted(details.environment.items())]
    return tuple(rows)
