"""Which form an artifact has, and why."""

import pytest

from core.artifacts.form import choose_form
from core.errors import UsageError
from core.instances.engine_rules import ENGINE_RULES, LARGEST_ARCHIVE


@pytest.mark.parametrize(
    ("engine", "size", "form", "why"),
    [
        ("huggingface", 500_000_000, "archive", "one model.tar.gz"),
        ("huggingface", LARGEST_ARCHIVE, "archive", "one model.tar.gz"),
        ("huggingface", LARGEST_ARCHIVE + 1, "prefix", "need not unpack"),
        ("vllm", 500_000_000, "prefix", "the engine loads from the files"),
    ],
)
def test_engine_and_size_decide_and_say_why(engine: str, size: int, form: str, why: str) -> None:
    reasons: dict[str, str] = {}
    assert choose_form(ENGINE_RULES[engine], size, None, reasons) == form
    assert why in reasons["artifact.form"]


def test_a_person_may_decide_otherwise() -> None:
    reasons: dict[str, str] = {}
    assert choose_form(ENGINE_RULES["huggingface"], 1, "prefix", reasons) == "prefix"
    assert choose_form(ENGINE_RULES["huggingface"], 10**12, "archive", reasons) == "archive"
    assert reasons == {"artifact.form": "as chosen"}


def test_an_engine_that_takes_no_archive_gets_none() -> None:
    with pytest.raises(UsageError, match="not from an archive"):
        choose_form(ENGINE_RULES["vllm"], 1, "archive", {})
