"""What is known of a model, as labelled lines: from a search, of a place, and all of it once it was looked at."""

from datetime import datetime
from typing import Final

from textual.app import ComposeResult
from textual.containers import VerticalScroll

from core.external_text import clean_line
from core.models.facts import ModelFacts, Scan
from core.models.local_places import Place
from core.models.memory import context_limit
from core.models.reference import SAMPLE, SampleReference
from core.models.search import FoundModel
from core.models.tasks import generates
from core.quantities import format_bytes, format_count
from tui.widgets.facts import Fact, FactList

_SCANS: Final[dict[Scan, tuple[str, str]]] = {
    "safe": ("✓ nothing was found", ""),
    "doubtful": ("! some files are doubtful", "accent"),
    "unsafe": ("✗ files are unsafe", "error"),
    "pending": ("◐ not finished yet", ""),
}
_MOST_NAMED: Final = 3


class ModelDetails(VerticalScroll):
    """Shows the facts of one model; beside the results it scrolls by itself."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, can_focus=False)

    def compose(self) -> ComposeResult:
        """Lay out the list."""
        yield FactList(id="model-facts")

    def show(self, facts: tuple[Fact, ...]) -> None:
        """Show these facts and no others."""
        shown = self.query_one(FactList)
        if facts != shown.facts:
            shown.show(facts)
            self.scroll_home(animate=False)


def found_facts(model: FoundModel) -> tuple[Fact, ...]:
    """Return what a search says of a model, in words."""
    return (
        Fact("Model", model.repository),
        Fact("Task", model.task or "unknown"),
        Fact("Library", model.library or "unknown"),
        Fact("Access", _access(model.gated, private=model.private)),
        *_popularity(model.downloads, model.likes, model.last_modified),
        Fact("Parameters", "unknown" if model.parameters is None else format_count(model.parameters)),
    )


def place_facts(place: Place) -> tuple[Fact, ...]:
    """Return what is known of a place before it was looked at, in words."""
    if place.text == SAMPLE:
        return (
            Fact("Model", SAMPLE),
            Fact("What", "A tiny GPT-Neo that comes with the program: to try everything without a download."),
        )
    holds = {True: "a model", False: "folders; open it to see them", None: "not looked at yet"}[place.model]
    return (Fact("Place", place.text), Fact("Holds", holds))


def model_facts(facts: ModelFacts) -> tuple[Fact, ...]:
    """Return what is known of a model that was looked at, in words."""
    library = " · ".join(part for part in (facts.library, facts.architecture) if part)
    sample = isinstance(facts.reference, SampleReference)
    limit = context_limit(facts)
    rows = [
        Fact("Task", facts.task or "unknown"),
        Fact("Library", library or "unknown"),
        Fact("Parameters", _parameters(facts)),
        Fact("Licence", facts.license or ("as the program" if sample else "not stated")),
        Fact("Access", _access(facts.gated, private=facts.private)),
        *_dtypes(facts),
        Fact("Repository", f"{_files(len(facts.files))}, {format_bytes(facts.repository_bytes)}"),
        *_popularity(facts.popularity.downloads, facts.popularity.likes, facts.popularity.last_modified),
        *_scan(facts),
    ]
    if facts.base_models:
        rows.append(Fact("Made from", _some(facts.base_models)))
    if limit:
        rows.append(Fact("Context", f"{limit:,} tokens at most"))
    if facts.task == "text-generation" or (facts.task is None and generates(facts)):
        rows.append(Fact("Chat", "it has a chat template" if facts.chat_template else "it has no chat template"))
    if facts.remote_code:
        rows.append(Fact("Own code", f"! {_code(facts)}", colour="accent"))
    if facts.revision:
        rows.append(Fact("Revision", facts.revision[:12]))
    rows += [Fact("Warning", f"! {clean_line(warning)}", colour="accent") for warning in facts.warnings]
    return tuple(rows)


def _parameters(facts: ModelFacts) -> str:
    if not facts.parameters:
        return "unknown"
    about = "about " if facts.parameters_confidence == "estimated" else ""
    stored = ", ".join(part for part in (facts.dtype, facts.quantization and facts.quantization.label) if part)
    return f"{about}{format_count(facts.parameters)}" + (f" in {stored}" if stored else "")


def _dtypes(facts: ModelFacts) -> tuple[Fact, ...]:
    """Return how many elements of each type are stored, where there is more than one type."""
    if len(facts.dtypes) < 2:
        return ()
    by_count = sorted(facts.dtypes.items(), key=lambda each: -each[1])
    told = ", ".join(f"{clean_line(name)} {format_count(count)}" for name, count in by_count[:_MOST_NAMED])
    return (Fact("Stored as", told),)


def _access(gated: str | None, *, private: bool = False) -> str:
    if gated is not None:
        return f"gated ({gated}): your Hub token is used"
    return "private: your Hub token is used" if private else "open"


def _popularity(downloads: int | None, likes: int | None, changed: datetime | None) -> tuple[Fact, ...]:
    counts = [
        f"{format_count(count)} {what}"
        for count, what in ((downloads, "downloads in 30 days"), (likes, "likes"))
        if count is not None
    ]
    rows = [Fact("Popularity", ", ".join(counts))] if counts else []
    if changed is not None:
        rows.append(Fact("Last change", f"{changed:%Y-%m-%d}"))
    return tuple(rows)


def _scan(facts: ModelFacts) -> tuple[Fact, ...]:
    if facts.scan is None:
        return ()
    words, colour = _SCANS[facts.scan]
    return (Fact("Security", words + (f": {_some(facts.unsafe_files)}" if facts.unsafe_files else ""), colour=colour),)


def _code(facts: ModelFacts) -> str:
    code = facts.remote_code
    words = f"it brings {_files(len(code.files))} of its own to run" if code else ""
    return words + (f", and runs code of {_some(code.elsewhere)}" if code and code.elsewhere else "")


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(clean_line(name) for name in names[:_MOST_NAMED]) + more


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
