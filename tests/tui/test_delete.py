"""The question before a deletion: what it says of endpoints of others, and of a wrong name."""

from textual.widgets import Input

from core.deployments.ledger import Resource
from tests.tui.driving import Stage, type_text, until, words
from tui.screens.delete import DeleteScreen


async def test_a_wrong_name_deletes_nothing_and_is_said_to_be_wrong() -> None:
    app = Stage()
    answers: list[bool | None] = []
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(DeleteScreen(app.workspace, "tiny"), answers.append)
        await type_text(pilot, "tin")
        await pilot.press("enter")
        await until(pilot, lambda: "✗ That is not its name. Type tiny to delete it." in words(app), "the sentence")
        await until(pilot, lambda: app.screen.query_one(Input).has_class("-invalid"), "the mark at the field")
        await type_text(pilot, "y")
        await until(pilot, lambda: not app.screen.query_one(Input).has_class("-invalid"), "a clean field")
        await pilot.press("enter")
        await until(pilot, lambda: answers == [True], "the answer")


async def test_of_an_endpoint_of_others_it_is_said_what_stays() -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = DeleteScreen(app.workspace, "theirs")
        await app.push_screen(screen)
        screen._found((Resource("endpoint", "theirs", "created"),))
        await until(pilot, lambda: "role stay" in words(app), "what stays")
        screen._found((Resource("endpoint", "ours", "created"), Resource("model", "ours", "created")))
        await until(pilot, lambda: "role stay" not in words(app), "what goes only")
