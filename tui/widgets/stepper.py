"""Where a person is in the wizard: always in view, every step reached before one click away."""

from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from tui.draft import STEPS, TITLES, Draft, StepName


class Stepper(Static):
    """One line with all steps: `✓ Model ─ ● Size ─ · Instance …`."""

    DEFAULT_CSS = "Stepper { height: 1; padding: 0 2; margin: 1 0; }"

    class Picked(Message):
        """A step was clicked on."""

        def __init__(self, step: StepName) -> None:
            super().__init__()
            self.step = step

    def show(self, current: StepName, draft: Draft) -> None:
        """Show the present step, those done, and those whose answers may no longer hold."""
        self.update(stepper_words(current, draft))

    def action_pick(self, step: StepName) -> None:
        """Go to a step."""
        self.post_message(self.Picked(step))


def stepper_words(current: StepName, draft: Draft) -> Content:
    """Return the line; a step that can be gone to carries the action of a click."""
    parts: list[Content] = []
    for number, step in enumerate(STEPS, start=1):
        if step == current:
            part = Content.styled(f"● {number} {TITLES[step]}", "bold $primary")
        elif step in draft.stale:
            part = Content.styled(f"! {number} {TITLES[step]}", "$accent")
        elif step in draft.seen:
            part = Content.styled(f"✓ {number} {TITLES[step]}", "$foreground")
        else:
            part = Content.styled(f"· {number} {TITLES[step]}", "$quiet")
        if step != current and draft.reachable(step):
            part = part.stylize(f"@click=pick('{step}')")
        parts.append(part)
    return Content.styled("  ─  ", "$quiet").join(parts)
