"""Fit: whether a model runs on an instance type, and how. All sizes are bytes."""

from dataclasses import dataclass
from typing import Final, Literal

from core.instances.catalog import InstanceType
from core.instances.prices import Price
from core.instances.quotas import Quota

LimitedBy = Literal["gpu", "host", "disk", "engine", "quota"]
HEAD_ROOM: Final = 0.10
"""The share of memory that a recommended type leaves free."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a part of the machine must hold, and what of it can be used for that; `gpu` budgets are per device."""

    required_bytes: int
    usable_bytes: int

    @property
    def holds(self) -> bool:
        """Whether it is enough."""
        return self.required_bytes <= self.usable_bytes


@dataclass(frozen=True, slots=True)
class Fit:
    """How one model would run on one instance type; `gpu` is `None` where the CPU does the arithmetic.

    `tensor_parallel` GPUs share every layer of the model, or `pipeline_parallel` of them hold whole layers each; both
    are 1 where one GPU (or the CPU) holds it alone. `max_context` is the longest context that fits, `None` where none
    does or none is known. `reason` says in words what `limited_by` does not: what the engine cannot do there, or why
    not all GPUs can share the model. `slow`: it has no GPU, and a CPU takes too long to answer with a model of this
    size. `volume_gb` is the volume to ask SageMaker for, `None` where the instance's own disk or SageMaker's default
    volume is enough.
    """

    instance: InstanceType
    engine: str
    tensor_parallel: int
    max_context: int | None
    gpu: Budget | None
    host: Budget
    disk: Budget
    limited_by: LimitedBy | None
    pipeline_parallel: int = 1
    reason: str | None = None
    volume_gb: int | None = None
    slow: bool = False

    @property
    def fits(self) -> bool:
        """Whether it runs there."""
        return self.limited_by is None

    @property
    def gpus(self) -> int:
        """How many GPUs hold the model together; 0 where the CPU does."""
        return self.tensor_parallel * self.pipeline_parallel if self.gpu else 0


@dataclass(frozen=True, slots=True)
class FitRow:
    """A fit with what a person chooses by: its price and what is left of the account's quota (`None`: not asked)."""

    fit: Fit
    price: Price
    quota: Quota | None

    @property
    def limited_by(self) -> LimitedBy | None:
        """What keeps the model from running there in this account: what does not fit, else a used-up quota."""
        if self.fit.limited_by is None and self.quota is not None and self.quota.left == 0:
            return "quota"
        return self.fit.limited_by


@dataclass(frozen=True, slots=True)
class FitTable:
    """All instance types for one model: those that fit first, cheapest first, unknown prices last.

    `recommended` is the cheapest type that fits with head room and quota, `None` when nothing does; then
    `smallest_change` says what would have to change.
    """

    context: int | None
    concurrency: int
    rows: tuple[FitRow, ...]
    recommended: str | None
    smallest_change: str | None


def roomy(fit: Fit) -> bool:
    """Whether a fit leaves room for what the arithmetic does not know."""
    budgets = (fit.host, fit.disk, fit.gpu)
    return all(budget is None or budget.required_bytes <= budget.usable_bytes * (1 - HEAD_ROOM) for budget in budgets)
