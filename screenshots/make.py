"""Makes the pictures of the README from the running program, on a sandbox of its own.

    python screenshots/make.py [FOLDER]

Nothing is staged: the sample model is deployed, asked a question and deleted again.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from textual.css.query import NoMatches
from textual.pilot import Pilot
from textual.screen import Screen

from tui.app import SagewizardApp
from tui.context import AppContext
from tui.screens.chat import ChatScreen
from tui.screens.deployment import DeploymentScreen
from tui.screens.home import HomeScreen
from tui.screens.wizard import WizardScreen

SIZE: Final = (100, 30)
QUESTIONS: Final = ("What is an endpoint?", "How do I stop being charged?")
_DEADLINE_SECONDS: Final = 240.0

ScreenT = TypeVar("ScreenT", bound=Screen[Any])


async def until(pilot: Pilot[int], holds: Callable[[], object], what: str) -> None:
    """Let the program go on until something holds.

    Raises:
        TimeoutError: it never did.
    """
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while True:
        await pilot.pause(0.05)
        try:
            if holds():
                return
        except NoMatches:
            pass  # a screen that is being put together
        if time.monotonic() > deadline:
            raise TimeoutError(f"Waited in vain for {what}.")


async def until_screen(pilot: Pilot[int], kind: type[ScreenT]) -> ScreenT:
    """Let the program go on until a screen of this kind is in front, and return it."""
    found: list[ScreenT] = []

    def there() -> bool:
        screen = pilot.app.screen
        if isinstance(screen, kind) and screen.is_mounted:
            found.append(screen)
        return bool(found)

    await until(pilot, there, kind.__name__)
    return found[0]


class Photographer:
    """Walks through the program and takes a picture at each stop."""

    def __init__(self, app: SagewizardApp, pilot: Pilot[int], folder: Path) -> None:
        self._app = app
        self._pilot = pilot
        self._folder = folder

    async def take(self, name: str) -> None:
        """Write the picture `name.svg`, once the screen stands still."""
        await self._pilot.pause(0.4)
        (self._folder / f"{name}.svg").write_text(self._app.export_screenshot(title="sagewizard"), encoding="utf-8")

    async def wizard(self) -> None:
        """From home through the steps to the review."""
        app, pilot = self._app, self._pilot
        await until(pilot, lambda: app.workspace.identity, "the account")
        await pilot.press("n")
        wizard = await until_screen(pilot, WizardScreen)
        await until(pilot, lambda: wizard.focused, "the first step")
        await pilot.press("enter")
        await until(pilot, lambda: wizard.draft.facts, "the facts")
        await self.take("wizard-model")
        await until(pilot, lambda: wizard.draft.table, "the fits")
        for name in ("wizard-size", "wizard-instance", "wizard-role"):
            await pilot.press("enter")
            await self.take(name)
        await pilot.press("enter")
        await until(pilot, lambda: wizard.draft.plan, "the plan")
        await self.take("wizard-review")

    async def deployment(self) -> None:
        """From the review to the chat."""
        app, pilot = self._app, self._pilot
        await pilot.press("enter")
        await until_screen(pilot, DeploymentScreen)
        run = app.workspace.runs[0]
        await until(pilot, lambda: run.stages["endpoint"].word == "running", "the endpoint")
        await self._pilot.pause(1.0)
        if run.active:
            await self.take("deployment")

    async def chat(self) -> None:
        """Ask the questions."""
        pilot = self._pilot
        chat = await until_screen(pilot, ChatScreen)
        await until(pilot, lambda: chat.is_open, "the conversation")
        for number, question in enumerate(QUESTIONS, start=1):
            await pilot.press(*("space" if key == " " else "question_mark" if key == "?" else key for key in question))
            await pilot.press("enter")
            await until(pilot, lambda wanted=number: len(chat.answers) == wanted, "the answer")  # type: ignore[misc]
        await self.take("chat")

    async def home(self) -> None:
        """Look at the list, and delete the endpoint again."""
        pilot = self._pilot
        await pilot.press("escape")
        home = await until_screen(pilot, HomeScreen)
        await until(pilot, lambda: "sample" in home.names, "the list")
        await self.take("home")
        await pilot.press("d")
        await self._pilot.pause(1.0)
        await self.take("delete")
        await pilot.press(*"sample", "enter")
        await until(pilot, lambda: not home.names, "the empty list")


async def make(folder: Path) -> None:
    """Make all pictures in `folder`."""
    app = SagewizardApp(AppContext(sandbox=True, profile=None, region=None, debug=False))
    async with app.run_test(size=SIZE) as pilot:
        photographer = Photographer(app, pilot, folder)
        await photographer.wizard()
        await photographer.deployment()
        await photographer.chat()
        await photographer.home()


def main() -> None:
    """Make the pictures, in the folder named or beside this file, on a sandbox that ends with it."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        os.environ["SAGEWIZARD_HOME"] = home
        from core.sandbox import daemon

        try:
            asyncio.run(make(folder))
        finally:
            daemon.stop()


if __name__ == "__main__":
    main()
