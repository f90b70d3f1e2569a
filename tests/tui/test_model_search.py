"""Looking for a model on a stand-in Hub, over real HTTP, while its name is typed."""

import json
import threading

import pytest
from textual.widgets import Input, Select

from tests.tui.driving import Stage, settled, shown, until, until_shown, words
from tests.tui.model_search import HeldHub, field_of, names_in, open_model_step, search_for
from tui.widgets.model_browser import MOST_ROWS, ModelBrowser
from tui.widgets.model_results import ModelResults

# -- as it is typed ---------------------------------------------------------------------------------------------------


async def test_nothing_is_asked_of_the_hub_before_two_letters_are_typed(hub: HeldHub) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_model_step(app, hub)
        await until_shown(pilot, "✓ comes with the program")
        await pilot.press("l")
        await until(pilot, lambda: field_of(screen).value == "l", "the letter")
        assert not screen.query_one(ModelBrowser).looking
        assert names_in(screen) == ["sample"]
        await pilot.press("l")
        await until(pilot, lambda: len(hub.searches) == 1, "the search")
    assert hub.searches[0]["search"] == ["ll"]


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (120, 40)], ids=str)
async def test_what_is_found_stands_below_the_field_which_keeps_the_focus(hub: HeldHub, size: tuple[int, int]) -> None:
    app = Stage()
    async with app.run_test(size=size) as pilot:
        screen = await open_model_step(app, hub)
        await search_for(pilot, screen, "falcon")
        text = await settled(pilot)
        assert "acme/falcon-image" in text
        assert "text-to-image" in text
        assert names_in(screen) == ["acme/falcon", "acme/falcon-image"]
        assert screen.focused is field_of(screen)
        assert screen.query_one(ModelResults).cursor_row == 0
        assert "2 models" in text
        await pilot.press("down")
        await until_shown(pilot, "⏎ Take it")
        assert "^o Card" in shown(app)
        assert "esc Back" in shown(app)


async def test_letters_that_come_fast_are_one_search(hub: HeldHub) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_model_step(app, hub)
        for end in range(1, len("falcon") + 1):  # nothing is waited for between them
            field_of(screen).value = "falcon"[:end]
        await until(pilot, lambda: "acme/falcon" in names_in(screen), "the results")
    assert [asked["search"] for asked in hub.searches] == [["falcon"]]


async def test_what_was_found_for_an_older_text_comes_too_late(hub: HeldHub) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_model_step(app, hub)
        hub.hold = 1
        field_of(screen).value = "llama"
        await until(pilot, lambda: len(hub.searches) == 1, "the first search")
        field_of(screen).value = "falcon"
        await until(pilot, lambda: names_in(screen)[:1] == ["acme/falcon"], "what was found for the second")
        hub.let_go.set()
        await until(pilot, lambda: not _threads("list"), "the end of the first search")
        await settled(pilot)
        assert names_in(screen) == ["acme/falcon", "acme/falcon-image"]


def _threads(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == name]


async def test_a_hub_that_cannot_be_searched_is_told_of_in_a_line_and_a_full_name_still_works(hub: HeldHub) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_model_step(app, hub)
        hub.fault("/api/models$", status=418, times=99)
        await search_for(pilot, screen, "falcon")
        await until_shown(pilot, "The Hub cannot be searched: ")
        await until_shown(pilot, "You can still type a full name.")
        assert field_of(screen).value == "falcon"
        assert "✗" not in shown(app)
        field_of(screen).value = "acme/falcon"
        await pilot.press("enter")
        await until_shown(pilot, "✓ Found.")
        assert screen.draft.reference == "acme/falcon"


async def test_nothing_that_fits_is_said(hub: HeldHub) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_model_step(app, hub)
        await search_for(pilot, screen, "zebra")
        await until_shown(pilot, "Nothing on the Hub fits.")
        assert names_in(screen) == []
        await pilot.press("down")
        assert screen.focused is field_of(screen)


# -- which one is taken -----------------------------------------------------------------------------------------------


async def test_enter_takes_a_full_name_as_it_is_and_not_what_was_found(hub: HeldHub) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_model_step(app, hub)
        await search_for(pilot, screen, "acme/falcon-im")
        assert names_in(screen) == ["acme/falcon-image"]
        await pilot.press("enter")
        await until(pilot, lambda: screen.draft.reference == "acme/falcon-im", "the name")
        assert field_of(screen).value == "acme/falcon-im"


@pytest.mark.parametrize("text", ["falcon", "acme falcon"])
async def test_enter_on_words_takes_the_first_that_was_found(hub: HeldHub, text: str) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_model_step(app, hub)
        rows = [{"id": "acme/falcon"}, {"id": "acme/falcon-image"}]
        hub.fault("/api/models$", status=200, body=json.dumps(rows).encode(), times=99)
        field_of(screen).value = text
        await until(pilot, lambda: names_in(screen) == ["acme/falcon", "acme/falcon-image"], "the results")
        await pilot.press("enter")
        await until_shown(pilot, "✓ Found.")
        assert screen.draft.reference == field_of(screen).value == "acme/falcon"
        await pilot.press("enter")
        await until(pilot, lambda: screen.current == "size", "the next step")


async def test_enter_before_anything_was_found_waits_for_the_first(hub: HeldHub) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_model_step(app, hub)
        hub.hold = 1
        field_of(screen).value = "falcon"
        await pilot.press("enter")
        await until_shown(pilot, "Enter takes what is found first for “falcon”")
        assert screen.draft.reference == "sample"
        hub.let_go.set()
        await until(pilot, lambda: screen.draft.reference == "acme/falcon", "the first that was found")


async def test_typing_on_takes_back_an_enter_that_waits(hub: HeldHub) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_model_step(app, hub)
        hub.hold = 1
        field_of(screen).value = "falcon"
        await pilot.press("enter")
        await until_shown(pilot, "Enter takes what is found first")
        await search_for(pilot, screen, "-image")
        hub.let_go.set()
        await until(pilot, lambda: not _threads("list"), "the end of the searches")
        await until(pilot, lambda: names_in(screen) == ["acme/falcon-image"], "what was found for the whole")
        await settled(pilot)
        assert screen.draft.reference == "sample"


async def test_a_word_that_nothing_was_found_for_is_taken_for_a_name(hub: HeldHub) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_model_step(app, hub)
        field_of(screen).value = "zebra"
        await pilot.press("enter")
        await until(pilot, lambda: screen.draft.reference == "zebra", "the name")


async def test_words_that_nothing_was_found_for_are_refused_beside_the_field(hub: HeldHub) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_model_step(app, hub)
        field_of(screen).value = "two zebras"
        await pilot.press("enter")
        await until_shown(pilot, "“two zebras” is neither a Hub model nor a folder.")
        assert field_of(screen).has_class("-invalid")
        assert field_of(screen).value == "two zebras"
        assert screen.draft.reference == "sample"


async def test_words_are_no_wrong_name_while_the_results_are_gone_through(hub: HeldHub) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_model_step(app, hub)
        hub.fault("/api/models$", status=200, body=b'[{"id": "acme/falcon"}]', times=99)
        await search_for(pilot, screen, "two falcons")
        await pilot.press("down")
        await until(pilot, lambda: isinstance(screen.focused, ModelResults), "the results")
        assert "neither a Hub model" not in await settled(pilot)
        assert not field_of(screen).has_class("-invalid")


async def test_enter_in_the_results_takes_the_model_under_the_cursor(hub: HeldHub) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_model_step(app, hub)
        await search_for(pilot, screen, "llama")
        await pilot.press("down", "down", "down")
        await until(pilot, lambda: screen.query_one(ModelResults).cursor_row == 2, "the third row")
        await until_shown(pilot, "Model many/llama-03")
        await pilot.press("enter")
        await until(pilot, lambda: screen.draft.reference == "many/llama-03", "the name")
        assert field_of(screen).value == "many/llama-03"
        assert screen.focused is field_of(screen)


async def test_up_from_the_first_row_leads_back_to_the_field(hub: HeldHub) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_model_step(app, hub)
        await search_for(pilot, screen, "llama")
        await pilot.press("down", "down", "up")
        await until(pilot, lambda: screen.query_one(ModelResults).cursor_row == 0, "the first row")
        assert isinstance(screen.focused, ModelResults)
        await pilot.press("up")
        await until(pilot, lambda: screen.focused is field_of(screen), "the field")
        assert field_of(screen).value == "llama"


async def test_after_a_model_was_looked_at_the_results_are_one_key_away(hub: HeldHub) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_model_step(app, hub)
        await search_for(pilot, screen, "falcon")
        await pilot.press("enter")
        await until_shown(pilot, "LlamaForCausalLM")
        asked = len(hub.searches)
        assert "acme/falcon-image" not in await settled(pilot)
        await pilot.press("down", "down")
        await until_shown(pilot, "Model acme/falcon-image")
        await pilot.press("up", "up")
        await until_shown(pilot, "LlamaForCausalLM")
        assert len(hub.searches) == asked


# -- filters and pages ------------------------------------------------------------------------------------------------


async def test_filters_narrow_the_search_and_are_reached_by_tab(hub: HeldHub) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_model_step(app, hub)
        await search_for(pilot, screen, "falcon")
        await pilot.press("tab")
        await until(pilot, lambda: isinstance(screen.focused, Select), "the tasks")
        await pilot.press("enter")
        await until_shown(pilot, "feature-extraction")
        await pilot.press("down", "down", "down", "enter")
        await until(pilot, lambda: names_in(screen) == ["acme/falcon-image"], "what is left")
        assert hub.searches[-1]["pipeline_tag"] == ["text-to-image"]
        screen.query_one("#model-sort", Select).value = "likes"
        await until(pilot, lambda: hub.searches[-1]["sort"] == ["likes"], "another order")
        assert field_of(screen).value == "falcon"


async def test_a_range_of_sizes_is_typed_as_people_write_them(hub: HeldHub) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_model_step(app, hub)
        await search_for(pilot, screen, "llama")
        screen.query_one("#model-smallest", Input).value = "2.5b"
        screen.query_one("#model-largest", Input).value = "4B"
        await until(pilot, lambda: names_in(screen) == ["many/llama-03", "many/llama-04"], "those between")
        assert hub.searches[-1]["num_parameters"] == ["min:2500M,max:4B"]


@pytest.mark.parametrize(
    ("smallest", "largest", "marked", "said"),
    [
        ("many", "", "#model-smallest", "“many” is no number of parameters."),
        ("", "7X", "#model-largest", "“7X” is no number of parameters."),
        ("8B", "7B", "#model-largest", "The smallest size is above the largest."),
    ],
)
async def test_a_size_that_makes_no_sense_is_marked_and_not_asked_for(
    hub: HeldHub, smallest: str, largest: str, marked: str, said: str
) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_model_step(app, hub)
        await search_for(pilot, screen, "falcon")
        screen.query_one("#model-smallest", Input).value = smallest
        screen.query_one("#model-largest", Input).value = largest
        await until_shown(pilot, said)
        assert screen.query_one(marked).has_class("-invalid")
        await until(pilot, lambda: not screen.query_one(ModelBrowser).looking, "rest")
        assert "7X" not in str(hub.searches)
        screen.query_one("#model-smallest", Input).value = ""
        screen.query_one("#model-largest", Input).value = ""
        await until(pilot, lambda: said not in words(app), "a clean line")
        assert not screen.query(".-invalid")


async def test_a_filter_alone_is_a_question_too(hub: HeldHub) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_model_step(app, hub)
        screen.query_one("#model-task", Select).value = "text-to-image"
        await until(pilot, lambda: names_in(screen) == ["acme/falcon-image"], "the models for the task")
        assert "search" not in hub.searches[-1]
        screen.query_one("#model-task", Select).value = ""
        await until(pilot, lambda: names_in(screen) == ["sample"], "the sample")


async def test_more_come_when_the_cursor_reaches_the_end(hub: HeldHub) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_model_step(app, hub)
        await search_for(pilot, screen, "llama")
        results = screen.query_one(ModelResults)
        assert names_in(screen) == [f"many/llama-{number:02}" for number in range(1, 21)]
        await pilot.press("down", "ctrl+end")
        await until(pilot, lambda: len(results.found) == 40, "the next page")
        assert results.cursor_row == 20
        await until_shown(pilot, "many/llama-21")
        await pilot.press("ctrl+end")
        await until(pilot, lambda: len(results.found) == 45, "the last page")
        assert names_in(screen)[-1] == "many/llama-45"
        assert not results.more
        assert sum("cursor" in asked for asked in hub.searches) == 2


async def test_a_page_that_does_not_come_leaves_those_before(hub: HeldHub) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_model_step(app, hub)
        await search_for(pilot, screen, "llama")
        hub.fault("/api/models$", status=418)
        await pilot.press("down", "ctrl+end")
        await until_shown(pilot, "The Hub cannot be searched: ")
        assert len(names_in(screen)) == 20
        await pilot.press("enter")
        await until(pilot, lambda: len(names_in(screen)) == 40, "another try")


async def test_no_more_are_listed_than_anyone_reads(hub: HeldHub) -> None:
    for number in range(46, 260):
        hub.add(f"many/llama-{number:03}", {}, fields={"downloads": 10**6 - number})
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_model_step(app, hub)
        await search_for(pilot, screen, "llama")
        results = screen.query_one(ModelResults)
        await pilot.press("down")
        for count in range(40, MOST_ROWS + 1, 20):
            await pilot.press("ctrl+end")
            await until(pilot, lambda count=count: len(results.found) == count, f"{count} rows")  # type: ignore[misc]
        assert not results.more
        assert sum("cursor" in asked for asked in hub.searches) == MOST_ROWS // 20 - 1
