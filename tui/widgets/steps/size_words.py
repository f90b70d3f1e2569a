"""What the size step says: what is packaged and left out, and how full the chosen machine would be."""

from typing import Final

from core.external_text import clean_line
from core.instances.fit import Budget, Fit, FitRow
from core.models.facts import WeightSet
from core.quantities import format_bytes, format_hourly, format_memory
from tui.draft import Draft
from tui.status_words import MUTED
from tui.widgets.bars import FULL, REST, Bar, Part
from tui.wizard_state import WizardState

LABEL_CELLS: Final = 11


def packaged_bars(weights: WeightSet) -> tuple[Bar, ...]:
    """Return what of all the model's bytes is packaged, as a bar, and the sums of what that is, in words."""
    left = sum(entry.file.bytes for entry in weights.left_out)
    packaged = weights.packaged_bytes
    beside = sum(file.bytes for file in weights.support)
    words = f"all of it: {format_bytes(packaged)}"
    if weights.left_out:
        words = f"{format_bytes(packaged)} of {format_bytes(packaged + left)} (left out {format_bytes(left)})"
    shards = "1 file" if weights.shards == 1 else f"{weights.shards} shards"
    variant = f", {weights.variant}" if weights.variant else ""
    code = "config, tokenizer, its own code" if weights.remote_code else "config, tokenizer"
    rows = [
        Bar("Packaged", (Part(packaged, FULL, "success"), Part(left, REST, MUTED)), words),
        Bar("Weights", (), f"{format_bytes(weights.weight_bytes)} in {shards}, {weights.format}{variant}"),
        Bar("Beside them", (), f"{format_bytes(beside)} in {files_in_words(len(weights.support))} ({code})"),
    ]
    if weights.base:
        base = f"{format_bytes(weights.base.packaged_bytes)} of the model that the adapter is for, counted above"
        rows.append(Bar("Base", (), base))
    return tuple(rows)


def files_in_words(count: int) -> str:
    """Return a number of files in words."""
    return "1 file" if count == 1 else f"{count} files"


def memory_bars(state: WizardState) -> tuple[Bar, ...]:
    """Return the machine that the model would run on and how full it would be; or why that is not known."""
    draft = state.draft
    if (row := draft.row) is not None:
        return (Bar("Instance", (), instance_words(draft, row)), *budget_bars(row.fit))
    if draft.table is not None:
        return (Bar("Instance", (), clean_line(f"✗ none. {draft.table.smallest_change or ''}"), "accent"),)
    if "table" in state.asking:
        return (Bar("Instance", (), "◐ working out which machines hold it …", MUTED),)
    if problem := state.problems.get("table"):
        return (Bar("Instance", (), f"not known: {clean_line(problem.message)}", MUTED),)
    return ()


def instance_words(draft: Draft, row: FitRow) -> str:
    """Return which type it is, since when it is that one, and how long a conversation it holds."""
    name = row.fit.instance.name
    recommended = draft.table is not None and name == draft.table.recommended
    words = f"{'★' if recommended else '✓'} {name} {'recommended' if recommended else 'chosen'}"
    if row.price.usd_per_hour is not None:
        words += f", {format_hourly(row.price.usd_per_hour)}"
    if row.fit.gpus > 1:
        words += f", {sharing_words(row.fit)}"
    return words if row.fit.max_context is None else f"{words}, context up to {row.fit.max_context:,}"


def sharing_words(fit: Fit) -> str:
    """Return how several GPUs hold the model: `tensor parallel 4`, or `layers over 4 GPUs`."""
    if fit.pipeline_parallel > 1:
        return f"layers over {fit.pipeline_parallel} GPUs"
    return f"tensor parallel {fit.tensor_parallel}"


def budget_bars(fit: Fit) -> tuple[Bar, ...]:
    """Return how full the parts of a machine would be."""
    named: list[tuple[str, Budget | None, bool]] = [
        ("each GPU", fit.gpu, False),
        ("memory", fit.host, False),
        ("disk", fit.disk, True),
    ]
    return tuple(budget_bar(label, budget, disk=disk) for label, budget, disk in named if budget is not None)


def budget_bar(label: str, budget: Budget, *, disk: bool = False) -> Bar:
    """Return a budget as a bar and its numbers: `━━━━━━╌╌╌╌ 0.9 GiB of 6.4 GiB`."""
    form = format_bytes if disk else format_memory
    words = f"{form(budget.required_bytes)} of {form(budget.usable_bytes)}"
    if not budget.holds:
        return Bar(label, (Part(1, FULL, "error"),), f"{words}  ✗ too much", "error")
    free = budget.usable_bytes - budget.required_bytes
    return Bar(label, (Part(budget.required_bytes, FULL, "primary"), Part(free, REST, MUTED)), words)
