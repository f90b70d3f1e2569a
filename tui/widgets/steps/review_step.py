"""Last step: everything that was decided and why, what it costs, and the button that does it."""

from dataclasses import dataclass
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Button, DataTable, Input, Static

from core.deployments.names import check_endpoint_name
from core.deployments.plan import Plan
from core.errors import RefusedError, SagewizardError, UsageError
from core.instances.requirements import DEFAULT_CONTEXT
from core.quantities import format_bytes, format_count, format_hourly, format_monthly
from tui.draft import Draft, StepName
from tui.status_words import MUTED, in_cell
from tui.widgets.field import Field
from tui.widgets.fitted_table import FittedColumn, FittedTable
from tui.widgets.problem import ProblemBox
from tui.widgets.steps.size_words import sharing_words
from tui.widgets.steps.step import Commit, JumpTo, NameChosen, Step
from tui.widgets.steps.weight_choice import variant_of
from tui.wizard_state import WizardState

_COLUMNS: Final = (FittedColumn(cells=9), FittedColumn(share=11), FittedColumn(share=9))


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """One decision: its label, its value, why it is so, and the step to change it in (`None`: the program's own)."""

    label: str
    value: str
    why: str
    step: StepName | None


class ReviewTable(FittedTable):
    """The decisions; Enter goes to where one is changed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Change", id="review.change", tooltip="Go to the step that decides this row"),
    ]

    class Focused(Message):
        """The table took the focus: the row under its cursor is the one to tell of."""

    def on_focus(self) -> None:
        """Say so."""
        self.post_message(self.Focused())


class CommitButton(Button):
    """Names the act and its price."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "press", "Create", id="review.create", tooltip="Create the endpoint"),
        Binding("up", "app.focus_previous", "Why", id="review.up", tooltip="To the decisions, each with its reason"),
    ]


class ReviewStep(Step):
    """Shows the plan."""

    step: ClassVar[StepName] = "review"

    def compose(self) -> ComposeResult:
        """Lay out the name, the decisions, the command and the button."""
        with Horizontal(classes="question-line", id="name-line"):
            yield Static("Endpoint name", classes="label", id="name-label")
            yield Field(id="name", max_length=80, compact=True)
        yield ProblemBox(id="review-problem")
        yield ReviewTable(_COLUMNS, id="review", show_header=False)
        yield Static(id="review-why")
        yield Static(id="command")
        with Vertical(id="commit-foot"):  # always in view: Enter does what stands there
            yield Static(id="cost")
            with Horizontal(id="commit-line"):
                yield Static(id="commit-space")
                yield CommitButton("Working it out …", id="commit", disabled=True)

    def on_mount(self) -> None:
        """No plan is shown yet."""
        self._rows: tuple[ReviewRow, ...] = ()
        self._plan: Plan | None = None
        self._name = ""
        """The name that is in the field or was given already: left like this, the field has nothing to say."""
        self._chosen: str | None = None
        """The draft's name, `None` for the proposed one."""
        self._naming = False
        """Whether the last that was decided was a name: what is refused then is that."""

    def show(self, state: WizardState) -> None:
        """Show the plan, or what keeps it from being made."""
        plan, name, problem = state.draft.plan, self.query_one("#name", Input), state.problems.get("plan")
        self.query_one(ProblemBox).show(problem)
        self._chosen = state.draft.name
        if not name.has_focus:
            self._name = name.value = plan.endpoint.name if plan else state.draft.name or name.value
        button = self.query_one(Button)
        button.disabled = plan is None
        if plan is None:
            button.label = "Working it out …" if "plan" in state.asking else "Not possible as it is"
            button.refresh(layout=True)
            self._plan = None
            if problem is not None:
                self._give_back_focus(name, button)
                name.set_class(self._naming and isinstance(problem, RefusedError | UsageError), "-invalid")
            return
        self._naming = False
        if not name.has_focus:
            name.remove_class("-invalid")
        button.label = Content(commit_words(plan))
        button.refresh(layout=True)
        self.query_one("#cost", Static).update(cost_words(plan, sandbox=state.sandbox))
        self.query_one("#command", Static).update(
            Content.assemble(("The same as a command  ", "$quiet"), (state.command, "$foreground"))
        )
        if plan is not self._plan:
            self._plan = plan
            self._fill(review_rows(plan, state.draft))
            if self.screen.focused is None or self.screen.focused is button:
                button.focus()

    def _give_back_focus(self, name: Input, button: Button) -> None:
        """Nothing has the focus, or a button that can no longer be pressed: what is typed now is meant for the name."""
        if self.screen.focused is None or self.screen.focused is button:
            name.focus()

    def _fill(self, rows: tuple[ReviewRow, ...]) -> None:
        colours = self.app.theme_variables
        self._rows = rows
        self.query_one(ReviewTable).show_rows(
            (
                in_cell(row.label, MUTED, colours),
                in_cell(row.value, "foreground", colours),
                in_cell(row.why, MUTED, colours),
            )
            for row in rows
        )

    def take_focus(self) -> None:
        """Focus the button when there is a plan; until then nothing, so that Enter cannot be too early."""
        button = self.query_one(Button)
        if button.disabled:
            self.screen.set_focus(None)
        else:
            button.focus()

    @on(DataTable.RowHighlighted)
    @on(ReviewTable.Focused)
    def _highlighted(self) -> None:
        table = self.query_one(ReviewTable)
        if table.has_focus and 0 <= table.cursor_row < len(self._rows):
            row = self._rows[table.cursor_row]
            change = " · enter changes it" if row.step else ""
            self.query_one("#review-why", Static).update(
                Content.assemble(f"{row.label}: {row.value}", (f" – {row.why}{change}", "$quiet"))
            )

    @on(DataTable.RowSelected)
    def _selected(self, event: DataTable.RowSelected) -> None:
        if 0 <= event.cursor_row < len(self._rows) and (step := self._rows[event.cursor_row].step):
            self.post_message(JumpTo(step))

    @on(Input.Submitted, "#name")
    @on(Input.Blurred, "#name")
    def _named(self, event: Input.Submitted | Input.Blurred) -> None:
        text = event.value.strip()
        if self._plan and (not text or text == self._plan.endpoint.name):
            event.input.value = self._plan.endpoint.name
            event.input.remove_class("-invalid")
            self.query_one(ProblemBox).show(None)
            if isinstance(event, Input.Submitted):
                self.take_focus()
            return
        entered = isinstance(event, Input.Submitted)
        if not entered and (not text or text == self._name):  # also when a given name takes the focus away, below
            return
        try:
            if text:
                check_endpoint_name(text)
        except SagewizardError as problem:
            event.input.add_class("-invalid")
            self.query_one(ProblemBox).show(problem)
            return
        event.input.remove_class("-invalid")
        if text != self._name:
            self._name, self._chosen = text, text or None  # without a name of one's own it is the proposed one again
        self._naming = self._chosen is not None
        self.post_message(NameChosen(self._chosen))
        if entered:
            self.screen.set_focus(None)

    @on(Button.Pressed)
    def _commit(self) -> None:
        self.post_message(Commit())


def commit_words(plan: Plan) -> str:
    """Return what the button says: the act and its price."""
    count = plan.endpoint.instance_count
    act = "Create endpoint" if count == 1 else f"Create endpoint on {count} instances"
    return act if plan.price_usd_per_hour is None else f"{act} – {format_hourly(plan.price_usd_per_hour)}"


def cost_words(plan: Plan, *, sandbox: bool) -> Content:
    """Return what it costs, and from when."""
    price = plan.price_usd_per_hour
    words = "price unknown" if price is None else f"{format_hourly(price)} · {format_monthly(price)}"
    note = "on AWS; the sandbox costs nothing" if sandbox else "from “creating” until it is deleted, used or not"
    return Content.assemble((words, "bold $accent"), (f"  {note}", "$quiet"))


def review_rows(plan: Plan, draft: Draft) -> tuple[ReviewRow, ...]:
    """Return the decisions of a plan in the order a person makes them; `draft` is what it was made of."""
    model, endpoint, container, why = plan.model, plan.endpoint, plan.container, plan.reasons.get
    parameters = f"{format_count(model.parameters)} parameters, " if model.parameters else ""
    count = f"{endpoint.instance_count} × " if endpoint.instance_count > 1 else ""
    role_key = "role.create" if plan.role.create else "role.arn"
    role = f"create {plan.role.create}" if plan.role.create else str(plan.role.arn).rsplit("/", 1)[-1]
    timeouts = (
        f"{endpoint.download_timeout_seconds // 60} min fetch, {endpoint.startup_timeout_seconds // 60} min start"
    )
    return (
        ReviewRow("Model", model.reference, f"{parameters}{model.dtype or 'type unknown'}, {model.task}", "model"),
        *_packaged_rows(plan, draft),
        ReviewRow("Instance", f"{count}{endpoint.instance_type}", why("endpoint.instance_type", ""), "instance"),
        *_demand_rows(plan, draft),
        ReviewRow("Role", role, why(role_key, ""), "role"),
        ReviewRow("Handler", plan.artifact.template, why("artifact.template", ""), None),
        ReviewRow("Container", container.image.rsplit("/", 1)[-1], why("container.image", ""), None),
        ReviewRow("Bucket", plan.artifact.bucket or "the account's own", "made when it is absent", None),
        ReviewRow("Timeouts", timeouts, why("endpoint.startup_timeout_seconds", ""), None),
        ReviewRow("Region", plan.region, "of the account as it was opened", None),
    )


def _packaged_rows(plan: Plan, draft: Draft) -> list[ReviewRow]:
    """Return what goes into the artifact, and which of the model's weights that is, where there was a choice."""
    files = plan.model.files
    size = format_bytes(sum(file.bytes for file in files))
    form = "model.tar.gz" if plan.artifact.form == "archive" else "as they are"
    why = plan.reasons.get("artifact.form", "")
    rows = [ReviewRow("Artifact", f"{size} in {len(files)} files, {form}", why, "size")]
    if draft.weights is not None and draft.weights.variants:
        why = "as chosen" if draft.variant else f"the default of {len(draft.weights.variants)}"
        rows.append(ReviewRow("Variant", variant_of(draft.weights), why, "size"))
    if plan.model.remote_code:
        rows.append(ReviewRow("Its code", "runs in the container", "allowed on the size step", "size"))
    return rows


def _demand_rows(plan: Plan, draft: Draft) -> list[ReviewRow]:
    """Return how the instance holds the model, and for how long conversations it was chosen."""
    rows = []
    row, table, endpoint = draft.row, draft.table, plan.endpoint
    if row is not None and row.fit.instance.name == endpoint.instance_type and row.fit.gpus > 1:
        rows.append(ReviewRow("GPUs", sharing_words(row.fit), "one of them alone does not hold it", "instance"))
    if endpoint.volume_gb is not None:
        rows.append(ReviewRow("Volume", f"{endpoint.volume_gb} GB", plan.reasons.get("endpoint.volume_gb", ""), None))
    if table is not None and draft.demand_counts and table.context is not None:
        requests = "1 request at a time" if table.concurrency == 1 else f"{table.concurrency:,} requests at once"
        default = "the default" if table.context == DEFAULT_CONTEXT else "the model's own limit"
        why = default if draft.context is None else "as chosen"
        rows.append(ReviewRow("Context", f"{table.context:,} tokens, {requests}", why, "size"))
    return rows
