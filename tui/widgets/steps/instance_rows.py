"""Which rows of the fit table are listed, in which order, in which columns, and how their cells read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from core.instances.fit import Fit, FitRow
from core.quantities import HOURS_PER_MONTH
from tui.draft import usable
from tui.status_words import MUTED

Cell = tuple[str, str]
"""A cell's text and the theme's word for its colour."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the list: its name, its title, and its width in cells."""

    name: str
    title: str
    cells: int


COLUMNS: Final = (  # without the two that are spared first they fill an 80-column screen
    Column("type", "Type", 16),
    Column("gpu", "GPU", 10),
    Column("memory", "  GiB", 5),
    Column("fit", "Fit", 13),
    Column("used", "GPUs used", 10),
    Column("context", "Context", 7),
    Column("hour", "  $/h", 5),
    Column("month", " $/mon", 6),
    Column("quota", "Quota", 6),
)
_SPARED: Final = ("memory", "used", "month", "gpu", "quota", "context")
"""The columns that a narrower screen does without, in this order: the cursor's row is told of in words below."""
_PADDING: Final = 2
_SCROLL_BAR_CELLS: Final = 1
_SHORT: Final = {"gpu": "GPU memory", "host": "memory", "disk": "disk", "engine": "processor", "quota": "quota"}


def columns_in(width: int) -> tuple[Column, ...]:
    """Return the columns that have room in so many cells, the fit's with what is left over; all where it is 0."""
    kept, spared = list(COLUMNS), list(_SPARED)
    room = width - _SCROLL_BAR_CELLS

    def taken() -> int:
        return sum(column.cells + _PADDING for column in kept)

    while width and spared and taken() > room:
        name = spared.pop(0)
        kept = [column for column in kept if column.name != name]
    rest = max(0, room - taken()) if width else 0
    wider = {"gpu": min(1, rest), "fit": max(0, rest - 1)}
    return tuple(Column(column.name, column.title, column.cells + wider.get(column.name, 0)) for column in kept)


# -- which rows, and in which order -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Order:
    """An order of the rows: what it is called, the column it is marked at, and the key that it goes by."""

    name: str
    column: str
    key: Callable[[FitRow], tuple[float | str, ...]]


def _gpus_first(row: FitRow) -> tuple[float | str, ...]:
    gpu = row.fit.instance.gpu
    return (gpu.count, gpu.memory_bytes) if gpu else (float("inf"),)


ORDERS: Final = (
    Order("price", "hour", lambda _: ()),
    Order("memory", "memory", lambda row: (row.fit.instance.memory_bytes or float("inf"),)),
    Order("GPUs", "gpu", _gpus_first),
    Order("context", "context", lambda row: (-(row.fit.max_context or 0),)),
    Order("name", "type", lambda row: (row.fit.instance.name,)),
)
"""The orders to choose from; types that hold the model come first in all of them, and the price decides ties."""

_WORDS: Final[dict[str, Callable[[FitRow], bool]]] = {
    "gpu": lambda row: row.fit.instance.accelerator == "gpu",
    "cpu": lambda row: row.fit.instance.accelerator == "cpu",
    "neuron": lambda row: row.fit.instance.accelerator == "neuron",
    "fits": lambda row: row.fit.fits,
}
_SHORTEST_WORD: Final = 2


def listed(rows: Sequence[FitRow], words: str, order: Order) -> tuple[FitRow, ...]:
    """Return the rows that a filter leaves, in order; `rows` are in the order of the price, those that fit first.

    Each word of the filter is a part of a type's or its GPU's name, or one of `gpu`, `cpu`, `neuron` and `fits` (or
    their beginning).
    """
    wanted = words.casefold().split()
    kept = (row for row in rows if all(_matches(row, word) for word in wanted))
    return tuple(sorted(kept, key=lambda row: (not row.fit.fits, order.key(row))))


def _matches(row: FitRow, word: str) -> bool:
    instance = row.fit.instance
    if word in instance.name or (instance.gpu is not None and word in instance.gpu.name.casefold()):
        return True
    return len(word) >= _SHORTEST_WORD and any(name.startswith(word) and holds(row) for name, holds in _WORDS.items())


# -- what the cells say -----------------------------------------------------------------------------------------------


def cells_of(row: FitRow, columns: Sequence[Column], recommended: str | None, count: int) -> tuple[Cell, ...]:
    """Return a row's cells; `?` is what nobody knows, and a type that cannot be taken is greyed."""
    base = "foreground" if usable(row, count) else MUTED
    fit, instance = row.fit, row.fit.instance
    gpu, each = instance.gpu, row.price.usd_per_hour

    def cell(column: Column) -> Cell:
        match column.name:
            case "fit":
                return fit_words(row, recommended, count, room=column.cells)
            case "gpu":
                return (f"{gpu.count}×{gpu.name.split()[-1]} {gpu.memory_bytes / 2**30:.0f}G" if gpu else "–"), base
            case "memory":
                return (f"{instance.memory_bytes / 2**30:>5,.0f}" if instance.specified else "    ?"), base
            case "used":
                return used_words(fit), base
            case "context":
                return f"{context_words(fit.max_context):>7}", base
            case "hour":
                return "    ?" if each is None else f"{_price_words(each):>5}", base
            case "month":
                return "     ?" if each is None else f"{each * HOURS_PER_MONTH:>6,.0f}", base
            case "quota":
                return quota_words(row), base
        return instance.name, base

    return tuple(cell(column) for column in columns)


def _price_words(each: float) -> str:
    return f"{each:.3f}" if each < 10 else f"{each:.2f}" if each < 100 else f"{each:.1f}"


def context_words(tokens: int | None) -> str:
    """Return a context in seven cells: `32,768`, `1.05M`, `–` where none fits or none is known."""
    if tokens is None:
        return "–"
    return f"{tokens:,}" if tokens < 10**6 else f"{tokens / 10**6:.2f}M"


def used_words(fit: Fit) -> str:
    """Return how many GPUs hold the model, and how they share it: `tp 4`, `4 in a row`."""
    if fit.gpu is None:
        return "–"
    if fit.pipeline_parallel > 1:
        return f"{fit.pipeline_parallel} in a row"
    return f"tp {fit.tensor_parallel}" if fit.tensor_parallel > 1 else "1"


def quota_words(row: FitRow) -> str:
    """Return what is left of a quota, in six cells where it can be: `1 of 2`."""
    if row.quota is None:
        return "?"
    words = f"{row.quota.left} of {row.quota.limit}"
    return words if len(words) <= 6 else f"{row.quota.left}/{row.quota.limit}"


def fit_words(row: FitRow, recommended: str | None, count: int, *, room: int = 0) -> Cell:
    """Return the fit in a word with its glyph, with more of the reason where there is `room`, and its colour."""
    fit = row.fit
    if fit.limited_by is not None:
        short = f"✗ {_SHORT[fit.limited_by]}"
        return (f"{short}: {fit.reason}" if fit.reason and room > len(short) + 8 else short), MUTED
    if not usable(row, count):
        return "✗ quota", MUTED
    return ("★ recommended", "success") if fit.instance.name == recommended else ("✓ fits", "success")
