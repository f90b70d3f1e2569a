"""What the wizard and its steps say to each other."""

from collections.abc import Callable
from typing import ClassVar

from textual.containers import VerticalScroll
from textual.message import Message

from tui.draft import Draft, RoleChoice, StepName
from tui.wizard_state import WizardState


class Step(VerticalScroll, can_focus=False):
    """One step: it shows the state it is given, and posts what the person decides. It scrolls where it has no room."""

    step: ClassVar[StepName]

    def show(self, state: WizardState) -> None:
        """Show the state; called whenever it changed while the step is in view, and when it comes into view."""
        raise NotImplementedError

    def take_focus(self) -> None:
        """Put the focus where the next key belongs; called when the step comes into view."""
        raise NotImplementedError


class Proceed(Message):
    """Go on to the next step."""


class Commit(Message):
    """Carry the plan out."""


class JumpTo(Message):
    """Go to a step to change it."""

    def __init__(self, step: StepName) -> None:
        super().__init__()
        self.step = step


class ModelNamed(Message):
    """A model was named and Enter pressed: look at it, or go on when it is known."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


Demand = tuple[int | None, int]
"""How long a conversation must fit, in tokens (`None`: the default), and how many requests at once."""


class DemandChosen(Message):
    """Another context or number of requests was typed; `before` is what held until then, should it be refused."""

    def __init__(self, demand: Demand, before: Demand) -> None:
        super().__init__()
        self.demand = demand
        self.before = before


class DemandSettled(Message):
    """Enter was pressed after a context or a number of requests: go on, unless it was refused."""


class VariantChosen(Message):
    """Other weights of the model were chosen, by the name of their variant."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


class PackagingChosen(Message):
    """How the model is packaged was decided; `change` makes the draft that says so."""

    def __init__(self, change: Callable[[Draft], Draft]) -> None:
        super().__init__()
        self.change = change


class RemoteCodeChosen(Message):
    """The model's own code is to be run, or not."""

    def __init__(self, *, trusted: bool) -> None:
        super().__init__()
        self.trusted = trusted


class FormulasAsked(Message):
    """The arithmetic of a type is to be opened: of the one called `name`, or of the one that holds now."""

    def __init__(self, name: str | None = None) -> None:
        super().__init__()
        self.name = name


class InstanceChosen(Message):
    """An instance type was chosen, or a number of instances."""

    def __init__(self, name: str | None = None, count: int | None = None) -> None:
        super().__init__()
        self.name = name
        self.count = count


class RoleChosen(Message):
    """A role was chosen."""

    def __init__(self, role: RoleChoice) -> None:
        super().__init__()
        self.role = role


class RoleTyped(Message):
    """A role was named by hand: look whether it can be used; then go on with it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class NameChosen(Message):
    """The endpoint's name was changed; `None` asks for the proposed one."""

    def __init__(self, name: str | None) -> None:
        super().__init__()
        self.name = name
