"""Looking for a model in folders of this machine and in S3, and what is meant by what is typed."""

from pathlib import Path
from uuid import uuid4

import pytest

from core.account import open_account
from core.cancellation import CancelToken
from core.errors import SagewizardError
from tests.stand_in_hub import safetensors
from tests.tui.driving import Stage, shown, until, until_shown
from tests.tui.model_search import CONFIG, HeldHub, field_of, names_in, open_model_step
from tui import calls
from tui.model_text import is_whole, refusal, search_words, source_of
from tui.widgets.model_browser import ModelBrowser

# -- folders ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a model in a folder in a folder."""
    model = tmp_path / "place" / "models" / "tiny"
    model.mkdir(parents=True)
    (model / "config.json").write_bytes(CONFIG)
    (model / "model.safetensors").write_bytes(safetensors())
    (tmp_path / "place" / "other").mkdir()
    return tmp_path / "place"


async def test_folders_are_gone_down_into_until_one_holds_a_model(hub: HeldHub, place: Path) -> None:
    app = Stage()
    async with app.run_test(size=(120, 24)) as pilot:
        screen = await open_model_step(app, hub)
        field_of(screen).value = f"{place}/"
        await until(pilot, lambda: names_in(screen) == ["models", "other"], "the folders")
        await until_shown(pilot, "folder")
        await pilot.press("down", "enter")
        await until(pilot, lambda: names_in(screen) == ["tiny"], "what is in the folder")
        await until_shown(pilot, "✓ a model")
        assert field_of(screen).value == f"{place}/models/"
        await pilot.press("enter")
        await until(pilot, lambda: screen.draft.reference == f"{place}/models/tiny", "the name")
        await until_shown(pilot, "LlamaForCausalLM")
    assert hub.requests == []


async def test_tab_in_the_field_completes_a_path_as_a_shell_does(hub: HeldHub, place: Path) -> None:
    app = Stage()
    async with app.run_test(size=(120, 24)) as pilot:
        screen = await open_model_step(app, hub)
        field_of(screen).value = f"{place}/mo"
        await until(pilot, lambda: screen.query_one(ModelBrowser).looking, "the field's text")
        await pilot.press("tab")  # before anything was listed
        await until(pilot, lambda: field_of(screen).value == f"{place}/models/", "the folder")
        await until(pilot, lambda: names_in(screen) == ["tiny"], "what is in it")
        assert screen.focused is field_of(screen)
        await pilot.press("tab")
        await until(pilot, lambda: screen.draft.reference == f"{place}/models/tiny", "the name")


async def test_a_folder_without_others_gives_the_field_back(hub: HeldHub, place: Path) -> None:
    app = Stage()
    async with app.run_test(size=(120, 24)) as pilot:
        screen = await open_model_step(app, hub)
        field_of(screen).value = f"{place}/o"
        await until(pilot, lambda: names_in(screen) == ["other"], "the folder")
        await pilot.press("down", "tab")
        await until_shown(pilot, "Nothing goes on from here.")
        await until(pilot, lambda: screen.focused is field_of(screen), "the field")
        await pilot.press("enter")
        await until_shown(pilot, f"✗ {place}/other is empty.")
        assert field_of(screen).value == f"{place}/other/"


# -- S3 ---------------------------------------------------------------------------------------------------------------


async def test_without_an_account_a_line_says_so(hub: HeldHub) -> None:
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_model_step(app, hub)
        field_of(screen).value = "s3://bucket/models/"
        await until_shown(pilot, "S3 cannot be looked into: No account is open to look into S3 with.")
        assert "✗" not in shown(app)
        assert names_in(screen) == []


async def test_buckets_and_prefixes_are_gone_down_into(hub: HeldHub, sandbox_home: Path) -> None:
    account = open_account(sandbox=True)
    s3, bucket = account.clients.get("s3"), f"places-{uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="teams/red/tiny/config.json", Body=CONFIG)
    s3.put_object(Bucket=bucket, Key="teams/red/tiny/model.safetensors", Body=safetensors())
    app = Stage()
    app.workspace.account = account
    async with app.run_test(size=(120, 24)) as pilot:
        screen = await open_model_step(app, hub)
        field_of(screen).value = f"s3://{bucket[:-2]}"
        await until(pilot, lambda: names_in(screen) == [bucket], "the bucket")
        await pilot.press("down", "enter")
        for name in ("teams", "red", "tiny"):
            await until(pilot, lambda name=name: names_in(screen) == [name], name)  # type: ignore[misc]
            await pilot.press("enter")
        await until_shown(pilot, "Nothing goes on from here.")
        await until(pilot, lambda: screen.focused is field_of(screen), "the field")
        assert field_of(screen).value == f"s3://{bucket}/teams/red/tiny/"
        await pilot.press("enter")
        await until_shown(pilot, "LlamaForCausalLM")
    with pytest.raises(SagewizardError, match="No account is open"):
        calls.list_places("s3://", None, CancelToken())


# -- what is meant by a text ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "source", "whole", "searched"),
    [
        ("", "rest", True, ""),
        ("a", "rest", True, "a"),
        ("sample", "rest", True, "sample"),
        ("gpt2", "hub", False, "gpt2"),
        ("gpt neo", "hub", False, "gpt neo"),
        ("org/name", "hub", True, "org/name"),
        ("org/name@main", "hub", True, "org/name"),
        ("gpt2@main", "hub", True, "gpt2"),
        ("org/two words", "hub", False, "org/two words"),
        ("https://huggingface.co/org/name", "hub", True, "org/name"),
        ("./x", "folders", True, "./x"),
        ("/", "folders", True, "/"),
        ("~", "folders", True, "~"),
        ("..", "folders", True, ".."),
        ("s3://", "stored", True, "s3://"),
    ],
)
def test_what_is_meant_by_a_text(text: str, source: str, whole: bool, searched: str) -> None:
    assert (source_of(text), is_whole(text), search_words(text)) == (source, whole, searched)


@pytest.mark.parametrize("text", ["", "s3://", "two words", "~nobody-of-that-name/x"])
def test_what_names_no_model_is_refused_with_a_way_out(text: str) -> None:
    problem = refusal(text)
    assert problem is not None
    assert problem.fix
    assert refusal("org/name") is None
