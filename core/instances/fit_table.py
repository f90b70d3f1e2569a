"""Whether, and how, a model runs on each instance type, and which one to take. Pure arithmetic; no request is made.

For each type the engines that can run the model are tried in order of preference (`core.instances.engine_choice`), by
their rules (`core.instances.engine_rules`). A type whose memory nobody publishes is taken not to fit, for want of host
memory that is known.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from core.instances.catalog import InstanceType, catalog
from core.instances.engine_choice import engines_for, reason_against_machine, reason_against_model
from core.instances.engine_rules import ENGINE_RULES, EngineRules
from core.instances.fit import Budget, Fit, FitRow, FitTable, LimitedBy, roomy
from core.instances.prices import UNKNOWN, Price
from core.instances.quotas import Quota
from core.instances.requirements import Requirements, Term, requirements, usable_gpu, usable_host, volume_for
from core.instances.smallest_change import Question, smallest_change
from core.models.facts import ModelFacts, WeightSet

_CONTEXT_STEP: Final = 16
_UNLIMITED: Final = 2**27
"""Tokens that no model attends to and no machine holds: where a context without a limit stops being looked for."""


def fit(
    facts: ModelFacts,
    weights: WeightSet,
    instance: InstanceType,
    *,
    context: int | None,
    concurrency: int,
    engines: tuple[str, ...] | None = None,
) -> Fit:
    """Return how a model runs on one instance type, on the best of `engines` (any when `None`).

    `context` is in tokens for each of `concurrency` requests; `None` is the model's own limit, at most 4,096.

    Raises:
        UsageError: the context is longer than the model attends to, or a number is below 1.
    """
    needs = requirements(facts, weights, context=context, concurrency=concurrency)
    return _Fitting(facts, weights, needs, engines).best(instance)


def fit_table(
    facts: ModelFacts,
    weights: WeightSet,
    *,
    context: int | None,
    concurrency: int,
    instances: Iterable[InstanceType],
    prices: Mapping[str, Price],
    quotas: Mapping[str, Quota] | None,
    engines: tuple[str, ...] | None = None,
    count: int = 1,
) -> FitTable:
    """Return how a model runs on all of `instances`, the ones to consider first, and the one to take `count` of.

    `quotas` is `None` where they are not known. So is that of a type they do not name: Service Quotas leaves out what
    it has no applied value of. Such a type is not refused, and not recommended either.

    Raises:
        UsageError: as `fit`.
    """
    needs = requirements(facts, weights, context=context, concurrency=concurrency)
    fitting = _Fitting(facts, weights, needs, engines)

    def rows_of(types: Iterable[InstanceType], fits: "_Fitting" = fitting) -> list[FitRow]:
        rows = [
            FitRow(fits.best(each), prices.get(each.name, UNKNOWN), None if quotas is None else quotas.get(each.name))
            for each in types
        ]
        return sorted(rows, key=_order)

    def recommendable(row: FitRow) -> bool:
        startable = row.quota.left >= count if row.quota is not None else quotas is None
        return row.fit.fits and roomy(row.fit) and not row.fit.slow and startable

    rows = rows_of(instances)
    recommended = next((row.fit.instance.name for row in rows if recommendable(row)), None)
    if recommended is not None:
        return FitTable(needs.context, concurrency, tuple(rows), recommended, None)
    types = [row.fit.instance for row in rows]
    quantizing = tuple(
        name for name, rules in ENGINE_RULES.items() if rules.quantized and (engines is None or name in engines)
    )
    question = Question(
        facts=facts,
        needs=needs,
        rows=rows,
        others=rows_of(each for each in catalog().values() if each not in types),
        rows_with=lambda changed: rows_of(types, _Fitting(facts, weights, changed, engines)),
        quantized_rows=lambda changed: (
            rows_of(types, _Fitting(facts, weights, changed, quantizing)) if quantizing else []
        ),
        recommendable=recommendable,
    )
    return FitTable(needs.context, concurrency, tuple(rows), None, smallest_change(question))


class _Fitting:
    """Fits one model, at one set of requirements, to instance types; many of them have the same GPUs."""

    def __init__(
        self, facts: ModelFacts, weights: WeightSet, needs: Requirements, engines: tuple[str, ...] | None
    ) -> None:
        self._facts = facts
        self._needs = needs
        self._engines = engines_for(facts, weights, engines)
        self._unable = {rules.name: reason_against_model(rules, facts, weights) for rules in self._engines}
        self._longest: dict[tuple[str, int, int], int | None] = {}

    def best(self, instance: InstanceType) -> Fit:
        """Return the fit on the first engine that holds the model with room to spare, else on one that holds it.

        Where none does, it is that on the engine that comes nearest to it.
        """
        fits = []
        for engine in self._engines:
            found = self._fit(engine, instance)
            if found.fits and roomy(found):
                return found
            fits.append(found)
        # That an engine runs at all on the machine says more than that another one does not.
        runs = (each for each in fits if each.limited_by != "engine")
        return next((each for each in fits if each.fits), None) or next(runs, fits[0])

    def _fit(self, engine: EngineRules, instance: InstanceType) -> Fit:
        needs = self._needs
        gpus, pipeline = self._sharing(engine, instance)
        disk_needed = _sum(needs.disk_terms(engine, instance))
        space, volume = volume_for(disk_needed, instance)
        disk = Budget(disk_needed, space)
        host = Budget(_sum(needs.host_terms(engine, gpus, needs.context)), usable_host(instance))
        gpu = Budget(_sum(needs.gpu_terms(engine, gpus, needs.context)), usable_gpu(engine, instance)) if gpus else None
        reason = self._unable[engine.name] or reason_against_machine(engine, self._facts, instance)
        limited_by: LimitedBy | None = None
        if not instance.specified:
            limited_by, reason = "host", "what memory and processors it has is not known to this program"
        elif reason:
            limited_by = "engine"
        elif gpu is not None and not gpu.holds:
            limited_by = "gpu"
            reason = self._why_not_all(engine, instance, gpus)
        elif not host.holds:
            limited_by = "host"
        elif not disk.holds:
            limited_by = "disk"
        return Fit(
            instance=instance,
            engine=engine.name,
            tensor_parallel=1 if pipeline else max(1, gpus),
            # A shorter context helps where the cache is: in the GPUs' memory, or without them in the host's.
            max_context=(
                self._longest_context(engine, instance, gpus)
                if limited_by in {None, "gpu" if gpus else "host"}
                else None
            ),
            gpu=gpu,
            host=host,
            disk=disk,
            limited_by=limited_by,
            pipeline_parallel=gpus if pipeline else 1,
            reason=reason,
            volume_gb=volume,
            slow=gpus == 0 and needs.weight_bytes > needs.most_on_cpu(instance),
        )

    def _sharing(self, engine: EngineRules, instance: InstanceType) -> tuple[int, bool]:
        """Return how many GPUs share the model (0: the CPU has it), and whether each holds whole layers."""
        if instance.gpu is None or "gpu" not in engine.accelerators:
            return 0, False
        if engine.sharing == "tensor":
            return (max(self._needs.divides.degrees(instance.gpu.count)) if self._needs.generates else 1), False
        alone = _sum(self._needs.gpu_terms(engine, 1, self._needs.context)) <= usable_gpu(engine, instance)
        # One is enough, or else all of them hold layers: accelerate leaves none out.
        gpus = 1 if alone or not self._needs.generates else instance.gpu.count
        return gpus, gpus > 1

    def _why_not_all(self, engine: EngineRules, instance: InstanceType, gpus: int) -> str | None:
        if instance.gpu is None or gpus == instance.gpu.count:
            return None
        if engine.sharing == "tensor" and self._needs.generates:
            return self._needs.divides.fault(instance.gpu.count)
        return f"{engine.title} runs this kind of model on one GPU"

    def _longest_context(self, engine: EngineRules, instance: InstanceType, gpus: int) -> int | None:
        """Return the longest context that fits; `None` when there is none, or none is known."""
        needs = self._needs
        if gpus == 1 and instance.gpu and engine.sharing == "layers" and needs.generates:
            gpus = instance.gpu.count  # a longer context is spread over all of them
        usable = usable_gpu(engine, instance) if gpus else usable_host(instance)
        key = (engine.name, gpus, usable)
        if key not in self._longest:

            def holds(context: int) -> bool:
                terms = needs.gpu_terms(engine, gpus, context) if gpus else needs.host_terms(engine, 0, context)
                return _sum(terms) <= usable

            self._longest[key] = _longest(needs, holds)
        return self._longest[key]


def _longest(needs: Requirements, holds: Callable[[int], bool]) -> int | None:
    """Return the longest context that `holds`, in whole steps or up to the model's limit or the one planned for."""
    if needs.cache is None or not holds(1):  # a cache that is not known may be of any size
        return None
    if not needs.cache.parts:
        return needs.limit
    top = needs.limit or _UNLIMITED
    if holds(top):
        return needs.limit
    low, high = 0, top // _CONTEXT_STEP + 1  # in steps; `low` holds, `high` does not
    while high - low > 1:
        middle = (low + high) // 2
        if holds(middle * _CONTEXT_STEP):
            low = middle
        else:
            high = middle
    planned = needs.context if needs.context and holds(needs.context) else 0
    # Whole blocks, as servers reserve them; never below a context that was found to fit.
    return max(low * _CONTEXT_STEP, planned) or None


def _sum(terms: Iterable[Term]) -> int:
    return sum(term.bytes for term in terms)


def _order(row: FitRow) -> tuple[bool, bool, float, int, int, str]:
    """Order rows: those that fit, by price with unknown prices last, then the smaller machine, then by name."""
    price, instance = row.price.usd_per_hour, row.fit.instance
    gpus = instance.gpu.count if instance.gpu else 0
    return (not row.fit.fits, price is None, price or 0.0, gpus, instance.memory_bytes, instance.name)
