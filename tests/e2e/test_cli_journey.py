"""From the command line: the sample model deployed, listed, shown, asked, its log read, and deleted."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from core.deployments.events import STAGES
from core.sandbox.daemon import RunningSandbox
from tests.e2e.program import Background, Ended, inventory, run
from tests.e2e.small_model import held_back, write_model, write_template

_NAME = "cli-journey"
_STAGES = {*STAGES, "rollback", "delete"}
_KINDS = {"started", "progress", "log", "warning", "finished", "failed"}


@pytest.fixture(scope="module")
def deployed(sandbox: RunningSandbox, sandbox_folder: Path) -> Iterator[Ended]:
    """The sample model in service, and what the deployment wrote."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAGEWIZARD_HOME", str(sandbox_folder))
        yield run("--sandbox", "deploy", "sample", "--name", _NAME, "--yes", "--json")
        run("endpoints", "delete", _NAME, "--yes", "--sandbox")


@pytest.fixture(autouse=True)
def _at_home(sandbox_home: Path, deployed: Ended) -> None:
    """Every test here finds the sandbox and the endpoint."""


def test_every_event_has_the_shape_that_scripts_rely_on(deployed: Ended) -> None:
    assert deployed.code == 0, deployed.err
    for event in deployed.lines:
        assert {"at", "deployment", "stage", "kind", "message", "done", "total", "unit"} <= set(event)
        assert datetime.fromisoformat(event["at"]).tzinfo is not None
        assert event["stage"] in _STAGES
        assert event["kind"] in _KINDS
        assert event["unit"] in {"bytes", "files", None}
        for count in (event["done"], event["total"]):
            assert count is None or (isinstance(count, int) and count >= 0)
        assert isinstance(event["message"], str)
        assert ("endpoint" in event) == (event["stage"] == "ready")


def test_the_stages_come_in_order_and_the_last_event_is_ready(deployed: Ended) -> None:
    begun = [event["stage"] for event in deployed.lines if event["kind"] == "started"]
    assert begun == list(STAGES)
    last = deployed.lines[-1]
    assert (last["stage"], last["kind"], last["endpoint"]) == ("ready", "finished", _NAME)
    assert len({event["deployment"] for event in deployed.lines}) == 1


def test_events_alone_are_on_stdout(deployed: Ended) -> None:
    assert all(line.startswith("{") for line in deployed.out.splitlines())


def test_the_ledger_lists_the_deployment_and_its_resources(deployed: Ended) -> None:
    found = run("deployments", "--sandbox", "--json").document["deployments"]
    mine = next(each for each in found if each["id"] == deployed.lines[0]["deployment"])
    assert (mine["status"], mine["endpoint"]) == ("ready", _NAME)
    states = {(each["kind"], each["state"]) for each in mine["resources"]}
    assert {(kind, "created") for kind in ("object", "role", "model", "endpoint_config", "endpoint")} <= states
    assert _NAME in run("deployments", "--sandbox").out


def test_the_desk_lists_it() -> None:
    listed = run("--sandbox", "--json", "endpoints").document
    assert run("--sandbox", "endpoints", "list", "--json").document == listed
    mine = next(each for each in listed["endpoints"] if each["name"] == _NAME)
    assert {"status", "instance_type", "instance_count", "created", "ours", "price_usd_per_hour"} <= set(mine)
    assert (mine["status"], mine["instance_count"], mine["ours"]) == ("InService", 1, True)
    assert mine["price_usd_per_hour"] > 0
    assert datetime.fromisoformat(mine["created"]).tzinfo is not None
    assert _NAME in run("--sandbox", "endpoints").out


def test_the_desk_shows_it() -> None:
    shown = run("--sandbox", "endpoints", "show", _NAME, "--json").document
    assert (shown["name"], shown["status"], shown["ours"]) == (_NAME, "InService", True)
    assert re.search(r"/sagemaker/sagewizard/sample/[\w-]+/model\.tar\.gz$", shown["model_data_uri"])
    assert "InService" in run("--sandbox", "endpoints", "show", _NAME).out


def test_it_answers_in_one_conversation() -> None:
    said = run("--sandbox", "chat", _NAME, "-m", "What is an endpoint?", "-m", "What does it cost?", "--json")
    assert said.code == 0, said.err
    document = said.document
    assert document["endpoint"] == _NAME
    assert len(document["answers"]) == 2
    for answer in document["answers"]:
        assert answer["text"].strip()
        assert answer["seconds"] > 0
        assert isinstance(answer["streamed"], bool)


def test_lines_of_stdin_are_said_and_only_answers_are_on_stdout() -> None:
    said = run("--sandbox", "chat", _NAME, send="What is an endpoint?\n\n")
    assert said.code == 0, said.err
    assert "endpoint" in said.out.lower()
    assert said.err == ""


def test_a_raw_request_is_answered_as_it_is(tmp_path: Path) -> None:
    body = json.dumps({"inputs": "An endpoint is", "parameters": {"max_new_tokens": 5, "do_sample": False}})
    (tmp_path / "body.json").write_text(body)
    piped = run("--sandbox", "invoke", _NAME, send=body)
    assert piped.code == 0, piped.err
    assert "generated_text" in json.loads(piped.out)[0]
    from_file = run("--sandbox", "invoke", _NAME, "--input", str(tmp_path / "body.json"), "--json").document
    assert json.loads(from_file["body"]) == json.loads(piped.out)
    assert from_file["variant"] == "AllTraffic"


def test_a_request_that_the_container_refuses_ends_with_1() -> None:
    refused = run("--sandbox", "invoke", _NAME, "--json", send="this is no JSON")
    assert refused.code == 1
    assert "400" in refused.document["error"]["message"]


def test_its_log_is_printed() -> None:
    assert "model_fn" in run("--sandbox", "endpoints", "logs", _NAME).out
    lines = run("--sandbox", "endpoints", "logs", _NAME, "--json").lines
    assert {"at", "stream", "text"} == set(lines[0])


def test_a_name_that_is_taken_is_refused() -> None:
    again = run("--sandbox", "deploy", "sample", "--name", _NAME, "--yes", "--json")
    assert again.code == 3
    assert (again.lines[-1]["kind"], _NAME in again.lines[-1]["cause"]) == ("failed", True)


def test_nothing_is_deleted_unless_somebody_says_yes(sandbox: RunningSandbox) -> None:
    before = inventory(sandbox, _NAME)
    refused = run("--sandbox", "endpoints", "delete", _NAME)
    assert refused.code == 2
    assert "--yes" in refused.err
    assert inventory(sandbox, _NAME) == before


def test_deleting_takes_everything(sandbox: RunningSandbox, deployed: Ended) -> None:
    assert {each.split()[0] for each in inventory(sandbox, _NAME)} == {"endpoint", "config", "model", "role", "object"}
    gone = run("--sandbox", "endpoints", "delete", _NAME, "--yes", "--json")
    assert gone.code == 0, gone.err
    assert {"endpoint", "endpoint_config", "model", "object", "role"} <= {
        each["kind"] for each in gone.document["deleted"]
    }
    assert inventory(sandbox, _NAME) == []
    found = run("deployments", "--sandbox", "--json").document["deployments"]
    assert {each["id"]: each["status"] for each in found}[deployed.lines[0]["deployment"]] == "deleted"
    absent = run("--sandbox", "endpoints", "show", _NAME)
    assert (absent.code, absent.out) == (1, "")


def test_a_deployment_does_not_tell_the_log_of_a_namesake_that_is_gone(tmp_path: Path) -> None:
    name, model = "cli-namesake", str(write_model(tmp_path / "model"))
    told: list[str] = []
    for said in ('print("of the first", flush=True)', ""):
        folder = tmp_path / str(len(told))
        template = write_template(folder / "template", f"{said}\n{held_back(folder / 'gate')}")
        arguments = ("--sandbox", "deploy", model, "--name", name, "--template", str(template), "--yes", "--json")
        with Background(folder, *arguments) as program:
            # The log comes after a while; once the endpoint is in service nobody waits for it any more.
            program.wait_for(lambda it: "still loading" in _log(it.events))
            (folder / "gate").touch()
            ended = program.end()
        assert ended.code == 0, ended.err
        told.append(_log(ended.lines))
        assert run("--sandbox", "endpoints", "delete", name, "--yes").code == 0
    assert "of the first" in told[0]
    assert "of the first" not in told[1]


def _log(events: list[dict[str, Any]]) -> str:
    return " ".join(event["message"] for event in events if event["kind"] == "log")
