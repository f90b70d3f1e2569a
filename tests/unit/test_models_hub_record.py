"""What the Hub's scans say of the files of a model."""

from typing import Any

import pytest

from core.models.cautions import cautions_about
from core.models.hub_record import HubRecord

_FILES = [{"rfilename": "config.json", "size": 1}, {"rfilename": "pytorch_model.bin", "size": 9}]


def read(*issues: Any) -> HubRecord:
    status = {"scansDone": True, "filesWithIssues": list(issues)}
    return HubRecord.read("acme/tiny", {"sha": "0" * 40, "siblings": _FILES, "securityRepoStatus": status})


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
    paths = {"config.json": 1, "model.safetensors": 1, "tokenizer.json": 1}
    (warning,) = cautions_about(paths, {}, faulty=["pytorch_model.bin", "x\x1b[2J.pkl"])
    assert warning == "The Hub's scans found fault with pytorch_model.bin, x.pkl."
    (many,) = cautions_about(paths, {}, faulty=[f"{number}.bin" for number in range(9)])
    assert many.endswith("4.bin and 4 more.")
