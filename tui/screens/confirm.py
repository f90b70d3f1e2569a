"""A question before something that cannot be taken back: the first answer, and Esc, change nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

_BESIDE: Final = 2
"""So many answers have room beside each other on a narrow screen."""


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


def before_quitting(names: Sequence[str], listing: str) -> Question:
    """Return what is asked before the program ends while it deploys `names`; `listing` is the command to list them."""
    one = len(names) == 1
    return Question(
        "A deployment is not finished" if one else "Deployments are not finished",
        f"{', '.join(names)} {'is' if one else 'are'} still being deployed. To leave {'it' if one else 'them'} keeps "
        f"what exists in the account, where it may cost money; `{listing}` lists it.",
        (
            Choice("stay", "Stay"),
            Choice("undo", "Stop, undo, then quit"),
            Choice("leave", "Quit, leave it" if one else "Quit, leave them", danger=True),
        ),
    )


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
        with VerticalScroll(classes="dialog", can_focus=False) as dialog:
            dialog.border_title = Content(self._question.title)
            yield Static(Content(self._question.text))
            with Horizontal(classes="dialog-buttons" + (" -many" if len(self._question.choices) > _BESIDE else "")):
                for choice in self._question.choices:
                    classes = "-danger" if choice.danger else ""
                    yield Button(Content(choice.label), id=f"choice-{choice.value}", classes=classes)

    def action_stay(self) -> None:
        """Answer with the choice that changes nothing."""
        self.dismiss(self._question.choices[0].value)

    @on(Button.Pressed)
    def _answered(self, event: Button.Pressed) -> None:
        self.dismiss((event.button.id or "").removeprefix("choice-"))
