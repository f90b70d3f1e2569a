"""The volume that the fit asks for, from the table to the endpoint's config."""

from dataclasses import replace

from core.aws import hosting
from core.cancellation import CancelToken
from core.deployments.plan import Plan
from core.deployments.planner import Choices, make_plan, summarise
from core.instances.fit import FitTable
from core.instances.offers import fetch_offers
from core.instances.survey import survey
from core.models.inspection import inspect_model
from core.models.reference import FolderReference
from core.models.weight_set import select_weight_set
from core.serving.engines import DEPLOYABLE
from tests.e2e.small_model import ECHO, write_model, write_template
from tests.e2e.stand import Stand


def planned(stand: Stand, name: str, *, volume_gb: int | None) -> Plan:
    facts = inspect_model(FolderReference(write_model(stand.folder / "model")), stand.hub, CancelToken())
    weights = select_weight_set(facts)
    offers = fetch_offers(stand.account.clients, cancel=CancelToken())
    table = survey(facts, weights, offers, names=("ml.m5.large",), engines=DEPLOYABLE)
    choices = Choices(
        name=name, instance_type="ml.m5.large", template=str(write_template(stand.folder / "template", ECHO))
    )
    return make_plan(facts, weights, _asking_for(table, volume_gb), choices, stand.account)


def _asking_for(table: FitTable, volume_gb: int | None) -> FitTable:
    rows = tuple(replace(row, fit=replace(row.fit, volume_gb=volume_gb)) for row in table.rows)
    return replace(table, rows=rows)


def test_a_volume_that_the_model_needs_is_planned_with_a_reason_and_asked_for(stand: Stand) -> None:
    plan = planned(stand, "with-volume", volume_gb=40)
    assert plan.endpoint.volume_gb == 40
    assert "of disk" in plan.reasons["endpoint.volume_gb"]
    assert "with a volume of 40 GB" in summarise(plan)
    identifier = stand.deploy(plan)
    (variant,) = hosting.describe_endpoint_config(stand.account.clients, "with-volume").variants
    assert variant.volume_gb == 40
    stand.remove(identifier)


def test_a_model_that_needs_none_has_none(stand: Stand) -> None:
    plan = planned(stand, "without-volume", volume_gb=None)
    assert plan.endpoint.volume_gb is None
    assert "endpoint.volume_gb" not in plan.reasons
