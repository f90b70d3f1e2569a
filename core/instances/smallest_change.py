"""The smallest change that would make a model run, in a sentence: for when no instance type can be recommended.

What is proposed was tried: a shorter context, fewer requests at once, another type, a quantized version. Each is
reckoned by the same arithmetic as the table.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from core.instances.fit import Budget, FitRow, roomy
from core.instances.requirements import Requirements
from core.models.facts import ModelFacts
from core.models.reference import HubReference
from core.quantities import format_bytes, format_hourly, format_memory

_PARTS: Final = {"gpu": "memory on each GPU", "host": "memory", "disk": "disk space"}
_SHORTEST: Final = 256
"""The shortest context, in tokens, that is worth a proposal."""
_QUANTIZED_BITS: Final = (8, 4)
_FULL_BITS: Final = {"float32": 32, "float16": 16, "bfloat16": 16}


@dataclass(frozen=True, slots=True)
class Question:
    """What nothing could be recommended for.

    `rows` are the types that were asked about, in order of preference; `others` are all other types. `rows_with` gives
    the rows of the former with other requirements; `quantized_rows` the same on engines that run quantized weights.
    `recommendable` says whether a row could be recommended.
    """

    facts: ModelFacts
    needs: Requirements
    rows: Sequence[FitRow]
    others: Sequence[FitRow]
    rows_with: Callable[[Requirements], Sequence[FitRow]]
    quantized_rows: Callable[[Requirements], Sequence[FitRow]]
    recommendable: Callable[[FitRow], bool]

    def another_type(self) -> FitRow | None:
        """Return the best of the types that were not asked about: one to recommend, else one that at least fits."""
        return next((row for row in self.others if self.recommendable(row)), None) or _first(self.others)


def smallest_change(question: Question) -> str:
    """Return what would have to change."""
    rows = question.rows
    if not rows:
        return "No instance type was looked at."
    fitting = [row for row in rows if row.fit.fits]
    if fast := [row for row in fitting if not row.fit.slow]:
        return _of_types_that_fit(fast, question)
    known = [row for row in rows if row.fit.instance.specified]
    if known and all(row.fit.limited_by == "engine" for row in known):
        return _to_go_elsewhere(question, known)
    proposals: tuple[Callable[[Question], str | None], ...] = (
        _to_ask_for_less,
        _to_take_another_type,
        _to_wait_for_a_cpu,
        _to_quantize,
    )
    return next((told for propose in proposals if (told := propose(question))), None) or _to_shrink(rows)


def _first(rows: Sequence[FitRow]) -> FitRow | None:
    """Return the first row that fits and answers in time."""
    return next((row for row in rows if row.fit.fits and not row.fit.slow), None)


def _of_types_that_fit(fast: Sequence[FitRow], question: Question) -> str:
    """Return why none of the types that fit is recommended, and what to do about it."""
    without = [row for row in fast if row.quota is not None and row.quota.left == 0]
    if len(without) == len(fast):
        return _to_ask_for_quota(fast[0])
    unlisted = next((row for row in fast if row.quota is None and roomy(row.fit)), None)
    if unlisted is not None:
        name = unlisted.fit.instance.name
        return f"It fits {name}, but whether the account may run one is not known: name that type to try it."
    tight = next(row for row in fast if row.quota is None or row.quota.left > 0)
    told = f"It fits {tight.fit.instance.name} with less than a tenth to spare; name that type to take it all the same."
    if better := next((row for row in question.others if question.recommendable(row)), None):
        return f"{told} {better.fit.instance.name}{_price(better)} has room to spare."
    if roomier := next((row for row in without if roomy(row.fit)), None):
        return f"{told} {_to_ask_for_quota(roomier)}"
    return told


def _to_ask_for_quota(row: FitRow) -> str:
    name = row.fit.instance.name
    link = row.quota.request_link if row.quota else None
    where = f"at {link}" if link else "in Service Quotas"
    return f"It fits {name}, but the account has no quota left: ask for “{name} for endpoint usage” {where}."


def _to_go_elsewhere(question: Question, known: Sequence[FitRow]) -> str:
    """Return why the engine runs on none of the types, and which type it runs on."""
    reasons = {row.fit.reason for row in known if row.fit.reason}
    told = f"It cannot run there: {reasons.pop()}" if len(reasons) == 1 else "It can run on none of these types"
    where = f"; {row.fit.instance.name} holds it" if (row := question.another_type()) else ""
    return f"{told}{where}."


def _to_ask_for_less(question: Question) -> str | None:
    """Return the shorter context, or the fewer requests at once, with which the model would fit a type asked about."""
    needs = question.needs
    contexts = [
        (row.fit.max_context, -index)
        for index, row in enumerate(question.rows)
        if row.fit.max_context and not row.fit.slow and row.fit.limited_by == ("gpu" if row.fit.gpu else "host")
    ]
    longest, index = max(contexts, default=(0, 0))
    shorter = needs.context is not None and _SHORTEST <= longest < needs.context
    # Half the context is a smaller change than half the requests; less than that is not.
    if shorter and (needs.concurrency == 1 or 2 * longest >= (needs.context or 0)):
        return f"With a context of {longest:,} tokens or fewer it would fit {question.rows[-index].fit.instance.name}."
    if needs.concurrency > 1 and (found := _most_requests(question)):
        count, row = found
        words = "one request at a time" if count == 1 else f"{count:,} requests at once"
        return f"With {words} it would fit {row.fit.instance.name}."
    if shorter:
        return f"With a context of {longest:,} tokens or fewer it would fit {question.rows[-index].fit.instance.name}."
    return None


def _most_requests(question: Question) -> tuple[int, FitRow] | None:
    """Return how many requests at once fit a type that was asked about, fewer than were wanted; `None` if not one."""

    def row_for(count: int) -> FitRow | None:
        return _first(question.rows_with(replace(question.needs, concurrency=count)))

    if row_for(1) is None:
        return None
    low, high = 1, question.needs.concurrency  # `low` fits, `high` does not
    while high - low > 1:
        middle = (low + high) // 2
        if row_for(middle) is None:
            high = middle
        else:
            low = middle
    row = row_for(low)
    return (low, row) if row else None


def _to_take_another_type(question: Question) -> str | None:
    row = question.another_type()
    if row is None:
        return None
    told = f"The next type that holds it is {row.fit.instance.name}{_price(row)}"
    if question.recommendable(row):
        return f"{told}."
    if row.quota is not None and row.quota.left == 0:
        link = row.quota.request_link
        return f"{told}, of which the account has no quota left{f': ask for it at {link}' if link else ''}."
    return f"{told}{', with less than a tenth to spare' if not roomy(row.fit) else ''}."


def _to_wait_for_a_cpu(question: Question) -> str | None:
    slow = next((row for row in question.rows if row.fit.fits), None)
    if slow is None:
        return None
    return (
        f"It fits {slow.fit.instance.name}, but a CPU takes too long to answer with a model of this size. "
        "Name that type to take it all the same."
    )


def _to_quantize(question: Question) -> str | None:
    """Return on which type a quantized version would fit; `None` for a model that is quantized, or when none would."""
    network = question.facts.network
    stored = _FULL_BITS.get(network.dtype or "")
    if stored is None or network.quantization is not None:
        return None
    for bits in _QUANTIZED_BITS:
        smaller = question.needs.scaled(bits, stored)
        if row := _first(question.quantized_rows(smaller)):
            size = format_bytes(smaller.weight_bytes)
            shared = f", shared by {row.fit.gpus} GPUs" if row.fit.gpus > 1 else ""
            return (
                f"Quantized to {bits} bits (about {size}) it would fit {row.fit.instance.name} with {row.fit.engine}"
                f"{shared}{_where_quantized(question.facts)}."
            )
    return None


def _where_quantized(facts: ModelFacts) -> str:
    reference = facts.network.reference
    if not isinstance(reference, HubReference):
        return ""
    return (
        f"; its quantized versions are at https://huggingface.co/models?other=base_model:quantized:"
        f"{reference.repository}"
    )


def _to_shrink(rows: Sequence[FitRow]) -> str:
    """Return what the type that comes closest lacks."""
    lacking = [(part, budget, row) for row in rows for part, budget in _short(row)]
    if not lacking:
        return "What memory these types have is not known: choose another."
    part, budget, row = min(lacking, key=lambda each: each[1].required_bytes / each[1].usable_bytes)
    missing = format_memory(budget.required_bytes - budget.usable_bytes)
    advice = "a larger type" if len(rows) == 1 else "a smaller or quantized version of the model"
    why = f" ({row.fit.reason})" if row.fit.reason else ""
    return f"The closest, {row.fit.instance.name}, lacks {missing} of {_PARTS[part]}{why}: choose {advice}."


def _short(row: FitRow) -> list[tuple[str, Budget]]:
    """Return the budget that a type is short of; nothing where its size is not known or the engine does not run."""
    named = {"gpu": row.fit.gpu, "host": row.fit.host, "disk": row.fit.disk}
    limit = row.fit.limited_by
    budget = named.get(limit) if limit else None
    return [(limit, budget)] if limit and budget and budget.usable_bytes > 0 else []


def _price(row: FitRow) -> str:
    return "" if row.price.usd_per_hour is None else f", at {format_hourly(row.price.usd_per_hour)}"
