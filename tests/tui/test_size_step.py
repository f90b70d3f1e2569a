"""The size step: what is packaged, what can be turned and what that answers, and the arithmetic behind it."""

from dataclasses import replace
from typing import Any

import pytest
from textual.widgets import Checkbox, DataTable, Input, Select

from core.artifacts.manifest import ArtifactForm
from core.deployments import planner
from core.deployments.planner import Choices
from core.instances.breakdown import break_down
from core.models.facts import ModelFacts, ModelFile
from core.models.remote_code import RemoteCode
from core.quantities import format_bytes, format_memory
from tests.tui.driving import Stage, settled, shown, type_text, until, until_screen, until_shown, words
from tests.tui.samples import a_fitted_draft, gguf_facts, language_facts, picture_facts, some_offers
from tui import calls
from tui.draft import Draft
from tui.draft_command import command_line
from tui.screens.arithmetic import ArithmeticScreen
from tui.screens.wizard import WizardScreen
from tui.widgets.bars import BAR_CELLS, BarList, shared_out
from tui.widgets.steps.size_words import budget_bars
from tui.widgets.steps.step import FormulasAsked

SIZES = [(60, 15), (80, 24), (120, 40)]
sized = pytest.mark.parametrize("size", SIZES, ids=str)


async def _open(app: Stage, draft: Draft) -> WizardScreen:
    app.workspace.draft = draft
    screen = WizardScreen(app.workspace, at="size")
    await app.push_screen(screen)
    return screen


def _words_of(screen: WizardScreen, list_id: str) -> list[str]:
    return [bar.words for bar in screen.query_one(list_id, BarList).bars]


# -- bars -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amounts", "cells"),
    [((1, 1), (10, 10)), ((3, 1), (15, 5)), ((10**9, 1), (19, 1)), ((5, 0), (20, 0)), ((0, 0), (0, 0))],
)
def test_a_bar_is_shared_out_in_proportion_and_nothing_is_lost(
    amounts: tuple[int, int], cells: tuple[int, int]
) -> None:
    assert shared_out(amounts, BAR_CELLS) == cells


@sized
async def test_the_step_opens_with_what_is_packaged_and_what_is_left_out(size: tuple[int, int]) -> None:
    app = Stage()
    async with app.run_test(size=size) as pilot:
        await _open(app, a_fitted_draft())
        await until_shown(pilot, "15.2 GB of 30.4 GB")
        await until_shown(pilot, "(left out 15.2 GB)")
        await until_shown(pilot, "15.2 GB in 4 shards, safetensors")
        await until_shown(pilot, "★ ml.g6.2xlarge recommended")
        text = await settled(pilot)
        bar = next(line for line in text.splitlines() if "Packaged" in line)
        assert (bar.count("━"), bar.count("╌")) == (10, 10)
        for label in ("each GPU", "memory", "disk"):
            assert f"  {label}" in text


async def test_the_files_come_into_view_when_the_cursor_moves_among_them() -> None:
    app = Stage()
    async with app.run_test(size=(60, 15)) as pilot:
        screen = await _open(app, a_fitted_draft())
        await until(pilot, lambda: isinstance(screen.focused, DataTable), "the focus")
        assert "model-00001" not in await settled(pilot)
        await pilot.press("down")
        await until_shown(pilot, "model-00002")


# -- context and requests ---------------------------------------------------------------------------------------------


async def test_a_context_is_answered_as_it_is_typed() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_fitted_draft())
        await until_shown(pilot, "4,096 by default")
        await until_shown(pilot, "at most 32,768")
        before = _words_of(screen, "#size-memory")
        screen.query_one("#context", Input).focus()
        await type_text(pilot, "32768")
        await until(pilot, lambda: screen.draft.context == 32_768, "the context")
        await until(pilot, lambda: _words_of(screen, "#size-memory") != before, "other bars")
        assert "ml.g6.2xlarge" in _words_of(screen, "#size-memory")[0]
        await pilot.press("tab")
        await type_text(pilot, "16")
        await until(pilot, lambda: screen.draft.concurrency == 16, "the requests")
        await until_shown(pilot, "★ ml.g6.12xlarge recommended")
        await until_shown(pilot, "layers over 4 GPUs")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(screen.focused, DataTable), "the files")
        assert command_line(screen.draft, app.workspace).endswith("--context 32768 --concurrency 16 --yes")
        await pilot.press("enter")
        await until(pilot, lambda: screen.current == "instance", "the instance")
        await until_shown(pilot, "★ recommended")
        await pilot.press("escape")
        await until(pilot, lambda: screen.current == "size", "the size")
        values = [screen.query_one(name, Input).value for name in ("#context", "#concurrency")]
        assert values == ["32768", "16"]


async def test_an_emptied_field_is_the_default_again() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_fitted_draft().with_demand(8192, 3))
        await until(pilot, lambda: screen.query_one("#context", Input).value == "8192", "the context")
        for name in ("#context", "#concurrency"):
            screen.query_one(name, Input).focus()
            await pilot.press("end", "ctrl+u")
        await until(pilot, lambda: (screen.draft.context, screen.draft.concurrency) == (None, 1), "the defaults")
        await pilot.press("enter")
        await until(pilot, lambda: screen.query_one("#concurrency", Input).value == "1", "the number")


async def test_a_context_that_is_too_long_is_refused_at_its_field_and_stays_there() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_fitted_draft().with_demand(2048, 1))
        field = screen.query_one("#context", Input)
        field.focus()
        await pilot.press("end", "ctrl+u")
        await type_text(pilot, "99999")
        await until_shown(pilot, "attends to 32,768 tokens at most; a context of 99,999")
        assert field.value == "99999"
        assert field.has_class("-invalid")
        assert screen.draft.context == 2048  # and not 9,999, which lay half way
        await pilot.press("enter")
        await settled(pilot)
        assert screen.focused is field
        screen.query_one("#size-files").focus()
        await pilot.press("enter")
        await until(pilot, lambda: screen.focused is field, "the field")
        assert screen.current == "size"
        await pilot.press("backspace")
        await until(pilot, lambda: screen.draft.context in (9999, None), "a context that can be")
        await until(pilot, lambda: "attends to" not in shown(app), "a clean field")
        assert not field.has_class("-invalid")


async def test_a_refused_context_is_forgotten_with_the_step() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_fitted_draft())
        screen.query_one("#context", Input).focus()
        await type_text(pilot, "99999")
        await until_shown(pilot, "attends to 32,768 tokens at most")
        screen.go("model")
        screen.go("size")
        await until(pilot, lambda: screen.query_one("#context", Input).value == "", "the field as it holds")
        assert "attends to" not in await settled(pilot)


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        (picture_facts(), "It makes pictures of a prompt"),
        (language_facts(task="text-classification"), "It reads an input (at most 32,768 tokens) and keeps nothing"),
    ],
)
async def test_what_keeps_no_cache_has_no_context_to_turn(facts: ModelFacts, sentence: str) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_fitted_draft(facts))
        await until(pilot, lambda: sentence in words(app), "the sentence")
        assert "at once" not in shown(app).replace("requests at once", "")
        turned = replace(screen.draft, context=8192, concurrency=2)
        assert "--con" not in command_line(turned, app.workspace)


# -- which weights ----------------------------------------------------------------------------------------------------


async def test_another_quantization_changes_what_is_packaged() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_fitted_draft(gguf_facts("Q4_K_M", "Q8_0")))
        await until_shown(pilot, "4 GB in 1 file, gguf, Q4_K_M")
        select = screen.query_one("#variant", Select)
        select.focus()
        await pilot.press("enter", "down", "enter")
        await until(pilot, lambda: screen.draft.variant == "Q8_0", "the variant")
        await until_shown(pilot, "8 GB of 12 GB (left out 4 GB)")
        await until_shown(pilot, "8 GB in 1 file, gguf, Q8_0")
        assert "--variant Q8_0" in command_line(screen.draft, app.workspace)


async def test_names_of_variants_are_shown_as_they_are() -> None:
    app = Stage()
    draft = a_fitted_draft()
    assert draft.weights is not None
    weights = replace(draft.weights, variant="[/foo]", variants=("[/foo]", "[b"))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, replace(draft, weights=weights))
        await until(pilot, lambda: shown(app).count("[/foo]") == 2, "the variant")
        screen.query_one("#variant", Select).focus()
        await pilot.press("enter")
        await until_shown(pilot, "[b")


def _with_code(**others: Any) -> ModelFacts:
    facts = language_facts()
    own = ModelFile("modeling_own.py", 9000)
    return replace(facts, files=(*facts.files, own), remote_code=RemoteCode(("modeling_own.py",), **others))


async def test_the_models_own_code_runs_only_when_it_is_switched_on() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_fitted_draft(_with_code()))
        await until_shown(pilot, "Run the model's own code")
        await until_shown(pilot, "modeling_own.py would be packaged and run in the container")
        assert not screen.draft.remote_code
        assert "✓▌" not in shown(app)
        screen.query_one("#remote-code", Checkbox).focus()
        await pilot.press("space")
        await until(pilot, lambda: screen.draft.remote_code, "the code")
        await until_shown(pilot, "✓▌ Run the model's own code")
        await until_shown(pilot, "its own code)")
        assert screen.draft.weights is not None
        assert "modeling_own.py" in [file.path for file in screen.draft.weights.support]
        await pilot.press("space")
        await until(pilot, lambda: not screen.draft.remote_code, "no code")


@pytest.mark.parametrize("lack", ["elsewhere", "missing"])
async def test_code_that_is_not_all_there_cannot_be_switched_on(lack: str) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await _open(app, a_fitted_draft(_with_code(**{lack: ("org/other",)})))
        await until_shown(pilot, "15.2 GB in 4 shards")
        assert "own code" not in await settled(pilot)


async def test_pickled_weights_can_be_converted_and_safetensors_need_not() -> None:
    facts = language_facts()
    kept = [file for file in facts.files if "safetensors" not in file.path and not file.path.endswith(".bin")]
    pickled = replace(facts, files=(*kept, ModelFile("pytorch_model.bin", 15 * 10**9)), indexes=())
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_fitted_draft(pickled))
        await until_shown(pilot, "Turn the pickled weights into safetensors")
        assert "--convert-weights" not in screen.command
        screen.query_one("#convert", Checkbox).focus()
        await pilot.press("space")
        await until(pilot, lambda: screen.draft.convert, "the conversion")
        assert "--convert-weights" in screen.command
        await until_shown(pilot, "✓▌ Turn the pickled")
        assert screen.draft.table is not None
        await pilot.press("space")
        await until(pilot, lambda: not screen.draft.convert, "no conversion")
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await _open(app, a_fitted_draft(facts))
        await until_shown(pilot, "15.2 GB in 4 shards")
        assert "Turn the pickled" not in await settled(pilot)


@sized
async def test_the_form_of_the_artifact_can_be_chosen_and_given_back(size: tuple[int, int]) -> None:
    app = Stage()
    async with app.run_test(size=size) as pilot:
        screen = await _open(app, a_fitted_draft())
        await until_shown(pilot, "What will be packaged, as Auto (as they are)")
        assert "--form" not in screen.command
        screen.query_one("#form", Select).focus()
        await pilot.press("enter", "down", "enter")
        await until(pilot, lambda: screen.draft.form == "archive", "the archive")
        await until_shown(pilot, "packaged, as Archive (model.tar.gz)")
        assert "--form archive --yes" in screen.command
        await pilot.press("enter", "down", "enter")
        await until(pilot, lambda: screen.draft.form == "prefix", "the files")
        await until_shown(pilot, "packaged, as Files as they are")
        await pilot.press("enter", "up", "up", "enter")
        await until(pilot, lambda: screen.draft.form is None, "no choice")
        assert "--form" not in screen.command


async def test_until_the_instance_is_known_nobody_says_which_form_it_is_by_itself() -> None:
    app = Stage()
    facts = language_facts()
    small = replace(facts, files=tuple(replace(file, bytes=file.bytes // 10) for file in facts.files))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, replace(a_fitted_draft(small), table=None, offers=None))
        await until_shown(pilot, "What will be packaged, as Auto ")
        screen._offered(some_offers())
        await until_shown(pilot, "What will be packaged, as Auto (model.tar.gz)")


def test_another_model_has_its_form_by_itself_and_a_form_changes_no_instance() -> None:
    draft = a_fitted_draft().with_form("archive")
    assert draft.table == a_fitted_draft().table
    assert draft.with_form("archive") is draft
    assert draft.with_reference("org/another").form is None


@pytest.mark.parametrize("form", [None, "archive", "prefix"])
def test_the_form_reaches_the_planner(form: ArtifactForm | None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Choices] = []
    monkeypatch.setattr(planner, "make_plan", lambda _facts, _weights, _table, choices, _account: asked.append(choices))
    calls.make_plan(None, a_fitted_draft().with_form(form))  # type: ignore[arg-type]
    assert [choices.form for choices in asked] == [form]


# -- the machine ------------------------------------------------------------------------------------------------------


async def test_what_would_have_to_change_is_told_where_nothing_holds_it() -> None:
    app = Stage()
    facts = language_facts()
    huge = replace(facts, files=tuple(ModelFile(file.path, file.bytes * 1000) for file in facts.files))
    draft = a_fitted_draft(huge)
    assert draft.table is not None
    assert draft.table.smallest_change
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, draft)
        await until_shown(pilot, f"✗ none. {draft.table.smallest_change}")
        await pilot.press("f")  # then it is the first of those that do not hold it
        await until_screen(pilot, ArithmeticScreen)
        await until_shown(pilot, "✗ lacks")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is screen, "the step")


async def test_the_formulas_open_from_the_files_and_from_the_fields() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await _open(app, a_fitted_draft())
        for widget in ("#size-files", "#context", "#concurrency"):
            screen.query_one(widget).focus()
            await pilot.press("f")
            await until_screen(pilot, ArithmeticScreen)
            await until_shown(pilot, "2 · 28 layers · 4 kv heads · 128")
            await pilot.press("f")
            await until(pilot, lambda: app.screen is screen, "the step")
        assert [screen.query_one(name, Input).value for name in ("#context", "#concurrency")] == ["", "1"]


async def test_without_a_table_there_are_no_formulas_yet() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        screen = await _open(app, replace(a_fitted_draft(), table=None, offers=None))
        await pilot.press("f")
        await until(pilot, lambda: "still being worked out" in words(app), "the sentence")
        assert app.screen is screen


@pytest.mark.parametrize("name", [None, "ml.r5.xlarge", "ml.g4dn.12xlarge", "ml.g4dn.xlarge"])
@pytest.mark.parametrize("demand", [(None, 1), (32_768, 2)])
async def test_the_terms_of_the_formulas_add_up_to_the_budgets(
    name: str | None, demand: tuple[int | None, int]
) -> None:
    app = Stage()
    draft = a_fitted_draft(offers=some_offers()).with_demand(*demand)
    assert draft.table is not None
    assert draft.facts is not None
    assert draft.weights is not None
    fit = next(row.fit for row in draft.table.rows if row.fit.instance.name == (name or draft.table.recommended))
    opened = break_down(draft.facts, draft.weights, fit, context=draft.table.context, concurrency=demand[1])
    budgets = [(opened.gpu, fit.gpu, format_memory), (opened.host, fit.host, format_memory)]
    async with app.run_test(size=(120, 60)) as pilot:
        screen = await _open(app, draft)
        screen.query_one("#size-files").post_message(FormulasAsked(name))
        await until_screen(pilot, ArithmeticScreen)
        text = await settled(pilot)
    for terms, budget, form in [*budgets, (opened.disk, fit.disk, format_bytes)]:
        if terms is None or budget is None:
            continue
        assert sum(figure.bytes for figure in terms.required) == budget.required_bytes
        assert terms.usable.bytes == budget.usable_bytes
        assert f"in all{form(budget.required_bytes):>14}" in text
        assert f"usable{form(budget.usable_bytes):>14}" in text
        for figure in terms.required:
            if figure.bytes:
                assert figure.what in text
                assert form(figure.bytes) in text
    assert "≈ estimated" in text
    assert (("Each of 4 GPUs" in text) if fit.gpus == 4 else ("The GPU" in text)) or fit.gpu is None
    assert len(budget_bars(fit)) == (3 if fit.gpu else 2)


def _within(app: Stage) -> str:
    """Return what is in the dialog, on one line."""
    return " ".join(" ".join(line.split("│")[1] for line in shown(app).splitlines() if "│" in line).split())


@sized
async def test_the_formulas_can_be_read_to_the_end_in_any_window(size: tuple[int, int]) -> None:
    app = Stage()
    async with app.run_test(size=size) as pilot:
        screen = await _open(app, a_fitted_draft())
        await pilot.press("f")
        await until_screen(pilot, ArithmeticScreen)
        await until(pilot, lambda: "4,096 tokens for one request at a time." in _within(app), "the beginning")
        await pilot.press("end")
        await until(pilot, lambda: "estimated: anything else." in _within(app), "the end")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is screen, "the step")
