"""What a search of the Hub is narrowed by, on one line: task, number of parameters, order."""

from dataclasses import replace
from typing import Final

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Select, Static

from core.errors import UsageError
from core.models.search import SearchQuery, Sort, parse_size
from tui.widgets.field import Field

# The Hub's names of tasks (https://huggingface.co/tasks) that are deployed most; the first is the one there is most of.
_TASKS: Final = (
    "text-generation",
    "image-text-to-text",
    "text-to-image",
    "feature-extraction",
    "sentence-similarity",
    "text-classification",
    "token-classification",
    "question-answering",
    "fill-mask",
    "summarization",
    "translation",
    "zero-shot-classification",
    "text-ranking",
    "automatic-speech-recognition",
    "text-to-speech",
    "audio-classification",
    "image-classification",
    "object-detection",
    "image-segmentation",
    "image-to-text",
)
_ANY: Final = ""
_SIZES: Final = "Parameters at least, and at most: 500M, 7B, 1.5B"
_SORTS: Final[tuple[tuple[str, Sort], ...]] = (
    ("downloads", "downloads"),
    ("likes", "likes"),
    ("trending", "trending"),
)


class ModelFilters(Horizontal):
    """The filters. What is wrong with one is marked there, and the last that was right stays in force."""

    class Changed(Message):
        """Another query is asked for; `problem` says what is wrong with what was typed, if anything is."""

        def __init__(self, query: SearchQuery, problem: UsageError | None) -> None:
            super().__init__()
            self.query = query
            self.problem = problem

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._told: tuple[SearchQuery, UsageError | None] = (SearchQuery(), None)

    def compose(self) -> ComposeResult:
        """Lay out the line."""
        tasks = [("any task", _ANY), *((task, task) for task in _TASKS)]
        yield Select(tasks, value=_ANY, allow_blank=False, compact=True, id="model-task", tooltip="Which task")
        yield Static("size", classes="label")
        yield Field(id="model-smallest", placeholder="any", max_length=12, compact=True, tooltip=_SIZES)
        yield Static("–", classes="label")
        yield Field(id="model-largest", placeholder="any", max_length=12, compact=True, tooltip=_SIZES)
        yield Select(
            _SORTS, value="downloads", allow_blank=False, compact=True, id="model-sort", tooltip="Which come first"
        )

    @property
    def query_wanted(self) -> SearchQuery:
        """What the filters say, without words to look for."""
        return self._told[0]

    @property
    def problem(self) -> UsageError | None:
        """What is wrong with what was typed."""
        return self._told[1]

    @property
    def active(self) -> bool:
        """Whether any of them narrows or orders the search otherwise than by default."""
        return self._told[0] != SearchQuery()

    @on(Select.Changed)
    @on(Input.Changed)
    def _changed(self, event: Message) -> None:
        event.stop()
        before = self._told
        task, sort = self.query_one("#model-task", Select).value, self.query_one("#model-sort", Select).value
        smallest, refused = self._read_size("#model-smallest")
        largest, refused_too = self._read_size("#model-largest")
        query, problem = before[0], refused or refused_too
        if smallest is not None and largest is not None and smallest > largest:
            problem = UsageError("The smallest size is above the largest.", fix="Let it be below.")
            self.query_one("#model-largest").add_class("-invalid")
        query = replace(query, task=str(task) or None, sort=next(key for _, key in _SORTS if key == sort))
        if problem is None:
            query = replace(query, smallest=smallest, largest=largest)
        self._told = (query, problem)
        if self._told != before:
            self.post_message(self.Changed(query, problem))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()  # it is no model's name, and takes effect as it is typed

    @on(Input.Blurred)
    def _left(self, event: Input.Blurred) -> None:
        event.stop()

    def _read_size(self, field: str) -> tuple[int | None, UsageError | None]:
        entry = self.query_one(field, Input)
        size, problem = None, None
        if entry.value.strip():
            try:
                size = parse_size(entry.value)
            except UsageError as error:
                problem = error
        entry.set_class(problem is not None, "-invalid")
        return size, problem
