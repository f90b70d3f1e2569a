"""The instance step: which types are listed, in which order, what is said of each, and what can be taken."""

from dataclasses import replace

import pytest
from textual.widgets import DataTable, Input

from core.instances.catalog import catalog
from core.instances.fit import FitRow
from core.instances.offers import Offers
from core.instances.prices import Price
from tests.tui.driving import Stage, settled, shown, type_text, until, until_screen, until_shown, words
from tests.tui.samples import a_fitted_draft, a_row, language_facts, some_offers
from tui.draft import Draft
from tui.screens.arithmetic import ArithmeticScreen
from tui.screens.wizard import WizardScreen
from tui.widgets.steps.instance_rows import COLUMNS, ORDERS, cells_of, columns_in, fit_words, listed, used_words
from tui.widgets.steps.instance_table import InstanceTable
from tui.widgets.steps.instance_words import cost_words

LINK = "https://us-east-1.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas/L-12345678"


async def _open(app: Stage, draft: Draft) -> WizardScreen:
    app.workspace.draft = draft
    screen = WizardScreen(app.workspace, at="instance")
    await app.push_screen(screen)
    return screen


def _rows(draft: Draft) -> tuple[FitRow, ...]:
    assert draft.table is not None
    return draft.table.rows


def _names(rows: tuple[FitRow, ...]) -> list[str]:
    return [row.fit.instance.name for row in rows]


def _listed_names(screen: WizardScreen) -> list[str]:
    table = screen.query_one(InstanceTable)
    return [str(table.get_row_at(number)[0]) for number in range(table.row_count)]


# -- columns ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "missing"),
    [
        (118, set()),
        (78, {"memory", "used"}),
        (58, {"memory", "used", "month", "gpu"}),
        (30, {"memory", "used", "month", "gpu", "quota", "context"}),
    ],
)
def test_what_has_no_room_is_left_out_the_least_wanted_first(width: int, missing: set[str]) -> None:
    columns = columns_in(width)
    assert {column.name for column in COLUMNS} - {column.name for column in columns} == missing
    taken = sum(column.cells + 2 for column in columns)
    assert taken == width - 1 or width < 40


def test_several_gpus_are_told_by_how_they_share_the_model() -> None:
    fit = a_row("ml.g5.12xlarge", 7.09).fit
    assert used_words(fit) == "1"
    assert used_words(replace(fit, tensor_parallel=4)) == "tp 4"
    assert used_words(replace(fit, pipeline_parallel=4)) == "4 in a row"
    assert used_words(a_row("ml.m5.large", 0.1).fit) == "–"


def test_a_type_that_does_not_fit_is_greyed_with_its_reason() -> None:
    row = a_row("ml.g5.12xlarge", 7.09, "gpu")
    row = replace(row, fit=replace(row.fit, reason="14 attention heads do not divide by 4"))
    assert fit_words(row, None, 1, room=60) == ("✗ GPU memory: 14 attention heads do not divide by 4", "quiet")
    assert fit_words(row, None, 1, room=13) == ("✗ GPU memory", "quiet")
    assert {colour for _, colour in cells_of(row, COLUMNS, None, 1)} == {"quiet"}
    assert {colour for _, colour in cells_of(a_row("ml.g5.12xlarge", 7.09), COLUMNS, None, 1)} == {
        "foreground",
        "success",
    }


# -- filter and order -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "holds"),
    [
        ("g5", lambda row: ".g5." in row.fit.instance.name),
        ("A10G", lambda row: row.fit.instance.gpu is not None and row.fit.instance.gpu.name == "A10G"),
        ("gpu", lambda row: row.fit.instance.gpu is not None),
        ("cpu fits", lambda row: row.fit.instance.accelerator == "cpu" and row.fit.fits),
        ("neu", lambda row: row.fit.instance.accelerator == "neuron"),
        ("  ", lambda row: True),
        ("nothing-like-it", lambda row: False),
    ],
)
def test_each_word_of_a_filter_narrows_the_list(words: str, holds: object) -> None:
    assert callable(holds)
    rows = _rows(a_fitted_draft())
    assert listed(rows, words, ORDERS[0]) == tuple(row for row in rows if holds(row))


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.name)
def test_what_fits_comes_first_in_every_order_and_nothing_is_lost(order: object) -> None:
    assert order in ORDERS
    rows = _rows(a_fitted_draft())
    ordered = listed(rows, "", next(each for each in ORDERS if each is order))
    assert sorted(_names(ordered)) == sorted(_names(rows))
    fits = [row.fit.fits for row in ordered]
    assert fits == sorted(fits, reverse=True)


def test_orders_are_by_what_they_are_called() -> None:
    rows = tuple(row for row in _rows(a_fitted_draft()) if row.fit.fits)
    by = {order.name: listed(rows, "", order) for order in ORDERS}
    assert by["price"] == rows
    assert _names(by["name"]) == sorted(_names(rows))
    memory = [row.fit.instance.memory_bytes for row in by["memory"]]
    assert memory == sorted(memory)
    contexts = [row.fit.max_context or 0 for row in by["context"]]
    assert contexts == sorted(contexts, reverse=True)
    gpus = [row.fit.instance.gpu.count if row.fit.instance.gpu else 99 for row in by["GPUs"]]
    assert gpus == sorted(gpus)


async def test_the_filter_narrows_as_it_is_typed_and_escape_clears_it() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_fitted_draft())
        await until(pilot, lambda: len(_listed_names(screen)) == len(catalog()), "all types")
        await pilot.press("slash")
        await until(pilot, lambda: screen.focused is screen.query_one("#filter"), "the field")
        await type_text(pilot, "g5 fits")
        await until(
            pilot, lambda: _listed_names(screen) and all(".g5." in name for name in _listed_names(screen)), "g5"
        )
        await until_shown(pilot, f"{len(_listed_names(screen))} of {len(catalog())}")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(screen.focused, DataTable), "the list")
        assert len(_listed_names(screen)) < 20
        await pilot.press("slash", "end", "x")
        await until_shown(pilot, "No type matches the filter")
        assert _listed_names(screen) == []
        await pilot.press("enter", "enter")
        assert screen.current == "instance"
        await pilot.press("slash", "escape")
        await until(pilot, lambda: len(_listed_names(screen)) == len(catalog()), "all types")
        await until(pilot, lambda: isinstance(screen.focused, DataTable), "the list")
        assert screen.current == "instance"
        assert screen.query_one("#filter", Input).value == ""


async def test_the_order_changes_by_key_and_the_cursor_stays_on_its_type() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_fitted_draft())
        await until_shown(pilot, "by price")
        table = screen.query_one(InstanceTable)
        await until(pilot, lambda: table.name_at_cursor == "ml.g6.2xlarge", "the recommended type")
        for order in ORDERS[1:]:
            await pilot.press("s")
            await until_shown(pilot, f"by {order.name}")
            expected = _names(listed(_rows(screen.draft), "", order))
            assert _listed_names(screen) == expected
            assert table.name_at_cursor == "ml.g6.2xlarge"
        await pilot.press("s")
        await until_shown(pilot, "by price")


async def test_rows_that_stay_are_changed_where_they_stand() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_fitted_draft())
        await until_shown(pilot, "★ recommended")
        table = screen.query_one(InstanceTable)
        before = list(table.rows.values())
        await pilot.press("down", "up", "plus", "plus")
        await until(pilot, lambda: screen.draft.instance_count == 3, "three instances")
        await until_shown(pilot, "✗ Quota: 2 of 2 left, 3 needed.")
        assert "✓ fits" not in await settled(pilot)
        assert all(old is new for old, new in zip(before, table.rows.values(), strict=True))


# -- what is said of a type -------------------------------------------------------------------------------------------


async def test_where_the_price_is_from_and_what_is_left_is_told_of_the_row() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await _open(app, a_fitted_draft())
        await until_shown(pilot, "ml.g6.2xlarge: 1 × L4 with 22.4 GiB, 8 vCPU, 32 GiB of memory")
        await until_shown(pilot, "✓ The cheapest with head room: 15.4 GiB of 20.1 GiB each GPU.")
        await until_shown(pilot, "$1.222/h · $892/month (list price, may be out of date) · quota 2 of 2 left")


def test_a_volume_and_what_is_not_known_are_told() -> None:
    row = a_row("ml.m5.large", None)
    assert cost_words(row) == ("price not known", "quota not known")
    row = replace(row, price=Price(0.115, "api"), fit=replace(row.fit, volume_gb=41))
    assert cost_words(row) == ("$0.115/h · $84/month", "quota not known", "with a volume of 41 GB")


async def test_how_the_gpus_share_the_model_is_told_in_the_list_and_of_the_row() -> None:
    app = Stage()
    async with app.run_test(size=(120, 40)) as pilot:
        await _open(app, a_fitted_draft().with_demand(32_768, 16))
        await until_shown(pilot, "ml.g6.12xlarge: 4 × L4")
        await until_shown(pilot, "each GPU; layers over 4 GPUs.")
        text = await settled(pilot)
        assert any("ml.g6.12xlarge" in line and "4 in a row" in line for line in text.splitlines())


async def test_the_formulas_are_those_of_the_type_under_the_cursor() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_fitted_draft())
        await until_shown(pilot, "★ recommended")
        await pilot.press("down", "f")
        await until_screen(pilot, ArithmeticScreen)
        await until_shown(pilot, "ml.g5.2xlarge ─")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is screen, "the list")


# -- what can be taken ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (120, 40)], ids=str)
async def test_a_type_without_quota_can_be_looked_at_but_not_taken(size: tuple[int, int]) -> None:
    app = Stage()
    app.workspace.context = replace(app.workspace.context, sandbox=False)
    async with app.run_test(size=size, notifications=True) as pilot:
        screen = await _open(app, a_fitted_draft(offers=some_offers(ml_g6_2xlarge=0)))
        await until_shown(pilot, "★ recommended")
        await pilot.press("slash")
        await type_text(pilot, "g6.2")
        await pilot.press("enter")
        await until_shown(pilot, "✗ Quota: 0 of 0 left, 1 needed.")
        await until(pilot, lambda: LINK in shown(app).replace("\n", "").replace(" ", ""), "the link")
        await pilot.press("y")
        await until(pilot, lambda: app.clipboard == LINK, "the link")
        await pilot.press("enter")
        await until(pilot, lambda: "The account may run 0 of ml.g6.2xlarge" in words(app), "the refusal")
        await until(
            pilot, lambda: "sagewizard plan --without-quota" in words(app).replace("` ", "`"), "what else can be done"
        )
        assert screen.current == "instance"
        assert screen.draft.instance_type is None


async def test_in_the_sandbox_the_quota_is_raised_by_a_command() -> None:
    app = Stage()
    async with app.run_test(size=(120, 24)) as pilot:
        await _open(app, a_fitted_draft(offers=some_offers(ml_g6_2xlarge=0)))
        await pilot.press("slash")
        await type_text(pilot, "g6.2")
        await pilot.press("enter", "enter")
        await until_shown(pilot, "sagewizard --sandbox sandbox quota ml.g6.2xlarge 1")


async def test_there_is_no_link_where_nothing_is_lacking() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await _open(app, a_fitted_draft())
        await until_shown(pilot, "★ recommended")
        await pilot.press("y")
        await until(pilot, lambda: len(app._notifications) == 1, "the sentence")
        assert [notice.message for notice in app._notifications] == ["Nothing more needs to be asked for here."]
        assert app.clipboard == ""


async def test_a_chosen_type_is_under_the_cursor_again() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_fitted_draft())
        await pilot.press("slash")
        await type_text(pilot, "g5.4")
        await pilot.press("enter", "enter")
        await until(pilot, lambda: screen.current == "role", "the role")
        assert screen.draft.instance_type == "ml.g5.4xlarge"
        await pilot.press("escape")
        await until(pilot, lambda: screen.current == "instance", "the instance")
        await until_shown(pilot, "ml.g5.4xlarge: 1 × A10G")


async def test_a_filter_that_would_hide_the_type_that_holds_is_emptied_on_coming_back() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_fitted_draft())
        await pilot.press("slash")
        await type_text(pilot, "m5")
        await until_shown(pilot, "m5  ")
        await until(pilot, lambda: all(".m5" in name for name in _listed_names(screen)), "the narrowed list")
        screen.go("size")
        await settled(pilot)
        screen.go("instance")
        await until_shown(pilot, "ml.g6.2xlarge: 1 × L4")
        assert screen.query_one("#filter", Input).value == ""
        assert len(_listed_names(screen)) == len(catalog())


async def test_what_would_have_to_change_is_told_in_full() -> None:
    app = Stage()
    offers = Offers(quotas={name: replace(quota, limit=0) for name, quota in (some_offers().quotas or {}).items()})
    draft = a_fitted_draft(offers=offers)
    assert draft.table is not None
    assert draft.table.smallest_change
    async with app.run_test(size=(80, 24)) as pilot:
        await _open(app, draft)
        await until_shown(pilot, "No instance type can be recommended.")
        assert "but the account has no quota left" in words(app)
        assert LINK.removesuffix("L-12345678") in shown(app).replace("\n", "").replace(" ", "").replace("█", "")


async def test_the_review_tells_of_gpus_context_and_requests() -> None:
    from tests.unit.plans import a_plan
    from tui.widgets.steps.review_step import review_rows

    plan = a_plan()
    endpoint = replace(plan.endpoint, instance_type="ml.g6.12xlarge", volume_gb=41)
    plan = replace(plan, endpoint=endpoint, reasons={"endpoint.volume_gb": "it needs 38 GB of disk"})
    rows = {row.label: row for row in review_rows(plan, a_fitted_draft(language_facts()).with_demand(32_768, 16))}
    assert (rows["GPUs"].value, rows["GPUs"].step) == ("layers over 4 GPUs", "instance")
    assert (rows["Volume"].value, rows["Volume"].why) == ("41 GB", "it needs 38 GB of disk")
    assert (rows["Context"].value, rows["Context"].step) == ("32,768 tokens, 16 requests at once", "size")
    plain = {row.label for row in review_rows(a_plan(), a_fitted_draft())}
    assert plain & {"GPUs", "Volume", "Variant", "Its code"} == set()
