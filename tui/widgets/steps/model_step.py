"""First step: which model."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input, Static

from core.errors import SagewizardError
from core.models.facts import ModelFacts
from core.models.reference import SAMPLE, SampleReference, parse_reference
from core.quantities import format_bytes, format_count
from tui.draft import StepName
from tui.widgets.facts import Fact, FactList
from tui.widgets.field import Field
from tui.widgets.problem import ProblemBox
from tui.widgets.steps.step import ModelNamed, Step
from tui.wizard_state import WizardState

_HINT = (
    f"A model on the Hub (org/name or org/name@revision), a folder (./name or /path/to/it), "
    f"or “{SAMPLE}”: the tiny model that comes with the program."
)


class ModelInput(Field):
    """The field; Enter looks at the model, and goes on once it is known."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "Continue", id="model.continue", tooltip="Look at the model; then go on"),
    ]


class ModelStep(Step):
    """Asks for a model and shows what is known of it."""

    step: ClassVar[StepName] = "model"

    def compose(self) -> ComposeResult:
        """Lay out the field and what is found."""
        yield Static("Which model?", classes="question")
        yield ModelInput(id="model-input", placeholder="org/name", max_length=1000)
        yield Static(Content(_HINT), classes="hint")
        yield ProblemBox(id="model-problem")
        yield Static(id="model-doing", classes="doing")
        yield FactList(id="model-facts")

    def on_mount(self) -> None:
        """The field is empty until the draft is shown."""
        self._reference = ""
        self._state: WizardState | None = None

    def show(self, state: WizardState) -> None:
        """Show what is known of the model."""
        field, self._state = self.query_one(Input), state
        if state.draft.reference != self._reference:  # never while a person types: the draft changes on Enter
            self._reference = field.value = state.draft.reference
        if field.value.strip() == state.draft.reference:
            self.query_one(ProblemBox).show(state.problems.get("model"))
        self._show_found(state)

    def _show_found(self, state: WizardState) -> None:
        """Show what was found out about the model that the field names; nothing of one that it named before."""
        named, reference = self.query_one(Input).value.strip(), state.draft.reference
        facts = state.draft.facts if named == reference else None
        words = Content("")
        if "model" in state.asking:
            words = Content.assemble(("◐ ", "$accent"), f"Looking at {reference} …")
        elif facts:
            words = Content.assemble(("✓ ", "$success"), "Found. ", ("Enter goes on.", "$quiet"))
        elif named and named != reference:
            words = Content.styled("Enter looks at it.", "$quiet")
        self.query_one("#model-doing", Static).update(words)
        self.query_one(FactList).show(model_facts(facts) if facts else ())

    def take_focus(self) -> None:
        """Focus the field, its text selected: typing replaces it."""
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def _named(self, event: Input.Submitted) -> None:
        text = event.value.strip()
        if self._checked(text):
            self.post_message(ModelNamed(text))

    @on(Input.Blurred)
    def _left(self, event: Input.Blurred) -> None:
        self._checked(event.value)

    @on(Input.Changed)
    def _typed(self) -> None:
        self.query_one(ProblemBox).show(None)
        self.query_one(Input).remove_class("-invalid")
        if self._state is not None:
            self._show_found(self._state)

    def _checked(self, text: str) -> bool:
        try:
            parse_reference(text)
        except SagewizardError as problem:
            self.query_one(ProblemBox).show(problem)
            self.query_one(Input).add_class("-invalid")
            return False
        return True


def model_facts(facts: ModelFacts) -> tuple[Fact, ...]:
    """Return what is known of a model, in words."""
    library = " · ".join(part for part in (facts.library, facts.architecture) if part)
    parameters = format_count(facts.parameters) if facts.parameters else "unknown"
    sample = isinstance(facts.reference, SampleReference)
    rows = [
        Fact("Task", facts.task or "unknown"),
        Fact("Library", library or "unknown"),
        Fact("Parameters", f"{parameters} in {facts.dtype}" if facts.dtype else parameters),
        Fact("Licence", facts.license or ("as the program" if sample else "not stated")),
        Fact("Access", "open" if facts.gated is None else f"gated ({facts.gated}): your Hub token is used"),
        Fact("Repository", f"{len(facts.files)} files, {format_bytes(facts.repository_bytes)}"),
    ]
    if facts.revision:
        rows.append(Fact("Revision", facts.revision[:12]))
    rows += [Fact("Warning", f"! {warning}", colour="accent") for warning in facts.warnings]
    return tuple(rows)
