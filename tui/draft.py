"""The wizard's draft: every answer given so far, apart from any widget.

A frozen value: going back changes nothing, and a change of an early answer yields a new draft in which the later ones
are kept where they still hold, dropped where they do not, with a note that says so.
"""

from dataclasses import dataclass, field, replace
from typing import Final, Literal

from core.aws.roles import Role
from core.deployments.plan import Plan
from core.instances.fit import FitRow, FitTable
from core.models.facts import ModelFacts, WeightSet
from core.models.reference import SAMPLE

StepName = Literal["model", "size", "instance", "role", "review"]
STEPS: Final[tuple[StepName, ...]] = ("model", "size", "instance", "role", "review")
TITLES: Final[dict[StepName, str]] = {
    "model": "Model",
    "size": "Size",
    "instance": "Instance",
    "role": "Role",
    "review": "Review",
}


@dataclass(frozen=True, slots=True)
class NewRole:
    """Create a role for this deployment alone."""


@dataclass(frozen=True, slots=True)
class GivenRole:
    """Use a role of the account: its ARN, or its name."""

    arn: str


RoleChoice = NewRole | GivenRole


@dataclass(frozen=True, slots=True)
class Draft:
    """The answers. `None` means: not answered, so the default holds.

    `stale` are steps whose answers rest on something that changed since they were seen; `notes` say what a change
    dropped.
    """

    reference: str = SAMPLE
    facts: ModelFacts | None = None
    weights: WeightSet | None = None
    table: FitTable | None = None
    instance_type: str | None = None
    instance_count: int = 1
    roles: tuple[Role, ...] | None = None
    role: RoleChoice | None = None
    name: str | None = None
    plan: Plan | None = None
    seen: frozenset[StepName] = frozenset()
    stale: frozenset[StepName] = frozenset()
    notes: tuple[str, ...] = field(default=())

    def with_reference(self, text: str) -> "Draft":
        """Return the draft for another model; what rested on the old one has to be found out again."""
        if text == self.reference:
            return self
        return replace(
            self,
            reference=text,
            facts=None,
            weights=None,
            table=None,
            plan=None,
            notes=(),
            stale=self.seen - {"model"},
        )

    def with_model(self, facts: ModelFacts, weights: WeightSet) -> "Draft":
        """Return the draft with what was found out about the model."""
        return replace(self, facts=facts, weights=weights, table=None, plan=None)

    def with_table(self, table: FitTable) -> "Draft":
        """Return the draft with the fits; a chosen type that no longer fits gives way to the recommended one."""
        fitted = replace(self, table=table, plan=None)
        row = fitted.row
        if self.instance_type is None or (row is not None and row.fit.fits):
            return fitted
        instead = f"{table.recommended} is proposed instead" if table.recommended else "no other type holds it"
        note = f"{self.instance_type} does not hold this model: {instead}."
        return replace(fitted, instance_type=None, notes=(*self.notes, note), stale=self.stale | {"instance"})

    def with_instance(self, name: str) -> "Draft":
        """Return the draft with an instance type chosen; the recommended one is the default, so no choice at all."""
        chosen = None if self.table and name == self.table.recommended else name
        return self if chosen == self.instance_type else replace(self, instance_type=chosen, plan=None, notes=())

    def with_count(self, count: int) -> "Draft":
        """Return the draft with a number of instances, at least one."""
        return self if count == self.instance_count else replace(self, instance_count=max(1, count), plan=None)

    def with_roles(self, roles: tuple[Role, ...]) -> "Draft":
        """Return the draft with the account's usable roles; a chosen one that is not among them stays chosen."""
        return replace(self, roles=roles)

    def with_role(self, role: RoleChoice) -> "Draft":
        """Return the draft with a role chosen."""
        return self if role == self.role else replace(self, role=role, plan=None)

    def with_name(self, name: str | None) -> "Draft":
        """Return the draft with the endpoint's name, `None` for the proposed one."""
        return self if name == self.name else replace(self, name=name, plan=None)

    def with_plan(self, plan: Plan) -> "Draft":
        """Return the draft with everything decided."""
        return replace(self, plan=plan)

    def visited(self, step: StepName) -> "Draft":
        """Return the draft after a step was shown: it is no longer stale."""
        return replace(self, seen=self.seen | {step}, stale=self.stale - {step})

    @property
    def row(self) -> FitRow | None:
        """The instance type that holds now: the chosen one, else the recommended one."""
        name = self.instance_type or (self.table.recommended if self.table else None)
        rows = self.table.rows if self.table else ()
        return next((row for row in rows if row.fit.instance.name == name), None)

    @property
    def row_is_usable(self) -> bool:
        """Whether the instance type that holds now holds the model, and the account may run as many as are wanted."""
        return self.row is not None and usable(self.row, self.instance_count)

    @property
    def role_choice(self) -> RoleChoice:
        """The role that holds now: the chosen one, else one made for this deployment alone, as the planner has it."""
        return self.role or NewRole()

    @property
    def usd_per_hour(self) -> float | None:
        """What all instances cost together; `None` when it is not known."""
        each = self.row.price.usd_per_hour if self.row else None
        return None if each is None else each * self.instance_count

    def reachable(self, step: StepName) -> bool:
        """Whether what the step needs has been answered."""
        if step == "model":
            return True
        if self.facts is None:
            return False
        return step in ("size", "instance") or self.row_is_usable


def usable(row: FitRow, count: int) -> bool:
    """Whether the type holds the model and the account's quota has `count` instances left, as far as it is known."""
    return row.fit.fits and (row.quota is None or row.quota.left >= count)
