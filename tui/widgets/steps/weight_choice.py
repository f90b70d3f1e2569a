"""Which of a model's weights, where it offers several, and whether the code that comes with it may run."""

from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Checkbox, Select, Static

from core.artifacts.converted_tree import pickled_files
from core.external_text import clean_line
from core.models.facts import ModelFacts, WeightSet
from core.models.pipeline_weights import PLAIN
from tui.widgets.problem import ProblemBox
from tui.widgets.steps.step import PackagingChosen, RemoteCodeChosen, VariantChosen
from tui.wizard_state import WizardState

_CODE_WORDS: Final = "Run the model's own code"
_CONVERSION_WORDS: Final = "Turn the pickled weights into safetensors while packaging"


class VariantSelect(Select[str]):
    """Which of the model's weights."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "show_overlay", "Choose", id="size.variant", tooltip="Choose other weights"),
    ]


class MarkedSwitch(Checkbox):
    """A switch that is told apart by its mark, not by colour alone."""

    BUTTON_INNER = " "

    def watch_value(self) -> None:
        """Mark it, or take the mark away."""
        self.BUTTON_INNER = "✓" if self.value else " "
        super().watch_value()
        self.refresh()


class CodeSwitch(MarkedSwitch):
    """Whether the model's own code may run."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "toggle_button", "Switch", id="size.code", tooltip="Run the model's own code, or not"),
    ]


class ConversionSwitch(MarkedSwitch):
    """Whether pickled weights are converted."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "toggle_button", "Switch", id="size.convert", tooltip="Convert the weights, or not"),
    ]


class WeightChoice(Vertical):
    """A choice of variants and a switch for the model's code; each takes room only where there is something to say."""

    def compose(self) -> ComposeResult:
        """Lay out both, and what is wrong with them."""
        with Horizontal(id="variant-line"):
            yield Static("Variant", classes="label", id="variant-label")
            yield VariantSelect([("", "")], id="variant", compact=True, allow_blank=False)
        with Vertical(id="code-line"):
            yield CodeSwitch(Content(_CODE_WORDS), id="remote-code", compact=True)
            yield Static(id="code-words")
        yield ConversionSwitch(Content(_CONVERSION_WORDS), id="convert", compact=True)
        yield ProblemBox(id="weights-problem")

    def on_mount(self) -> None:
        """Nothing is offered yet."""
        self._offered: tuple[str, ...] = ()
        self._weights: WeightSet | None = None
        self._converting = False

    def show(self, state: WizardState) -> None:
        """Show what holds."""
        facts, weights = state.draft.facts, state.draft.weights
        variants = weights.variants if weights else ()
        code = facts is not None and has_whole_code(facts)
        self._weights = weights
        self.query_one("#variant-line").display = bool(variants)
        self.query_one("#code-line").display = code
        self.query_one(ProblemBox).show(state.problems.get("weights"))
        self._show_conversion(state, weights)
        if weights and variants:
            self._show_variants(weights, variants)
        if facts and weights and code:
            box = self.query_one("#remote-code", Checkbox)
            with self.prevent(Checkbox.Changed):
                box.value = weights.remote_code
            self.query_one("#code-words", Static).update(Content.styled(code_words(facts), "$quiet"))

    def _show_conversion(self, state: WizardState, weights: WeightSet | None) -> None:
        switch = self.query_one("#convert", Checkbox)
        switch.display = weights is not None and weights.base is None and bool(pickled_files(_packaged(weights)))
        self._converting = state.draft.convert
        with self.prevent(Checkbox.Changed):
            switch.value = state.draft.convert

    def _show_variants(self, weights: WeightSet, variants: tuple[str, ...]) -> None:
        select = self.query_one("#variant", Select)
        with self.prevent(Select.Changed):
            if variants != self._offered:
                self._offered = variants
                select.set_options([(Content(clean_line(name)), name) for name in variants])
            select.value = variant_of(weights)

    @on(Select.Changed)
    def _chosen(self, event: Select.Changed) -> None:
        event.stop()
        if self._weights is not None and isinstance(event.value, str) and event.value != variant_of(self._weights):
            self.post_message(VariantChosen(event.value))

    @on(Checkbox.Changed, "#convert")
    def _converted(self, event: Checkbox.Changed) -> None:
        event.stop()
        if event.value != self._converting:
            self.post_message(PackagingChosen(lambda draft: draft.with_conversion(event.value)))

    @on(Checkbox.Changed, "#remote-code")
    def _switched(self, event: Checkbox.Changed) -> None:
        event.stop()
        if self._weights is not None and event.value != self._weights.remote_code:
            self.post_message(RemoteCodeChosen(trusted=event.value))


def _packaged(weights: WeightSet) -> list[str]:
    return [file.path for file in weights.files]


def variant_of(weights: WeightSet) -> str:
    """Return the name of the variant that holds, by which it is chosen."""
    return weights.variant or PLAIN


def has_whole_code(facts: ModelFacts) -> bool:
    """Whether the model brings code, all of which is in its own files."""
    code = facts.remote_code
    return code is not None and bool(code.files) and not code.elsewhere and not code.missing


def code_words(facts: ModelFacts) -> str:
    """Return what running the model's code means."""
    files = facts.remote_code.files if facts.remote_code else ()
    named = ", ".join(clean_line(path) for path in files[:3]) + (" …" if len(files) > 3 else "")
    return (
        f"{named} would be packaged and run in the container, under the endpoint's role. "
        "Read it first; without it the model loads only where the library knows its architecture."
    )
