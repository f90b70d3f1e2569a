"""Driving the program's screens as a person does, and reading what they show."""

import time
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any, ClassVar, TypeVar

from textual.app import App
from textual.css.query import NoMatches
from textual.pilot import Pilot
from textual.screen import Screen

import tui
from tui.app import SagewizardApp
from tui.context import AppContext
from tui.theme import SAGE
from tui.workspace import Workspace

SANDBOX = AppContext(sandbox=True, profile=None, region=None, debug=False)
_TUI = Path(tui.__file__).parent
_PAUSE_SECONDS = 0.03
_TRIES_SECONDS = 60.0
_STILL = 4

ScreenT = TypeVar("ScreenT", bound=Screen[Any])


class Stage(App[int]):
    """The program's look around one screen, with nothing behind it: no account is opened."""

    CSS_PATH: ClassVar[list[str | PurePath]] = [_TUI / path for path in SagewizardApp.CSS_PATH]
    HORIZONTAL_BREAKPOINTS = SagewizardApp.HORIZONTAL_BREAKPOINTS
    VERTICAL_BREAKPOINTS = SagewizardApp.VERTICAL_BREAKPOINTS

    def __init__(self, context: AppContext = SANDBOX) -> None:
        super().__init__()
        self.register_theme(SAGE)
        self.theme = SAGE.name
        self.workspace = Workspace(context, self)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return {"quiet": "#8d9794"}


async def until(pilot: Pilot[int], holds: Callable[[], object], what: str, seconds: float = _TRIES_SECONDS) -> None:
    """Let the program go on until something holds; fail with what is on the screen when it never does."""
    deadline = time.monotonic() + seconds
    while True:
        await pilot.pause(_PAUSE_SECONDS)
        try:
            if holds():
                return
        except NoMatches:
            pass  # a screen that is being put together
        if time.monotonic() > deadline:
            raise AssertionError(f"Waited {seconds:.0f} s in vain for {what}. On the screen:\n{shown(pilot.app)}")


async def until_screen(pilot: Pilot[int], kind: type[ScreenT], seconds: float = _TRIES_SECONDS) -> ScreenT:
    """Let the program go on until a screen of this kind is in front, and return it."""
    await until(
        pilot, lambda: isinstance(pilot.app.screen, kind) and pilot.app.screen.is_mounted, kind.__name__, seconds
    )
    assert isinstance(pilot.app.screen, kind)
    return pilot.app.screen


def shown(app: App[int]) -> str:
    """Return the text on the screen, line by line."""
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in line).rstrip() for line in lines)


async def until_shown(pilot: Pilot[int], text: str, seconds: float = _TRIES_SECONDS) -> None:
    """Let the program go on until `text` stands on the screen, as it is or wrapped."""
    await until(pilot, lambda: text in shown(pilot.app) or text in words(pilot.app), f"“{text}”", seconds)


async def settled(pilot: Pilot[int]) -> str:
    """Let the program go on until its screen stands still, and return the text on it."""
    seen: list[str] = []

    def still() -> bool:
        seen.append(shown(pilot.app))
        return len(seen) > _STILL and len(set(seen[-_STILL:])) == 1

    await until(pilot, still, "a still screen")
    return seen[-1]


def words(app: App[int]) -> str:
    """Return the text on the screen as one line: for sentences that may be wrapped."""
    return " ".join(shown(app).replace("█", " ").split())


async def type_text(pilot: Pilot[int], text: str) -> None:
    """Press the keys that write `text`."""
    named = {" ": "space", "?": "question_mark", "-": "minus", ".": "full_stop", "/": "slash", ",": "comma"}
    await pilot.press(*(named.get(letter, letter) for letter in text))
