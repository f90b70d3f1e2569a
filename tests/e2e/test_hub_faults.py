"""What is wrong with the Hub, as a command tells it: one sentence with what to do, and no trace."""

from typing import Any

import pytest

from tests.e2e.program import run
from tests.stand_in_hub import StandInHub


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 429, "headers": {"Retry-After": "3600"}},
        {"status": 403},
        {"body": b'{"sha": "'},
        {"body": b"[]"},
        {"body": b'{"sha": "' + b"0" * 40 + b'", "siblings": [{"rfilename": "../../x", "size": 1}]}'},
        {"body": b"[" * 100_000},
    ],
    ids=["busy", "forbidden", "truncated", "no object", "hostile name", "deep"],
)
def test_a_fault_of_the_hub_is_one_sentence_by_command(fault: dict[str, Any]) -> None:
    with StandInHub() as hub:
        hub.add("acme/x", {"config.json": b"{}"})
        hub.fault("/api/models", times=99, **fault)
        ended = run("fit", "acme/x", env={"HF_ENDPOINT": hub.url})
    assert ended.code in {1, 3}
    told = [line for line in ended.err.splitlines() if line.startswith("sagewizard: ")]
    assert len(told) == 1
    assert "Traceback" not in ended.err
