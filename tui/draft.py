"""The wizard's draft: every answer given so far, apart from any widget.

A frozen value: going back changes nothing, and a change of an early answer yields a new draft in which the later ones
are kept where they still hold, dropped where they do not, with a note that says so.
"""

from dataclasses import dataclass, field, replace
from typing import Final, Literal

from core.artifacts.manifest import ArtifactForm
from core.aws.roles import Role
from core.deployments.plan import Plan
from core.instances.fit import FitRow, FitTable
from core.instances.offers import Offers
from core.instances.survey import survey
from core.models.facts import ModelFacts, WeightSet
from core.models.memory import cache_of, context_limit
from core.models.reference import SAMPLE
from core.models.weight_set import select_weight_set
from core.serving.engines import DEPLOYABLE

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

    `offers` are the account's prices and quotas; with the model's facts, a context (tokens) and a number of requests at
    once they make the `table`, anew whenever one of them changes. `variant` is which of the model's weights.
    `displaced` is a chosen type that gave way because it holds no longer what is asked for: it is taken again as soon
    as it does. `stale` are steps whose answers rest on something that changed since they were seen; `notes` say what a
    change dropped.
    """

    reference: str = SAMPLE
    facts: ModelFacts | None = None
    weights: WeightSet | None = None
    variant: str | None = None
    remote_code: bool = False
    convert: bool = False
    """Whether pickled weights are turned into safetensors while they are packaged."""
    form: ArtifactForm | None = None
    """What the artifact is in S3, `None` as the engine and the size have it."""
    offers: Offers | None = None
    context: int | None = None
    concurrency: int = 1
    table: FitTable | None = None
    instance_type: str | None = None
    displaced: str | None = None
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
            variant=None,
            remote_code=False,
            convert=False,
            form=None,
            table=None,
            plan=None,
            notes=(),
            stale=self.seen - {"model"},
        )

    def with_model(self, facts: ModelFacts, weights: WeightSet) -> "Draft":
        """Return the draft with what was found out about the model; a context that it does not hold is dropped."""
        limit, notes, context = context_limit(facts), self.notes, self.context
        if context is not None and limit is not None and context > limit:
            notes = (*notes, f"This model attends to {limit:,} tokens at most, so the context is its own again.")
            context = None
        return replace(self, facts=facts, weights=weights, context=context, table=None, plan=None, notes=notes).fitted()

    def with_variant(self, variant: str | None) -> "Draft":
        """Return the draft with other weights of the same model.

        Raises:
            SagewizardError: the model has no such variant, or not all of it.
        """
        if self.facts is None or self.weights is None or variant == self.weights.variant:
            return self
        weights = select_weight_set(self.facts, variant=variant, remote_code=self.remote_code)
        return replace(self, weights=weights, variant=variant, convert=False, table=None, plan=None).fitted()

    def with_remote_code(self, trusted: bool) -> "Draft":
        """Return the draft with the model's own code to be run, or not.

        Raises:
            SagewizardError: the model brings none, or not all of it.
        """
        if self.facts is None or trusted == self.remote_code:
            return self
        weights = select_weight_set(self.facts, variant=self.variant, remote_code=trusted)
        return replace(self, weights=weights, remote_code=trusted, table=None, plan=None).fitted()

    def with_conversion(self, convert: bool) -> "Draft":
        """Return the draft with pickled weights to be turned into safetensors, or not; their size stays the same."""
        return self if convert == self.convert else replace(self, convert=convert, plan=None)

    def with_form(self, form: ArtifactForm | None) -> "Draft":
        """Return the draft with the artifact's form; what an instance must hold is reckoned as for the form by size."""
        return self if form == self.form else replace(self, form=form, plan=None)

    def with_offers(self, offers: Offers) -> "Draft":
        """Return the draft with the account's prices and quotas."""
        return replace(self, offers=offers, plan=None).fitted()

    def with_demand(self, context: int | None, concurrency: int) -> "Draft":
        """Return the draft for conversations of `context` tokens (`None`: the default) and so many requests at once.

        Raises:
            UsageError: the model does not attend to so many, or a number is below 1.
        """
        if (context, concurrency) == (self.context, self.concurrency):
            return self
        return replace(self, context=context, concurrency=concurrency, plan=None, notes=()).fitted()

    def fitted(self) -> "Draft":
        """Return the draft with its table, where everything is known that it takes."""
        if self.facts is None or self.weights is None or self.offers is None:
            return self
        return self.with_table(
            survey(
                self.facts,
                self.weights,
                self.offers,
                context=self.context,
                concurrency=self.concurrency,
                engines=DEPLOYABLE,
            )
        )

    def with_table(self, table: FitTable) -> "Draft":
        """Return the draft with the fits; a chosen type that no longer fits gives way to the recommended one."""
        fitted = replace(self, table=table, plan=None)
        wanted = self.instance_type or self.displaced
        if wanted is None:
            return fitted
        notes = tuple(note for note in self.notes if not note.startswith(_gave_way(wanted)))
        row = next((row for row in table.rows if row.fit.instance.name == wanted), None)
        if row is not None and row.fit.fits:
            return replace(fitted, instance_type=wanted, displaced=None, notes=notes)
        instead = f"{table.recommended} is proposed instead" if table.recommended else "no other type holds it"
        return replace(
            fitted,
            instance_type=None,
            displaced=wanted,
            notes=(*notes, f"{_gave_way(wanted)}: {instead}."),
            stale=self.stale | {"instance"},
        )

    def with_instance(self, name: str) -> "Draft":
        """Return the draft with an instance type chosen; the recommended one is the default, so no choice at all."""
        chosen = None if self.table and name == self.table.recommended else name
        if chosen == self.instance_type and self.displaced is None:
            return self
        return replace(self, instance_type=chosen, displaced=None, plan=None, notes=())

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

    @property
    def demand_counts(self) -> bool:
        """Whether a context and requests at once change what the model needs: not where it keeps nothing of them."""
        if self.facts is None:
            return True
        cache = cache_of(self.facts)
        return cache is None or bool(cache.parts)

    @property
    def what_is_missing(self) -> str:
        """What has to be known or decided before later steps can be shown, in a sentence."""
        if self.facts is None:
            return "First name a model and press Enter."
        if self.table is None:
            return "Which instances hold the model is still being worked out."
        return "First choose an instance that holds the model."

    def reachable(self, step: StepName) -> bool:
        """Whether what the step needs has been answered."""
        if step == "model":
            return True
        if self.facts is None:
            return False
        return step in ("size", "instance") or self.row_is_usable


def _gave_way(name: str) -> str:
    """Return how the note of a type that gave way begins."""
    return f"{name} does not hold this model"


def usable(row: FitRow, count: int) -> bool:
    """Whether the type holds the model and the account's quota has `count` instances left, as far as it is known."""
    return row.fit.fits and (row.quota is None or row.quota.left >= count)
