"""How long a conversation must fit, and how many requests at once: turned as a person types, answered at once."""

from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from core.instances.requirements import DEFAULT_CONTEXT
from core.models.facts import ModelFacts
from core.models.memory import cache_of, context_limit
from tui.widgets.field import Field
from tui.widgets.problem import ProblemBox
from tui.widgets.steps.step import Demand, DemandChosen, DemandSettled, FormulasAsked
from tui.wizard_state import WizardState

_LONGEST_CONTEXT: Final = 11
_MOST_DIGITS: Final = 4


class DemandField(Field):
    """A whole number; letters are keys here, as digits alone can be written."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "Continue", id="demand.continue", tooltip="Go on to the files"),
        Binding("f", "formulas", "Formulas", id="demand.formulas", tooltip="Open the arithmetic of the instance"),
    ]

    class Entered(Message):
        """The field took the focus."""

    def on_focus(self) -> None:
        """Say so: what holds now is what is gone back to when what is typed is refused."""
        self.post_message(self.Entered())

    def action_formulas(self) -> None:
        """Open the arithmetic of the type that holds now."""
        self.post_message(FormulasAsked())


class DemandLine(Vertical):
    """Two fields on a line, with the model's own limit beside them; a sentence where they would change nothing."""

    def compose(self) -> ComposeResult:
        """Lay out the fields, and what is wrong with them."""
        with Horizontal(id="demand"):
            yield Static("Context", classes="label", id="context-label")
            yield DemandField(id="context", max_length=_LONGEST_CONTEXT, compact=True, restrict=r"[\d,]*")
            yield Static("at once", classes="label", id="concurrency-label")
            yield DemandField(id="concurrency", placeholder="1", max_length=_MOST_DIGITS, compact=True, restrict=r"\d*")
            yield Static(id="demand-hint")
        yield Static(id="demand-none")
        yield ProblemBox(id="demand-problem")

    def on_mount(self) -> None:
        """Nothing is shown yet."""
        self._holding: Demand | None = None
        self._before: Demand = (None, 1)

    @property
    def _fields(self) -> tuple[Input, Input]:
        return self.query_one("#context", Input), self.query_one("#concurrency", Input)

    @property
    def wrong(self) -> bool:
        """Whether what is typed was refused."""
        return self.query_one(ProblemBox).problem is not None

    def show(self, state: WizardState) -> None:
        """Show what holds; what a person types stays as it is, also when it was refused."""
        draft, problem = state.draft, state.problems.get("demand")
        counts = draft.demand_counts
        self.query_one("#demand").display = counts
        none = self.query_one("#demand-none", Static)
        none.display = not counts
        if draft.facts is None:
            return
        none.update(Content.styled(nothing_kept(draft.facts), "$quiet"))
        self.query_one(ProblemBox).show(problem if counts else None)
        context, concurrency = self._fields
        for field, now, before in zip((context, concurrency), self._typed_demand(), self._before, strict=True):
            field.set_class(problem is not None and now != before, "-invalid")
        context.placeholder = default_words(draft.facts)
        self.query_one("#demand-hint", Static).update(Content.styled(limit_words(draft.facts), "$quiet"))
        self._holding = (draft.context, draft.concurrency)
        if problem is not None:
            return
        self._write(self._holding, over_focus=False)

    def _write(self, demand: Demand, *, over_focus: bool) -> None:
        texts = ("" if demand[0] is None else str(demand[0]), str(demand[1]))
        for field, text in zip(self._fields, texts, strict=True):
            if (over_focus or not field.has_focus) and field.value != text:
                field.value = text

    def settle(self) -> None:
        """Show what holds, also in a field that is being left: what was refused there is forgotten by now."""
        if self._holding is not None and not self.wrong:
            self._write(self._holding, over_focus=True)

    def take_focus(self) -> None:
        """Focus the first field."""
        self._fields[0].focus()

    @on(DemandField.Entered)
    def _entered(self, event: DemandField.Entered) -> None:
        event.stop()
        if self._holding is not None and not self.wrong:
            self._before = self._holding

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        wanted = self._typed_demand()
        if self._holding is not None and (wanted != self._holding or self.wrong):
            self.post_message(DemandChosen(wanted, self._before))

    def _typed_demand(self) -> Demand:
        context, concurrency = (field.value.replace(",", "") for field in self._fields)
        return int(context) if context else None, int(concurrency) if concurrency else 1

    @on(Input.Submitted)
    def _given(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(DemandSettled())  # after what was typed: whether that is refused is known by then

    @on(Input.Blurred)
    def _left(self, event: Input.Blurred) -> None:
        event.stop()
        if event.input.id == "concurrency" and not event.input.value:
            event.input.value = "1"


def default_words(facts: ModelFacts) -> str:
    """Return the context that is planned for when none is given, for the field to show while it is empty."""
    limit = context_limit(facts)
    return "not said" if limit is None else f"{min(limit, DEFAULT_CONTEXT):,} by default"


def limit_words(facts: ModelFacts) -> str:
    """Return what bounds the context."""
    if cache_of(facts) is None:
        return "not known, so not counted"
    limit = context_limit(facts)
    return "tokens, no limit is known" if limit is None else f"tokens, at most {limit:,}"


def nothing_kept(facts: ModelFacts) -> str:
    """Return why a context and requests at once change nothing."""
    if facts.kind == "diffusers":
        return "It makes pictures of a prompt: a context and requests at once change nothing of what it needs."
    limit = context_limit(facts)
    most = f" (at most {limit:,} tokens)" if limit else ""
    return f"It reads an input{most} and keeps nothing of it: a context and requests at once change nothing."
