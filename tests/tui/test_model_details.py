"""What is told of a model before and after it was looked at, its card, and text that others wrote."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from textual.widgets import Markdown

from core.models.facts import ModelFacts, Popularity, Scan
from core.models.quantization import Quantization
from core.models.remote_code import RemoteCode
from tests.tui.driving import Stage, shown, until, until_screen, until_shown
from tests.tui.model_search import HeldHub, field_of, names_in, open_model_step, search_for
from tests.tui.samples import a_draft, some_facts
from tui.screens.card import CardScreen
from tui.widgets.model_details import model_facts
from tui.widgets.model_results import ModelResults

# -- details ----------------------------------------------------------------------------------------------------------


async def test_the_details_stand_beside_the_results_where_there_is_room(hub: HeldHub) -> None:
    app = Stage()
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await open_model_step(app, hub)
        await search_for(pilot, screen, "llama-07")
        await until_shown(pilot, "2024-09-25")
        results, details = screen.query_one(ModelResults), screen.query_one("#model-details")
        assert details.region.x >= results.region.right
        for said in ("transformers", "1M downloads in 30 days, 7", "open"):
            await until_shown(pilot, said)
        await pilot.resize_terminal(80, 40)
        await until(pilot, lambda: details.region.y >= results.region.bottom, "the details below")


async def test_a_gated_model_is_told_of_before_it_is_looked_at(hub: HeldHub) -> None:
    app = Stage()
    async with app.run_test(size=(120, 24)) as pilot:
        screen = await open_model_step(app, hub)
        await search_for(pilot, screen, "falcon-image")
        await until_shown(pilot, "gated (auto): your Hub token is")


def _told(facts: ModelFacts) -> dict[str, str]:
    return {fact.label: fact.value for fact in model_facts(facts)}


def test_all_that_is_known_of_a_model_is_told() -> None:
    facts = replace(
        some_facts(),
        parameters_confidence="estimated",
        quantization=Quantization("gptq", 4),
        popularity=Popularity(1234, 56, datetime(2024, 9, 25, tzinfo=UTC)),
        scan="unsafe",
        unsafe_files=("a.bin", "b.bin", "c.bin", "d.bin"),
        base_models=("org/base",),
        chat_template=True,
        remote_code=RemoteCode(("modeling.py",), ("else/where",)),
        config={"max_position_embeddings": 4096},
    )
    assert _told(facts) == {
        "Task": "text-generation",
        "Library": "transformers · GPTNeoXForCausalLM",
        "Parameters": "about 20.6B in float16, 4-bit gptq",
        "Licence": "apache-2.0",
        "Access": "gated (auto): your Hub token is used",
        "Repository": "6 files, 54 GB",
        "Popularity": "1.23k downloads in 30 days, 56 likes",
        "Last change": "2024-09-25",
        "Security": "✗ files are unsafe: a.bin, b.bin, c.bin and 1 more",
        "Made from": "org/base",
        "Context": "4,096 tokens at most",
        "Chat": "it has a chat template",
        "Own code": "! it brings 1 file of its own to run, and runs code of else/where",
        "Revision": "0123456789ab",
        "Warning": "! The licence forbids commercial use.",
    }


def test_what_is_not_known_is_left_out_or_said_to_be() -> None:
    facts = replace(some_facts(), parameters=None, license=None, gated=None, task="text-to-image", warnings=())
    told = _told(facts)
    assert told["Parameters"] == "unknown"
    assert told["Licence"] == "not stated"
    assert told["Access"] == "open"
    assert not {"Popularity", "Last change", "Security", "Made from", "Chat", "Own code", "Warning"} & set(told)


@pytest.mark.parametrize(
    ("scan", "said"),
    [
        ("safe", "✓ nothing was found"),
        ("doubtful", "! some files are doubtful"),
        ("unsafe", "✗ files are unsafe"),
        ("pending", "◐ not finished yet"),
    ],
)
def test_the_scan_is_told_of_with_a_sign_and_a_word(scan: Scan, said: str) -> None:
    assert _told(replace(some_facts(), scan=scan))["Security"] == said


# -- the card ---------------------------------------------------------------------------------------------------------


async def test_the_card_of_the_model_under_the_cursor_is_one_key_away(hub: HeldHub) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_model_step(app, hub)
        await search_for(pilot, screen, "falcon")
        await pilot.press("ctrl+o")
        await until_screen(pilot, CardScreen)
        await until_shown(pilot, "Of falcons")
        await until_shown(pilot, "─ acme/falcon ─")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is screen, "the wizard")
        assert field_of(screen).value == "falcon"


async def test_the_card_is_of_the_commit_that_was_looked_at(hub: HeldHub) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        await open_model_step(app, hub, a_draft())
        await until_shown(pilot, "✓ Found.")
        await pilot.press("ctrl+o")
        await until_screen(pilot, CardScreen)
        await until_shown(pilot, "✗ ")
        assert hub.requests[-1].path.startswith(f"/org/tiny/resolve/{some_facts().revision}/README.md")


async def test_a_model_without_a_card_and_one_whose_card_cannot_be_read(hub: HeldHub) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_model_step(app, hub)
        await search_for(pilot, screen, "llama-01")
        await pilot.press("ctrl+o")
        await until_shown(pilot, "It has no card.")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is screen, "the wizard")
        field_of(screen).value = ""
        await search_for(pilot, screen, "falcon-image")
        await until(pilot, lambda: names_in(screen) == ["acme/falcon-image"], "the gated one")
        await pilot.press("ctrl+o")
        await until_shown(pilot, "gated")
        await until_shown(pilot, "→")


async def test_a_card_that_does_not_come_is_not_waited_for(hub: HeldHub) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_model_step(app, hub)
        await search_for(pilot, screen, "falcon")
        hub.fault("README.md", hang=True, times=9)
        await pilot.press("ctrl+o")
        await until_shown(pilot, "◐ Fetching the card …")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is screen, "the wizard")


async def test_a_long_card_is_read_and_closed_while_it_is_still_being_written(hub: HeldHub) -> None:
    card = "# Long\n" + "".join(f"\nparagraph {number}\n" for number in range(700))
    hub.add("acme/long", {"README.md": card.encode()}, fields={})
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_model_step(app, hub)
        await search_for(pilot, screen, "long")
        await pilot.press("ctrl+o")
        shown_card = (await until_screen(pilot, CardScreen)).query_one(Markdown)
        await until(pilot, lambda: "paragraph 1" in shown_card.source, "its beginning")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is screen, "the wizard")
        await pilot.press("ctrl+o")
        await until_screen(pilot, CardScreen)
        await until(pilot, lambda: "paragraph 699" in app.screen.query_one(Markdown).source, "its end")
        assert app.screen.query_one(Markdown).source == card.strip()


async def test_a_link_in_a_card_only_says_where_it_leads(hub: HeldHub, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    hub.add("acme/linked", {"README.md": b"[click](https://evil.example/[/foo])"}, fields={})
    app = Stage()
    monkeypatch.setattr(app, "open_url", lambda url, **_: opened.append(url))
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        screen = await open_model_step(app, hub)
        await search_for(pilot, screen, "linked")
        await pilot.press("ctrl+o")
        await until_shown(pilot, "click")
        line = next(number for number, text in enumerate(shown(app).splitlines()) if "click" in text)
        await pilot.click(offset=(shown(app).splitlines()[line].index("click") + 1, line))
        await until_shown(pilot, "The link leads to")
        assert [notice.message for notice in app._notifications] == ["https://evil.example/[/foo]"]
        assert not opened


# -- text from outside ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["[/foo]", "[@click=app.exit]x[/]", "[link=https://x]y[/link]", "x[/", "$x"])
async def test_what_others_wrote_is_shown_letter_by_letter(hub: HeldHub, text: str) -> None:
    hostile = {"id": "evil/model", "pipeline_tag": f"t{text}\x1b[2J", "library_name": f"l{text}\x1b]0;x\x07"}
    card = f"# h{text}\n\np{text} \x1b[2J\x9b1m <script>alert(1)</script>\n".encode()
    hub.add("evil/model", {"README.md": card})
    hub.fault("/api/models$", status=200, body=json.dumps([hostile]).encode(), times=9)
    app = Stage()
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await open_model_step(app, hub)
        await search_for(pilot, screen, "evil")
        for part in (f"t{text}", f"l{text}"):
            await until_shown(pilot, part)
        await pilot.press("ctrl+o")
        await until_screen(pilot, CardScreen)
        for part in (f"h{text}", f"p{text}"):
            await until_shown(pilot, part)
        assert "alert" not in app.screen.query_one(Markdown).source
        assert not {"\x1b", "\x9b", "\x07"} & set(shown(app))


def test_a_private_model_is_not_called_open_and_every_stored_type_is_counted() -> None:
    facts = replace(some_facts(), gated=None, private=True, dtypes={"F16": 20_554_567_680, "U8": 184_549_376})
    told = {fact.label: fact.value for fact in model_facts(facts)}
    assert told["Access"] == "private: your Hub token is used"
    assert told["Stored as"] == "F16 20.6B, U8 185M"
