from dataclasses import replace

import pytest

from core.errors import UsageError
from core.instances.fit import FitTable
from core.instances.quotas import Quota
from core.models.reference import SAMPLE
from core.models.weight_set import select_weight_set
from tests.tui.samples import (
    a_draft,
    a_fitted_draft,
    a_row,
    a_table,
    gguf_facts,
    language_facts,
    picture_facts,
    some_facts,
    some_offers,
    some_weights,
)
from tests.unit.plans import a_plan
from tui.draft import STEPS, Draft, GivenRole, NewRole, usable


def test_an_empty_draft_names_the_sample_and_reaches_the_first_step_only() -> None:
    draft = Draft()
    assert draft.reference == SAMPLE
    assert [step for step in STEPS if draft.reachable(step)] == ["model"]
    assert draft.role_choice == NewRole()
    assert draft.usd_per_hour is None


def test_another_model_drops_what_rested_on_the_old_one_and_keeps_the_rest() -> None:
    draft = a_draft().with_name("mine").with_role(GivenRole("arn:x")).with_count(2)
    changed = draft.with_reference("org/other")
    assert (changed.facts, changed.weights, changed.table, changed.plan) == (None, None, None, None)
    assert (changed.name, changed.role, changed.instance_count) == ("mine", GivenRole("arn:x"), 2)
    assert changed.stale == {"size", "instance", "role"}
    assert draft.with_reference(draft.reference) is draft


def test_a_chosen_type_is_kept_where_it_still_fits() -> None:
    draft = a_draft().with_instance("ml.g6e.2xlarge").with_model(some_facts("org/other"), some_weights())
    kept = draft.with_table(a_table())
    assert kept.instance_type == "ml.g6e.2xlarge"
    assert kept.notes == ()


def test_a_chosen_type_that_does_not_fit_gives_way_and_says_so() -> None:
    draft = replace(a_draft(), instance_type="ml.g4dn.xlarge")
    changed = draft.with_table(a_table())
    assert changed.instance_type is None
    assert changed.row is not None
    assert changed.row.fit.instance.name == "ml.g5.2xlarge"
    assert "ml.g4dn.xlarge does not hold this model: ml.g5.2xlarge is proposed instead." in changed.notes
    assert "instance" in changed.stale
    assert "instance" not in changed.visited("instance").stale


def test_choosing_what_is_recommended_is_the_default() -> None:
    assert a_draft().with_instance("ml.g5.2xlarge").instance_type is None
    assert a_draft().with_instance("ml.g6e.2xlarge").instance_type == "ml.g6e.2xlarge"


@pytest.mark.parametrize(
    "change",
    [
        lambda draft: draft.with_instance("ml.g6e.2xlarge"),
        lambda draft: draft.with_count(2),
        lambda draft: draft.with_role(GivenRole("arn:x")),
        lambda draft: draft.with_name("mine"),
        lambda draft: draft.with_table(a_table()),
    ],
)
def test_every_change_makes_the_plan_anew(change: object) -> None:
    assert callable(change)
    assert a_draft(a_plan()).plan is not None
    assert change(a_draft(a_plan())).plan is None


def test_the_price_is_that_of_all_instances() -> None:
    assert a_draft().with_count(2).usd_per_hour == pytest.approx(3.03)
    assert a_draft().with_instance("ml.g6e.2xlarge").usd_per_hour is None


def test_nothing_that_fits_leads_nowhere() -> None:
    row = a_row("ml.g4dn.xlarge", 0.736, "gpu")
    draft = a_draft().with_table(FitTable(2048, 1, (row,), None, "Use a smaller model."))
    assert [step for step in STEPS if draft.reachable(step)] == ["model", "size", "instance"]


@pytest.mark.parametrize(
    ("quota", "count", "expected"), [(None, 9, True), (Quota(2, 1), 1, True), (Quota(2, 1), 2, False)]
)
def test_a_type_is_usable_within_the_quota(quota: Quota | None, count: int, expected: bool) -> None:
    assert usable(a_row("ml.g5.2xlarge", 1.5, quota=quota), count) is expected
    assert not usable(a_row("ml.g5.2xlarge", 1.5, "gpu", quota), count)


# -- what the model must hold -----------------------------------------------------------------------------------------


def test_facts_and_offers_make_the_table_in_whichever_order_they_come() -> None:
    facts = language_facts()
    weights = select_weight_set(facts)
    first = Draft().with_model(facts, weights)
    assert first.table is None
    assert first.with_offers(some_offers()).table == Draft().with_offers(some_offers()).with_model(facts, weights).table


def test_another_demand_makes_the_table_anew_and_is_kept() -> None:
    draft = a_fitted_draft()
    turned = draft.with_demand(32_768, 16)
    assert draft.table is not None
    assert turned.table is not None
    assert (draft.table.context, draft.table.concurrency) == (4096, 1)
    assert (turned.table.context, turned.table.concurrency) == (32_768, 16)
    assert turned.table.recommended != draft.table.recommended
    assert turned.visited("size").visited("instance").context == 32_768
    assert turned.with_demand(None, 1).table == draft.table


@pytest.mark.parametrize("demand", [(32_769, 1), (0, 1), (4096, 0)])
def test_a_demand_that_cannot_be_is_refused(demand: tuple[int, int]) -> None:
    with pytest.raises(UsageError):
        a_fitted_draft().with_demand(*demand)


def test_a_context_that_another_model_does_not_hold_is_dropped_and_said_so() -> None:
    draft = a_fitted_draft().with_demand(32_768, 2).with_reference("org/short")
    short = language_facts(config={**language_facts().config, "max_position_embeddings": 2048})
    changed = draft.with_model(short, select_weight_set(short))
    assert (changed.context, changed.concurrency) == (None, 2)
    assert "attends to 2,048 tokens at most" in " ".join(changed.notes)


def test_a_choice_that_gave_way_to_a_demand_is_taken_again_with_the_old_one() -> None:
    draft = a_fitted_draft().with_instance("ml.g5.2xlarge")
    tight = draft.with_demand(32_768, 16)
    assert tight.instance_type is None
    assert "ml.g5.2xlarge does not hold this model" in " ".join(tight.notes)
    again = tight.with_demand(32_768, 17).with_demand(None, 1)
    assert again.instance_type == "ml.g5.2xlarge"
    assert again.notes == ()
    chosen = tight.with_instance("ml.g6e.48xlarge")
    assert chosen.notes == ()
    assert chosen.with_demand(None, 1).instance_type == "ml.g6e.48xlarge"


def test_other_weights_make_the_table_anew() -> None:
    draft = a_fitted_draft(gguf_facts("Q4_K_M", "Q8_0"))
    assert draft.weights is not None
    other = draft.with_variant("Q8_0")
    assert other.weights is not None
    assert (draft.weights.variant, other.weights.variant, other.variant) == ("Q4_K_M", "Q8_0", "Q8_0")
    assert other.table != draft.table
    assert draft.with_variant("Q4_K_M") is draft


def test_context_and_requests_count_for_what_keeps_a_cache_only() -> None:
    assert a_fitted_draft().demand_counts
    assert not a_fitted_draft(picture_facts()).demand_counts
