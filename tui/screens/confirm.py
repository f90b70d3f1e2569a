"""A question before something that cannot be taken back: the first answer, and Esc, change nothing."""

from dataclasses import dataclass
from pathlib import PurePath
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static


@dataclass(frozen=True, slots=True)
class Choice:
    """An answer: its word for the program, and its words on the button."""

    value: str
    label: str
    danger: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. The first choice has the focus: it must be the one that changes nothing."""

    title: str
    text: str
    choices: tuple[Choice, ...]


class ConfirmScreen(ModalScreen[str]):
    """Asks one question; gives the value of the answer, or of the first choice on Esc."""

    CSS_PATH: ClassVar[list[str | PurePath]] = ["../controls.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "stay", "Back", id="confirm.back", tooltip="Change nothing"),
        Binding("left", "app.focus_previous", show=False, id="confirm.left", tooltip="The answer before"),
        Binding("right", "app.focus_next", show=False, id="confirm.right", tooltip="The next answer"),
    ]

    def __init__(self, question: Question) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        """Lay out the text and a button for every answer."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content(self._question.title)
            yield Static(Content(self._question.text))
            with Horizontal(classes="dialog-buttons"):
                for choice in self._question.choices:
                    classes = "-danger" if choice.danger else ""
                    yield Button(Content(choice.label), id=f"choice-{choice.value}", classes=classes)

    def action_stay(self) -> None:
        """Answer with the choice that changes nothing."""
        self.dismiss(self._question.choices[0].value)

    @on(Button.Pressed)
    def _answered(self, event: Button.Pressed) -> None:
        self.dismiss((event.button.id or "").removeprefix("choice-"))
