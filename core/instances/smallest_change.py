"""The smallest change that would make a model run, in a sentence: for when no instance type can be recommended."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from core.instances.catalog import InstanceType
from core.instances.fit import Budget, FitRow
from core.instances.requirements import MOST_ON_CPU, Requirements
from core.quantities import format_memory

_PARTS: Final = {"gpu": "memory on each GPU", "host": "memory", "disk": "disk space"}


def smallest_change(
    rows: Sequence[FitRow], needs: Requirements, would_fit: Callable[[Requirements, InstanceType], bool]
) -> str:
    """Return what would have to change, of rows of which none can be recommended; the rows are in order of preference.

    `would_fit` says whether other requirements fit an instance type.
    """
    if not rows:
        return "No instance type was looked at."
    if fitting := [row for row in rows if row.fit.fits]:
        return _to_take_one_that_fits(fitting, needs)
    contexts = [(row.fit.max_context, -index) for index, row in enumerate(rows) if row.fit.max_context]
    if contexts and needs.context is not None:
        longest, index = max(contexts)
        return f"With a context of {longest:,} tokens or fewer it would fit {rows[-index].fit.instance.name}."
    if needs.concurrency > 1:
        alone = replace(needs, concurrency=1)
        if name := next((row.fit.instance.name for row in rows if would_fit(alone, row.fit.instance)), None):
            return f"With one request at a time it would fit {name}."
    return _to_shrink(rows)


def _to_take_one_that_fits(fitting: Sequence[FitRow], needs: Requirements) -> str:
    """Return why none of the types that fit is recommended, and what to do about it."""
    fast = [row for row in fitting if row.fit.gpu is not None or needs.weight_bytes <= MOST_ON_CPU]
    if not fast:
        return (
            f"It fits {fitting[0].fit.instance.name}, but a CPU takes too long to answer with a model of this size. "
            "Name that type to take it all the same."
        )
    without_quota = [row for row in fast if row.quota is not None and row.quota.left == 0]
    if len(without_quota) == len(fast):
        name = fast[0].fit.instance.name
        return (
            f"It fits {name}, but the account has no quota left: ask for “{name} for endpoint usage” in Service Quotas."
        )
    tight = next(row for row in fast if row.quota is None or row.quota.left > 0)
    return (
        f"It fits {tight.fit.instance.name} with less than a tenth to spare. "
        "Name that type to take it all the same, or ask for quota of a larger one."
    )


def _to_shrink(rows: Sequence[FitRow]) -> str:
    """Return what the type that comes closest lacks."""
    lacking = [(part, budget, row) for row in rows for part, budget in _short(row)]
    if not lacking:
        return "The serving engine runs on none of these types: choose one with an x86 CPU or NVIDIA GPUs."
    part, budget, row = min(lacking, key=lambda each: each[1].required_bytes / each[1].usable_bytes)
    missing = format_memory(budget.required_bytes - budget.usable_bytes)
    advice = "a larger type" if len(rows) == 1 else "a smaller or quantized version of the model"
    return f"The closest, {row.fit.instance.name}, lacks {missing} of {_PARTS[part]}: choose {advice}."


def _short(row: FitRow) -> list[tuple[str, Budget]]:
    """Return the budget that a type is short of; nothing where its size is not known or the engine does not run."""
    named = {"gpu": row.fit.gpu, "host": row.fit.host, "disk": row.fit.disk}
    limit = row.fit.limited_by
    budget = named.get(limit) if limit else None
    return [(limit, budget)] if limit and budget and budget.usable_bytes > 0 else []
