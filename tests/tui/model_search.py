"""The wizard's model step before a stand-in Hub whose searches can be held back."""

import threading
from urllib.parse import parse_qs, urlsplit

from textual.pilot import Pilot
from textual.widgets import Input

from core.models.hub import HubClient
from core.models.local_places import Place
from tests.stand_in_hub import Fault, StandInHub, safetensors
from tests.tui.driving import Stage, type_text, until
from tui.draft import Draft
from tui.screens.wizard import WizardScreen
from tui.widgets.model_browser import ModelBrowser
from tui.widgets.model_results import ModelResults

CONFIG = b'{"architectures": ["LlamaForCausalLM"], "model_type": "llama"}'
_CHANGED = "2024-09-25T17:00:57.000Z"


class HeldHub(StandInHub):
    """A stand-in whose next searches can be held back until the test lets them go."""

    def __init__(self) -> None:
        super().__init__()
        self.hold = 0
        self.let_go = threading.Event()

    def __enter__(self) -> "HeldHub":
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go.set()
        super().__exit__()

    def take_fault(self, path: str) -> Fault | None:
        if path.endswith("/api/models") and self.hold > 0:
            self.hold -= 1
            self.let_go.wait(60)
        return super().take_fault(path)

    @property
    def searches(self) -> list[dict[str, list[str]]]:
        """The queries of the searches so far."""
        asked = [urlsplit(request.path) for request in list(self.requests)]
        return [parse_qs(url.query) for url in asked if url.path == "/api/models"]


def filled_hub() -> HeldHub:
    """Return a stand-in with many models of one name and two of another."""
    stand_in = HeldHub()
    for number in range(1, 46):
        fields = {
            "pipeline_tag": "text-generation",
            "library_name": "transformers",
            "downloads": 10**6 - number,
            "likes": number,
            "trendingScore": number % 7,
            "safetensors": {"total": number * 10**9},
            "lastModified": _CHANGED,
        }
        stand_in.add(f"many/llama-{number:02}", {"config.json": CONFIG}, fields=fields)
    files = {"config.json": CONFIG, "model.safetensors": safetensors(), "README.md": b"# Of falcons"}
    stand_in.add("acme/falcon", files, fields={"pipeline_tag": "text-generation", "downloads": 7})
    stand_in.add("acme/falcon-image", files, fields={"pipeline_tag": "text-to-image", "downloads": 5}, gated="auto")
    return stand_in


async def open_model_step(app: Stage, hub: StandInHub, draft: Draft | None = None) -> WizardScreen:
    """Open the wizard at its first step, with this Hub."""
    app.workspace.draft = draft
    app.workspace._hub = HubClient(hub.url, "", timeout=60.0, pause=0.01)
    screen = WizardScreen(app.workspace)
    await app.push_screen(screen)
    return screen


def field_of(screen: WizardScreen) -> Input:
    """Return the field for the model."""
    return screen.query_one("#model-input", Input)


def names_in(screen: WizardScreen) -> list[str]:
    """Return the names in the rows of the results."""
    return [row.name if isinstance(row, Place) else row.repository for row in screen.query_one(ModelResults).found]


async def search_for(pilot: Pilot[int], screen: WizardScreen, text: str) -> None:
    """Type a text and wait until its search has ended."""
    await type_text(pilot, text)
    browser = screen.query_one(ModelBrowser)
    await until(pilot, lambda: browser.text == field_of(screen).value and not browser.looking, "the end of the search")
    await pilot.pause()
