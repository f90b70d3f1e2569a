"""`search` by command, against a stand-in Hub with well-known models."""

from collections.abc import Iterator, Mapping

import pytest

from tests.e2e.program import run
from tests.listings import load_listing, put
from tests.stand_in_hub import StandInHub

STEMS = ("gpt_neo_125m", "gpt_neox_20b", "mistral_7b", "whisper_large_v3", "llama_3_1_8b_instruct")


@pytest.fixture
def hub() -> Iterator[Mapping[str, str]]:
    with StandInHub() as hub:
        for stem in STEMS:
            put(hub, load_listing(stem))
        yield {"HF_ENDPOINT": hub.url}


def test_models_are_found_by_words_and_narrowed(hub: Mapping[str, str]) -> None:
    found = run("search", "gpt", "--json", env=hub).document["models"]
    assert {each["reference"] for each in found} == {"EleutherAI/gpt-neo-125m", "EleutherAI/gpt-neox-20b"}
    assert found[0]["downloads"] >= found[1]["downloads"]
    large = run("search", "gpt", "--min-size", "1B", "--json", env=hub).document["models"]
    assert [each["reference"] for each in large] == ["EleutherAI/gpt-neox-20b"]
    heard = run("search", "--task", "automatic-speech-recognition", "--json", env=hub).document["models"]
    assert [each["reference"] for each in heard] == ["openai/whisper-large-v3"]
    assert len(run("search", "--limit", "2", "--json", env=hub).document["models"]) == 2


def test_the_table_names_what_matters(hub: Mapping[str, str]) -> None:
    shown = run("search", "llama", env=hub)
    assert shown.code == 0, shown.err
    (line,) = [line for line in shown.out.splitlines() if "Llama-3.1-8B" in line]
    assert "text-generation" in line
    assert "8.03B" in line
    assert line.endswith("gated")


def test_what_is_not_found_or_makes_no_sense_is_said(hub: Mapping[str, str]) -> None:
    nothing = run("search", "no-such-thing", env=hub)
    assert (nothing.code, nothing.out) == (0, "")
    assert "no such model" in nothing.err
    wrong = run("search", "gpt", "--min-size", "large", env=hub)
    assert wrong.code == 2
    assert "no number of parameters" in wrong.err
    assert run("search", "gpt", "--min-size", "9B", "--max-size", "1B", env=hub).code == 2
