"""What the Hub's record says of a model beyond its files, and what its scans say of those."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import RefusedError
from core.models.cautions import cautions_about
from core.models.facts import ModelFacts, ModelFile
from core.models.hub_record import GgufSummary, HubRecord, Scan
from core.models.reference import HubReference

_FILES = [{"rfilename": "config.json", "size": 1}, {"rfilename": "pytorch_model.bin", "size": 9}]


def read(*issues: Any) -> HubRecord:
    status = {"scansDone": True, "filesWithIssues": list(issues)}
    return HubRecord.read("acme/tiny", {"sha": "0" * 40, "siblings": _FILES, "securityRepoStatus": status})


def test_too_many_files_are_refused_with_their_number() -> None:
    siblings = [{"rfilename": f"{number}.bin", "size": 1} for number in range(100_001)]
    with pytest.raises(RefusedError, match=r"acme/tiny has 100,001 files") as caught:
        HubRecord.read("acme/tiny", {"sha": "0" * 40, "siblings": siblings})
    assert "HF_ENDPOINT" not in caught.value.fix
    assert len(HubRecord.read("acme/tiny", {"sha": "0" * 40, "siblings": siblings[1:]}).files) == 100_000


@pytest.mark.parametrize("level", ["unsafe", "worse", None, 7, ["unsafe"]])
def test_what_is_not_known_to_be_milder_is_unsafe(level: object) -> None:
    found = read({"path": "pytorch_model.bin", "level": level})
    assert (found.unsafe_files, found.doubtful_files) == (("pytorch_model.bin",), ())


@pytest.mark.parametrize("level", ["suspicious", "caution", "queued", "unscanned", "error"])
def test_milder_levels_are_doubts(level: str) -> None:
    found = read({"path": "pytorch_model.bin", "level": level}, {"path": 7, "level": "unsafe"}, "x")
    assert (found.unsafe_files, found.doubtful_files) == ((), ("pytorch_model.bin",))


def test_what_is_called_safe_is_no_issue() -> None:
    found = read({"path": "pytorch_model.bin", "level": "safe"})
    assert (found.unsafe_files, found.doubtful_files) == ((), ())


@pytest.mark.parametrize("status", [None, [], {"filesWithIssues": None}, {"filesWithIssues": {"a": 1}}])
def test_a_status_that_makes_no_sense_says_nothing(status: object) -> None:
    found = HubRecord.read("acme/tiny", {"sha": "0" * 40, "siblings": _FILES, "securityRepoStatus": status})
    assert (found.unsafe_files, found.doubtful_files) == ((), ())


def test_a_fault_of_any_file_is_warned_of_in_words_that_are_safe_to_show() -> None:
    files = tuple(ModelFile(path, 1) for path in ("config.json", "model.safetensors", "tokenizer.json"))
    facts = ModelFacts(HubReference("acme/tiny"), "0" * 40, files)
    (warning,) = cautions_about(facts, faulty=["pytorch_model.bin", "x\x1b[2J.pkl"])
    assert warning == "The Hub's scans found fault with pytorch_model.bin, x.pkl."
    (many,) = cautions_about(facts, faulty=[f"{number}.bin" for number in range(9)])
    assert many.endswith("4.bin and 4 more.")


def record(**fields: Any) -> HubRecord:
    return HubRecord.read("acme/tiny", {"sha": "0" * 40, "siblings": _FILES, **fields})


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ({"scansDone": True, "filesWithIssues": []}, "safe"),
        ({"scansDone": True, "filesWithIssues": [{"path": "a", "level": "safe"}]}, "safe"),
        ({"scansDone": True, "filesWithIssues": [{"path": "a", "level": "unsafe"}]}, "unsafe"),
        ({"scansDone": True, "filesWithIssues": [{"path": "a", "level": "new word"}]}, "unsafe"),
        ({"scansDone": False, "filesWithIssues": [{"path": "a", "level": "unsafe"}]}, "unsafe"),
        ({"scansDone": False, "filesWithIssues": [{"path": "a", "level": "suspicious"}]}, "doubtful"),
        ({"scansDone": True, "filesWithIssues": [{"path": "a", "level": "queued"}]}, "pending"),
        ({"scansDone": False, "filesWithIssues": []}, "pending"),
        ({"scansDone": False}, "pending"),
        ({"scansDone": True}, None),
        ({"scansDone": True, "filesWithIssues": [{"level": "unsafe"}]}, None),
        ({"scansDone": "yes", "filesWithIssues": []}, None),
        ({}, None),
        ([], None),
        (None, None),
    ],
)
def test_the_scans_verdict_is_the_worst_of_what_they_say(status: object, verdict: Scan | None) -> None:
    assert record(securityRepoStatus=status).scan == verdict


def test_figures_of_popularity_and_the_last_change() -> None:
    found = record(downloads=12, likes=0, lastModified="2024-09-25T19:00:57.500+02:00", private=True)
    assert (found.downloads, found.likes, found.private) == (12, 0, True)
    assert found.last_modified == datetime(2024, 9, 25, 17, 0, 57, 500_000, tzinfo=UTC)
    assert found.last_modified is not None
    assert found.last_modified.tzinfo is UTC


@pytest.mark.parametrize("value", [None, "7", -1, 2**63, 1.5, True, [1]])
def test_a_count_that_is_none_is_absent(value: object) -> None:
    found = record(downloads=value, likes=value)
    assert (found.downloads, found.likes) == (None, None)


@pytest.mark.parametrize(
    "value",
    [None, 7, "yesterday", "2024-09-25T17:00:57", "0001-01-01T00:00:00+23:00", "2024-09-25T17:00:57Z" + "0" * 99],
)
def test_a_moment_that_is_none_is_absent(value: object) -> None:
    assert record(lastModified=value).last_modified is None


@pytest.mark.parametrize("value", [None, "true", 1, [True]])
def test_only_true_is_private(value: object) -> None:
    assert not record(private=value).private


@pytest.mark.parametrize(
    ("fields", "bases", "relation"),
    [
        ({"cardData": {"base_model": "org/base"}}, ("org/base",), None),
        ({"cardData": {"base_model": ["org/a", "org/b", "org/a"]}}, ("org/a", "org/b"), None),
        ({"cardData": {"base_model": "org/a", "base_model_relation": "merge"}}, ("org/a",), "merge"),
        ({"cardData": {"base_model": "org/a", "base_model_relation": "cousin"}}, ("org/a",), None),
        ({"tags": ["base_model:org/a", "base_model:adapter:org/a"]}, ("org/a",), "adapter"),
        ({"tags": ["base_model:quantized:org/a"], "cardData": {"base_model": "org/a"}}, ("org/a",), "quantized"),
        ({"tags": ["base_model:finetune:gpt2"], "cardData": {"base_model": ["../x", 7]}}, ("gpt2",), "finetune"),
        ({"tags": ["base_model:adapter:"], "cardData": {"base_model": "/etc/passwd"}}, (), None),
        ({"tags": "base_model:org/a", "cardData": "x"}, (), None),
        ({"cardData": {"base_model": {"a": "org/a"}}}, (), None),
        (
            {"cardData": {"base_model": ["~root/x", "https://huggingface.co/org/a", "org/a@v1", " org/a", "a/b/c"]}},
            (),
            None,
        ),
    ],
)
def test_the_models_it_was_made_from(fields: dict[str, Any], bases: tuple[str, ...], relation: str | None) -> None:
    found = record(**fields)
    assert (found.base_models, found.base_relation) == (bases, relation)


def test_the_configs_that_the_hub_keeps() -> None:
    config = {"quantization_config": {"bits": 4}, "diffusers": {"_class_name": "FluxPipe\x1b[2Jline"}}
    found = record(config=config)
    assert found.config == config
    assert found.pipeline_class == "FluxPipeline"
    assert record(config=[1]).config == {}


@pytest.mark.parametrize("config", [[], "x", {"diffusers": []}, {"diffusers": {"_class_name": 7}}])
def test_a_pipeline_class_that_is_none_is_absent(config: object) -> None:
    assert record(config=config).pipeline_class is None


def test_what_the_header_of_a_gguf_file_says() -> None:
    said = {"total": 8_030_261_312, "architecture": "llama", "context_length": 131_072, "chat_template": "{{ x }}"}
    assert record(gguf=said).gguf == GgufSummary(8_030_261_312, "llama", 131_072, chat_template=True)
    assert record(gguf={"total": "8B", "architecture": "llama"}).gguf == GgufSummary(None, "llama", None)


@pytest.mark.parametrize(
    "said", [None, [], "x", {}, {"total": -1, "architecture": 7, "context_length": 1.5, "chat_template": ""}]
)
def test_a_gguf_header_that_says_nothing_is_absent(said: object) -> None:
    assert record(gguf=said).gguf is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
_OPTIONAL = ["pipeline_tag", "library_name", "cardData", "gated", "config", "tags", "downloads", "lastModified"]
_OPTIONAL += ["likes", "private", "gguf", "safetensors", "securityRepoStatus"]


@settings(max_examples=100)
@given(st.dictionaries(st.sampled_from(_OPTIONAL), _JSON))
def test_no_field_that_is_merely_useful_can_spoil_a_record(fields: dict[str, Any]) -> None:
    assert record(**fields).commit == "0" * 40
