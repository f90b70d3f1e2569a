"""First step: which model."""

from typing import ClassVar, Final

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from core.models.facts import ModelFacts
from core.models.local_places import Place
from tui.draft import StepName
from tui.model_text import is_whole, refusal, source_of
from tui.widgets.field import Field
from tui.widgets.model_browser import ModelBrowser
from tui.widgets.model_details import ModelDetails, found_facts, model_facts, place_facts
from tui.widgets.model_results import Found, ModelResults
from tui.widgets.problem import ProblemBox
from tui.widgets.steps.step import ModelNamed, Step
from tui.wizard_state import WizardState
from tui.workspace import Workspace

_BESIDE_CELLS: Final = 100
"""From this width of the screen on, the details stand beside the results."""
_ROWS_BESIDE_TABLE: Final = 13
"""Rows of the step that the table leaves to all else, where there are so many: above it, and for some details below."""
_LEAST_TABLE_ROWS: Final = 4


class ModelInput(Field):
    """The field; Enter looks at the model, and goes on once it is known."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "Continue", id="model.continue", tooltip="Look at the model; then go on"),
        Binding("down", "choose", "Choose", id="model.choose", tooltip="Go to what was found"),
        Binding("tab", "complete", show=False, id="model.complete", tooltip="Open the folder that goes on from here"),
    ]

    class Choose(Message):
        """The results are to be gone through."""

    class Complete(Message):
        """The folder under the results' cursor is to be opened."""

    completes = False
    """Whether Tab opens a place instead of going on to the next field."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave Tab to the screen where there is no place to open."""
        return self.completes if action == "complete" else super().check_action(action, parameters)

    def action_choose(self) -> None:
        """Go down into the results."""
        self.post_message(self.Choose())

    def action_complete(self) -> None:
        """Open the place that is offered first."""
        self.post_message(self.Complete())


class ModelStep(Step):
    """Asks for a model, looks for it while it is typed, and shows what is known of it."""

    step: ClassVar[StepName] = "model"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+o", "card", "Card", id="model.card", tooltip="Read what its makers say of the model"),
    ]

    def __init__(self, workspace: Workspace, *, id: str) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._workspace = workspace
        self._reference = ""
        """The draft's model, once it was put into the field."""
        self._settled = ""
        """What the field was filled with by the program: not to be searched for."""
        self._awaited: str | None = None
        """Words whose first result is to be taken as soon as it comes."""
        self._opens_first = False
        """Whether the first place is to be opened as soon as it comes."""
        self._choosing = False
        """Whether the person went down into the results."""
        self._state: WizardState | None = None

    def compose(self) -> ComposeResult:
        """Lay out the field, what is found, and what is known of it."""
        yield Static("Which model?", classes="question")
        yield ModelInput(id="model-input", placeholder="org/name, or words to search for", max_length=1000)
        yield ProblemBox(id="model-problem")
        yield Static(id="model-doing", classes="doing")
        with Container(id="model-body"):
            yield ModelBrowser(self._workspace, id="model-browser")
            yield ModelDetails(id="model-details")

    @property
    def _field(self) -> ModelInput:
        return self.query_one(ModelInput)

    @property
    def _browser(self) -> ModelBrowser:
        return self.query_one(ModelBrowser)

    def on_resize(self) -> None:
        """Where the details stand depends on the width."""
        self._lay_out()

    def show(self, state: WizardState) -> None:
        """Show what is known of the model."""
        self._state = state
        if state.draft.reference != self._reference:  # never while a person types: the draft changes on Enter
            self._reference = state.draft.reference
            if self._field.value != self._reference:
                self._fill(self._reference)
        if self._field.value.strip() == state.draft.reference:
            self.query_one(ProblemBox).show(state.problems.get("model"))
        self._show_found()

    def take_focus(self) -> None:
        """Focus the field, its text selected: typing replaces it."""
        self._field.focus()

    # -- what is shown -----------------------------------------------------------------------------------------------

    @property
    def _named(self) -> str:
        return self._field.value.strip()

    @property
    def _facts(self) -> ModelFacts | None:
        """What was found out about the model that the field names; nothing of one that it named before."""
        draft = self._state.draft if self._state else None
        return draft.facts if draft and self._named == draft.reference else None

    @property
    def _found(self) -> Found | None:
        """The result that is told of: while the person goes through them, or as long as no model was looked at."""
        at_cursor = self._browser.results.at_cursor
        if self._facts is None or (self._choosing and not self._is_drafts(at_cursor)):
            return at_cursor
        return None

    def _is_drafts(self, found: Found | None) -> bool:
        return found is not None and self._state is not None and _name_of(found) == self._state.draft.reference

    def _show_found(self) -> None:
        if self._state is None:
            return
        words, reference, named = Content(""), self._state.draft.reference, self._named
        if self._awaited is not None:
            words = Content.assemble(("◐ ", "$accent"), f"Enter takes what is found first for “{self._awaited}” …")
        elif "model" in self._state.asking:
            words = Content.assemble(("◐ ", "$accent"), f"Looking at {reference} …")
        elif self._facts:
            words = Content.assemble(("✓ ", "$success"), "Found. ", ("Enter goes on.", "$quiet"))
        elif named and named != reference:
            results, what = self._browser.results, "it" if is_whole(named) else "the first that is found"
            if results.has_focus and results.at_cursor is not None:
                what = "the one under the cursor"
            words = Content.styled(f"Enter looks at {what}.", "$quiet")
        self.query_one("#model-doing", Static).update(words)
        self._show_details()
        self._lay_out()

    def _show_details(self) -> None:
        found, facts = self._found, self._facts
        if found is None:
            shown = model_facts(facts) if facts else ()
        else:
            shown = place_facts(found) if isinstance(found, Place) else found_facts(found)
        self.query_one(ModelDetails).show(shown)
        self.refresh_bindings()

    def _lay_out(self) -> None:
        """Give the room to what matters now: the results while they are gone through, then the facts."""
        browser, details = self._browser, self.query_one(ModelDetails)
        wide = self.app.size.width >= _BESIDE_CELLS
        models = any(not isinstance(found, Place) for found in browser.results.found)
        browser.display = self._facts is None or self._choosing or (wide and models)
        beside = wide and browser.display
        self.set_class(beside, "-beside")
        details.can_focus = beside
        rows = max(_LEAST_TABLE_ROWS, self.size.height - _ROWS_BESIDE_TABLE)
        browser.results.styles.height = None if beside else rows

    # -- what is typed -----------------------------------------------------------------------------------------------

    def _fill(self, text: str) -> None:
        """Put a text into the field that is not to be searched for."""
        self._settled = self._field.value = text
        self._field.cursor_position = len(text)

    @on(Input.Changed, "#model-input")
    def _typed(self) -> None:
        self.query_one(ProblemBox).show(None)
        self._field.remove_class("-invalid")
        self._awaited, self._opens_first = None, False
        if self._named in (self._settled, self._reference):
            self._browser.leave_off()
        else:
            self._settled = ""
            self._browser.look_for(self._named)
        self._notice()

    @on(Input.Submitted, "#model-input")
    def _submitted(self) -> None:
        text = self._named
        if is_whole(text) or text == self._reference:
            self._name_model(text)
        elif first := self._browser.first_for(text):
            self._take(first)
        elif self._browser.looking:
            self._awaited = text
            self._browser.hurry()
            self._show_found()
        else:
            self._name_model(text)

    @on(Input.Blurred, "#model-input")
    def _left(self) -> None:
        text = self._named
        if source_of(text) != "hub" or is_whole(text):  # words to search for are no wrong name
            self._checked(text)

    def _name_model(self, text: str) -> None:
        if self._checked(text):
            self.post_message(ModelNamed(text))

    def _checked(self, text: str) -> bool:
        problem = refusal(text)
        if problem is not None:
            self.query_one(ProblemBox).show(problem)
            self._field.add_class("-invalid")
        return problem is None

    # -- what is found -----------------------------------------------------------------------------------------------

    @on(ModelBrowser.Listed)
    def _listed(self, event: ModelBrowser.Listed) -> None:
        results = self._browser.results
        awaited, self._awaited = self._awaited, None
        opens_first, self._opens_first = self._opens_first, False
        if awaited is not None and awaited == event.text == self._named:
            self._submitted()
        if opens_first:
            self._browser.take()
        if not results.row_count and results.has_focus:  # there is nothing to go through
            self._field.focus()
        self._notice()

    @on(ModelBrowser.Taken)
    def _taken(self, event: ModelBrowser.Taken) -> None:
        self._take(event.text)

    def _take(self, text: str) -> None:
        self._fill(text)
        self._field.focus()
        self._name_model(text)

    @on(ModelBrowser.Opened)
    def _opened(self, event: ModelBrowser.Opened) -> None:
        self._field.value = event.text
        self._field.cursor_position = len(event.text)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Notice whether the person is going through the results, or narrows them."""
        if event.widget is not self.query_one(ModelDetails):
            self._choosing = self._browser in event.widget.ancestors
            self._show_found()

    @on(ModelResults.Noticed)
    def _notice(self) -> None:
        browser, offered = self._browser, self._browser.results.at_cursor
        places = source_of(self._named) in ("folders", "stored")
        named = offered is not None and _name_of(offered) == self._named
        self._field.completes = places and not named and (browser.looking or offered is not None)
        self._show_found()

    @on(ModelInput.Choose)
    def _choose(self) -> None:
        if self._browser.results.row_count:
            self._choosing = True
            self._lay_out()  # where it was hidden, it could not take the focus
            self._browser.results.focus()

    @on(ModelInput.Complete)
    def _complete(self) -> None:
        if self._browser.looking:
            self._opens_first = True
            self._browser.hurry()
        else:
            self._browser.take()

    @on(ModelResults.Left)
    def _back_to_field(self) -> None:
        self._field.focus()

    # -- the card ----------------------------------------------------------------------------------------------------

    @property
    def _card_of(self) -> tuple[str, str | None] | None:
        """The name and the revision of the model that is told of; `None` when nothing is, or it has no card."""
        found, facts = self._found, self._facts
        if found is not None:
            return None if isinstance(found, Place) and not found.model else (_name_of(found), None)
        return (str(facts.reference), facts.revision) if facts else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer the card of a model only."""
        if action == "card":
            return self.is_mounted and self._card_of is not None
        return super().check_action(action, parameters)

    def action_card(self) -> None:
        """Show the card of the model that is told of."""
        from tui.screens.card import CardScreen

        if (card := self._card_of) is not None:
            self.app.push_screen(CardScreen(self._workspace, *card))


def _name_of(found: Found) -> str:
    return found.text if isinstance(found, Place) else found.repository
