"""Looking for models while their name is being typed: on the Hub, in folders of this machine, in S3."""

from dataclasses import dataclass, replace
from typing import Final

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widgets import DataTable, Static

from core.errors import SagewizardError, UsageError
from core.external_text import clean_line
from core.models.local_places import Place
from core.models.reference import SAMPLE
from core.models.search import SearchPage, SearchQuery
from tui import calls
from tui.background import Calls
from tui.model_text import Source, search_words, source_of
from tui.widgets.model_filters import ModelFilters
from tui.widgets.model_results import Found, ModelResults
from tui.workspace import Workspace

MOST_ROWS: Final = 200
"""Models that are listed at most."""
_MOST_PAGES: Final = 20
_PAUSE_SECONDS: Final = 0.25
"""How long a person must have stopped typing before anything is asked."""
_SAMPLE: Final = Place(SAMPLE, SAMPLE, model=True)
_HINT: Final = (
    "Words to search the Hub for, a whole name (org/name, org/name@revision), a folder (./name), s3://bucket/prefix/, "
    f"or “{SAMPLE}”: the tiny model that comes with the program."
)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is looked for: where, by which words, and among which models."""

    source: Source
    words: str
    query: SearchQuery


class ModelBrowser(Vertical):
    """Lists what goes on from a text. It asks a moment after the last change, and drops what came too late."""

    class Listed(Message):
        """The listing for `text` has come, or it is known why it cannot."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Taken(Message):
        """A model was chosen, by the text that names it."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Opened(Message):
        """A place was opened, to see what is in it."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, workspace: Workspace, *, id: str) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._workspace = workspace
        self._calls = Calls(self, debug=workspace.context.debug, sandbox=workspace.context.sandbox)
        self._timer: Timer | None = None
        self.text = ""
        """What was last looked for."""
        self._wanted = _Wanted("rest", "", SearchQuery())
        self._page: SearchPage | None = None
        self._pages = 0
        self._problem: SagewizardError | None = None

    def compose(self) -> ComposeResult:
        """Lay out the filters, a line on how the search goes, and the results."""
        yield ModelFilters(id="model-filters")
        yield Static(id="model-note", classes="hint")
        yield ModelResults(id="model-results")

    def on_mount(self) -> None:
        """Offer what needs no search."""
        self._rest()

    def on_unmount(self) -> None:
        """Stop what goes on."""
        self._calls.cancel_all()

    @property
    def results(self) -> ModelResults:
        """The table."""
        return self.query_one(ModelResults)

    @property
    def looking(self) -> bool:
        """Whether the listing for the last text is still to come."""
        return self._timer is not None or self._calls.busy("list")

    def first_for(self, text: str) -> str | None:
        """Return the name of the model that a search for `text` offers first; `None` when it has none (yet)."""
        if self.looking or text != self.text or self._wanted.source != "hub":
            return None
        found = self.results.at_cursor or next(iter(self.results.found), None)
        return None if found is None or isinstance(found, Place) else found.repository

    def look_for(self, text: str) -> None:
        """Look for what goes on from `text`, in a moment; what was looked for before is forgotten."""
        self.text = text
        filters, source = self.query_one(ModelFilters), source_of(text)
        filters.display = source in ("hub", "rest")
        words = text
        if source == "hub":
            words = search_words(text)
        elif source == "rest":
            words = ""
            source = "hub" if filters.active else "rest"  # a filter is a question as well
        wanted = _Wanted(source, words, filters.query_wanted if source == "hub" else SearchQuery())
        if wanted == self._wanted:
            return
        self._stop()
        if source != self._wanted.source or source != "hub":
            self.results.show_found((), more=False)
        self._wanted, self._problem = wanted, None
        if source == "rest":
            self._rest()
        else:
            self._timer = self.set_timer(_PAUSE_SECONDS, self.hurry)
            self._note()

    def leave_off(self) -> None:
        """Give up a search that has not ended: its text is not in the field any more. What is listed stays."""
        if self.looking:
            self._stop()
            self._wanted = _Wanted("rest", "", SearchQuery())
            self._rest()

    def hurry(self) -> None:
        """Ask now what would be asked in a moment."""
        if self._timer is None:
            return
        self._timer.stop()
        self._timer = None
        wanted, workspace = self._wanted, self._workspace
        if wanted.source == "hub":
            query = replace(wanted.query, text=wanted.words)
            self._calls.start(
                "list",
                lambda cancel: calls.search_models(query, lambda: workspace.hub, cancel),
                self._first_page,
                self._failed,
            )
        else:
            self._calls.start(
                "list",
                lambda cancel: calls.list_places(wanted.words, workspace.account, cancel),
                self._places,
                self._failed,
            )

    def _stop(self) -> None:
        self._calls.cancel_all()
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _rest(self) -> None:
        self._page, self._problem = None, None
        self.results.show_found((_SAMPLE,), more=False)
        self._note()

    # -- what comes --------------------------------------------------------------------------------------------------

    def _first_page(self, page: SearchPage) -> None:
        self._pages = 1
        self._take_in(page, ())
        self.post_message(self.Listed(self.text))

    def _take_in(self, page: SearchPage, before: tuple[Found, ...]) -> None:
        self._page, self._problem = page, None
        found = (*before, *page.models)[:MOST_ROWS]
        more = page.next is not None and len(found) < MOST_ROWS and self._pages < _MOST_PAGES
        self.results.show_found(found, more=more, go_on=bool(before))
        self._note()

    def _places(self, places: tuple[Place, ...]) -> None:
        self.results.show_found(places, more=False)
        self._note()
        self.post_message(self.Listed(self.text))

    def _failed(self, problem: SagewizardError) -> None:
        self._problem = problem
        self.results.show_found((), more=False)
        self._note()
        self.post_message(self.Listed(self.text))

    @on(ModelResults.More)
    def _came_to_end(self) -> None:
        if self._problem is None:  # what failed is tried again when a person asks for it, not again and again
            self._next_page()

    def _next_page(self) -> None:
        page, before, workspace = self._page, self.results.found, self._workspace
        if page is None or self.looking or self._calls.busy("more"):
            return

        def arrived(following: SearchPage) -> None:
            self._pages += 1
            self._take_in(following, before)

        def failed(problem: SagewizardError) -> None:
            self._problem = problem
            self._note()

        self._calls.start(
            "more", lambda cancel: calls.more_models(page, lambda: workspace.hub, cancel), arrived, failed
        )
        self._note()

    # -- what is said ------------------------------------------------------------------------------------------------

    def _note(self) -> None:
        filters = self.query_one(ModelFilters)
        wrong = filters.problem if filters.display else None
        if wrong is not None:
            words = Content.assemble(("! ", "$accent"), f"{clean_line(wrong.message)} {clean_line(wrong.fix)}")
        elif self.looking:
            doing = "Searching the Hub …" if self._wanted.source == "hub" else "Looking …"
            words = Content.assemble(("◐ ", "$accent"), doing)
        elif self._calls.busy("more"):
            words = Content.assemble(("◐ ", "$accent"), "Fetching more …")
        elif self._problem is not None:
            words = Content(_what_failed(self._wanted.source, self._problem))
        else:
            words = Content(_what_is_listed(self._wanted.source, self.results.found, more=self.results.more))
        self.query_one("#model-note", Static).update(words)

    # -- what the person decides -------------------------------------------------------------------------------------

    @on(ModelFilters.Changed)
    def _filtered(self) -> None:
        self.look_for(self.text)
        self._note()

    @on(DataTable.RowSelected)
    def _selected(self, event: DataTable.RowSelected) -> None:
        event.stop()
        self.take()

    def take(self) -> None:
        """Choose what is under the cursor: a model is taken, a place is opened."""
        found = self.results.at_cursor
        if found is None:
            if self.results.at_more:
                self._next_page()
        elif not isinstance(found, Place):
            self.post_message(self.Taken(found.repository))
        elif found.model:
            self.post_message(self.Taken(found.text))
        else:
            self.post_message(self.Opened(found.text))


def _what_failed(source: Source, problem: SagewizardError) -> str:
    if source == "folders" or isinstance(problem, UsageError):
        return f"{clean_line(problem.message)} {clean_line(problem.fix)}".strip()
    if source == "stored":
        return f"S3 cannot be looked into: {clean_line(problem.message)} You can still type a whole prefix."
    return f"The Hub cannot be searched: {clean_line(problem.message)} You can still type a full name."


def _what_is_listed(source: Source, found: tuple[Found, ...], *, more: bool) -> str:
    if source == "rest":
        return _HINT
    if source == "hub":
        if not found:
            return "Nothing on the Hub fits. You can still type a full name: org/name."
        return (
            "1 model · ↓ goes to it"
            if len(found) == 1
            else f"{len(found)} models{' so far' if more else ''} · ↓ chooses"
        )
    if not found:
        return "Nothing goes on from here. Enter looks whether this is a model."
    return "↓ chooses · tab opens"
