"""As what a model goes to S3: one archive, the files as they are, or as its engine and its size have it."""

from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Select, Static

from core.artifacts.manifest import ArtifactForm
from core.instances.engine_rules import ENGINE_RULES
from tui.draft import Draft
from tui.widgets.steps.step import PackagingChosen
from tui.wizard_state import WizardState

_FORMS: Final[tuple[ArtifactForm | None, ...]] = (None, "archive", "prefix")
_WORDS: Final = ("Archive (model.tar.gz)", "Files as they are")
_AUTO_WORDS: Final[dict[ArtifactForm | None, str]] = {
    "archive": "Auto (model.tar.gz)",
    "prefix": "Auto (as they are)",
    None: "Auto",
}


class FormSelect(Select[str]):
    """The form that holds; its options are told apart by their words, so that other words for one are shown."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "show_overlay", "Choose", id="size.form", tooltip="Choose the form of the artifact"),
    ]


class FormChoice(Horizontal):
    """The step's question, and beside it the choice: no line of a low window is spent on it."""

    def compose(self) -> ComposeResult:
        """Lay out both."""
        yield Static("What will be packaged, as", classes="question", id="size-question")
        yield FormSelect([(_AUTO_WORDS[None],) * 2], id="form", compact=True, allow_blank=False)

    def on_mount(self) -> None:
        """Nothing is offered yet."""
        self._form: ArtifactForm | None = None
        self._offered: tuple[str, ...] = (_AUTO_WORDS[None],)

    def show(self, state: WizardState) -> None:
        """Show the form that holds, and which one it is where nobody chose."""
        select = self.query_one(FormSelect)
        self._form = state.draft.form
        words = (_AUTO_WORDS[form_by_itself(state.draft)], *_WORDS)
        with self.prevent(Select.Changed):
            if words != self._offered:
                self._offered = words
                select.set_options(zip(words, words, strict=True))
            select.value = words[_FORMS.index(self._form)]

    @on(Select.Changed)
    def _chosen(self, event: Select.Changed) -> None:
        event.stop()
        form = next((form for form, words in zip(_FORMS, self._offered, strict=False) if words == event.value), None)
        if form != self._form:
            self._form = form
            self.post_message(PackagingChosen(lambda draft: draft.with_form(form)))


def form_by_itself(draft: Draft) -> ArtifactForm | None:
    """Return the form that the artifact has where nobody chooses one; `None` until the instance is known."""
    if draft.row is None or draft.weights is None:
        return None
    return "archive" if ENGINE_RULES[draft.row.fit.engine].packs(draft.weights.packaged_bytes) else "prefix"
