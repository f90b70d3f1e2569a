"""Fit: whether a model runs on an instance type, and how. All sizes are bytes."""

from dataclasses import dataclass
from typing import Literal

from core.instances.catalog import InstanceType
from core.instances.prices import Price
from core.instances.quotas import Quota

LimitedBy = Literal["gpu", "host", "disk", "engine", "quota"]


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

    `tensor_parallel` is the number of GPUs that share the model, 1 where one (or the CPU) holds it alone. `max_context`
    is the longest context that fits, `None` where none does or none is known.
    """

    instance: InstanceType
    engine: str
    tensor_parallel: int
    max_context: int | None
    gpu: Budget | None
    host: Budget
    disk: Budget
    limited_by: LimitedBy | None

    @property
    def fits(self) -> bool:
        """Whether it runs there."""
        return self.limited_by is None


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
