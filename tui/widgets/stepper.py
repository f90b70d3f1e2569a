"""Where a person is in the wizard: always in view, every step reached before one click away."""

from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from tui.draft import STEPS, TITLES, Draft, StepName


class Stepper(Static):
    """One line with all steps, `✓ Model ─ ● Size ─ · Instance …`, or the present one alone where they have no room."""

    DEFAULT_CSS = "Stepper { height: 1; padding: 0 2; margin: 1 0; }"

    class Picked(Message):
        """A step was clicked on."""

        def __init__(self, step: StepName) -> None:
            super().__init__()
            self.step = step

    def on_mount(self) -> None:
        """No step is shown yet."""
        self._at: tuple[StepName, Draft] | None = None

    def show(self, current: StepName, draft: Draft) -> None:
        """Show the present step, those done, and those whose answers may no longer hold."""
        self._at = current, draft
        words = stepper_words(current, draft)
        narrow = 0 < self.content_size.width < words.cell_length
        self.update(short_stepper_words(current) if narrow else words)

    def on_resize(self) -> None:
        """What has room depends on the width."""
        if self._at is not None:
            self.show(*self._at)

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


def short_stepper_words(current: StepName) -> Content:
    """Return the line for a narrow screen: the present step, and how many there are."""
    return Content.styled(f"● {STEPS.index(current) + 1}/{len(STEPS)} {TITLES[current]}", "bold $primary")
