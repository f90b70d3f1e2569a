"""Whether, and how, a model runs on each instance type, and which one to take. Pure arithmetic; no request is made.

The serving engine is the Hugging Face inference container (`core.instances.requirements` has its formulas). It has
images for x86 CPUs and NVIDIA GPUs: AWS's Neuron devices and ARM processors cannot run it. A type whose memory nobody
publishes is taken not to fit, for want of host memory that is known.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from core.instances.catalog import InstanceType
from core.instances.fit import Budget, Fit, FitRow, FitTable, LimitedBy
from core.instances.prices import UNKNOWN, Price
from core.instances.quotas import Quota
from core.instances.requirements import MOST_ON_CPU, Requirements, requirements, usable_disk, usable_gpu, usable_host
from core.instances.smallest_change import smallest_change
from core.models.facts import ModelFacts, WeightSet

ENGINE: Final = "huggingface"
HEAD_ROOM: Final = 0.10
"""The share of memory that a recommended type leaves free."""
_CONTEXT_STEP: Final = 16


def fit(facts: ModelFacts, weights: WeightSet, instance: InstanceType, *, context: int | None, concurrency: int) -> Fit:
    """Return how a model runs on one instance type.

    `context` is in tokens for each of `concurrency` requests; `None` is the model's own limit, at most 4,096.

    Raises:
        UsageError: the context is longer than the model attends to, or a number is below 1.
    """
    return _fit(requirements(facts, weights, context=context, concurrency=concurrency), instance)


def fit_table(
    facts: ModelFacts,
    weights: WeightSet,
    *,
    context: int | None,
    concurrency: int,
    instances: Iterable[InstanceType],
    prices: Mapping[str, Price],
    quotas: Mapping[str, Quota] | None,
) -> FitTable:
    """Return how a model runs on all of `instances`, the ones to consider first, and the one to take.

    `quotas` is `None` where they are not known. So is that of a type they do not name: Service Quotas leaves out what
    it has no applied value of. Such a type is not refused, and not recommended either.

    Raises:
        UsageError: as `fit`.
    """
    needs = requirements(facts, weights, context=context, concurrency=concurrency)
    rows = []
    for instance in instances:
        quota = None if quotas is None else quotas.get(instance.name)
        rows.append(FitRow(_fit(needs, instance), prices.get(instance.name, UNKNOWN), quota))
    rows.sort(key=_order)
    known = quotas is not None
    recommended = next((row.fit.instance.name for row in rows if _recommendable(row, needs, quotas_known=known)), None)
    return FitTable(
        context=needs.context,
        concurrency=concurrency,
        rows=tuple(rows),
        recommended=recommended,
        smallest_change=None if recommended else smallest_change(rows, needs, lambda other, row: _fit(other, row).fits),
    )


def _fit(needs: Requirements, instance: InstanceType) -> Fit:
    disk = Budget(needs.disk_bytes, usable_disk(instance))
    if instance.gpu:
        return _fit_gpu(needs, instance, instance.gpu.count, disk)
    host = Budget(needs.cpu_fixed_bytes + needs.kv_bytes, usable_host(instance) if instance.specified else 0)
    limited_by: LimitedBy | None = None
    if _unsupported(instance):
        limited_by = "engine"
    elif not host.holds:
        limited_by = "host"
    elif not disk.holds:
        limited_by = "disk"
    room = host.usable_bytes - needs.cpu_fixed_bytes
    longest = None if limited_by in {"engine", "disk"} else _longest_context(needs, room)
    return Fit(instance, ENGINE, 1, longest, None, host, disk, limited_by)


def _fit_gpu(needs: Requirements, instance: InstanceType, count: int, disk: Budget) -> Fit:
    usable = usable_gpu(instance)
    # One is enough, or else all of them share the model: accelerate does not leave one out.
    gpus = 1 if needs.gpu_bytes(1) <= usable else count
    gpu = Budget(needs.gpu_bytes(gpus), usable)
    host = Budget(needs.gpu_host_bytes, usable_host(instance))
    limited_by: LimitedBy | None = None
    if _unsupported(instance):
        limited_by = "engine"
    elif not gpu.holds:
        limited_by = "gpu"
    elif not host.holds:
        limited_by = "host"
    elif not disk.holds:
        limited_by = "disk"
    longest = None
    if limited_by in {None, "gpu"}:
        part, whole = needs.share(count)
        longest = _longest_context(needs, (usable - needs.gpu_bytes(count, 0)) * whole // part)
    return Fit(instance, ENGINE, gpus, longest, gpu, host, disk, limited_by)


def _unsupported(instance: InstanceType) -> bool:
    return instance.neuron or (instance.specified and "x86_64" not in instance.architectures)


def _longest_context(needs: Requirements, room: int) -> int | None:
    """Return the longest context whose cache fits in `room` bytes; `None` when there is none, or no limit is known."""
    if room < 0:
        return None
    if not needs.kv_bytes_per_token:
        return needs.limit
    tokens = room // (needs.kv_bytes_per_token * needs.concurrency)
    if needs.limit is not None and tokens >= needs.limit:
        return needs.limit
    # Whole blocks, as servers reserve them; never below a context that was found to fit.
    blocks = tokens // _CONTEXT_STEP * _CONTEXT_STEP
    return max(blocks, needs.context if needs.context and needs.context <= tokens else 0) or None


def _order(row: FitRow) -> tuple[bool, bool, float, int, int, str]:
    """Order rows: those that fit, by price with unknown prices last, then the smaller machine, then by name."""
    price, instance = row.price.usd_per_hour, row.fit.instance
    gpus = instance.gpu.count if instance.gpu else 0
    return (not row.fit.fits, price is None, price or 0.0, gpus, instance.memory_bytes, instance.name)


def _recommendable(row: FitRow, needs: Requirements, *, quotas_known: bool) -> bool:
    """Whether a type fits with head room for what the arithmetic does not know, is fast enough, and may be started."""
    budgets = (row.fit.host, row.fit.disk, row.fit.gpu)
    roomy = all(budget is None or budget.required_bytes <= budget.usable_bytes * (1 - HEAD_ROOM) for budget in budgets)
    fast = row.fit.gpu is not None or needs.weight_bytes <= MOST_ON_CPU
    startable = row.quota.left > 0 if row.quota is not None else not quotas_known
    return row.fit.fits and roomy and fast and startable
