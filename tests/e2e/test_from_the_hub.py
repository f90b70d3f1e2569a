"""The walkthrough's model, from the Hub to a chat: a repository with four copies of its weights, and a token."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from core.models.reference import SampleReference
from tests.conftest import paths_under
from tests.e2e.program import run
from tests.stand_in_hub import Ghost, StandInHub

_TOKEN = "hf_a_secret_of_somebody"
_COPIES = ("flax_model.msgpack", "pytorch_model.bin", "rust_model.ot")


@pytest.fixture
def hub() -> Iterator[StandInHub]:
    with StandInHub(token=_TOKEN) as hub:
        files: dict[str, bytes | Ghost] = {
            path.name: path.read_bytes() for path in SampleReference().path.iterdir() if path.is_file()
        }
        files |= dict.fromkeys(_COPIES, Ghost(5_000_000))
        fields = {"pipeline_tag": "text-generation", "library_name": "transformers"}
        hub.add("EleutherAI/gpt-neo-125m", files, fields=fields, gated="auto")
        yield hub


def _events(lines: list[dict[str, Any]], stage: str, kind: str) -> list[dict[str, Any]]:
    return [event for event in lines if (event["stage"], event["kind"]) == (stage, kind)]


def test_the_model_of_the_walkthrough_is_deployed_and_answers(hub: StandInHub, sandbox_home: Path) -> None:
    environment = {"HF_ENDPOINT": hub.url, "HF_TOKEN": _TOKEN, "SAGEWIZARD_SANDBOX": "1"}
    deployed = run("deploy", "EleutherAI/gpt-neo-125m", "--name", "from-hub", "--yes", "--json", env=environment)
    assert deployed.code == 0, deployed.err
    events = deployed.lines
    assert (events[-1]["stage"], events[-1]["kind"], events[-1]["endpoint"]) == ("ready", "finished", "from-hub")

    fetched = {request.path.rsplit("/", 1)[-1].split("?")[0] for request in hub.requests}
    assert "model.safetensors" in fetched
    assert not fetched & set(_COPIES)

    chatted = run("chat", "from-hub", "-m", "What is an endpoint?", "--json", env=environment)
    assert "behind an HTTPS address" in chatted.document["answers"][0]["text"]

    shown = run("deployments", "--json", env=environment)
    (deployment,) = [each for each in shown.document["deployments"] if each["endpoint"] == "from-hub"]
    assert deployment["model"].startswith("EleutherAI/gpt-neo-125m")
    for path in paths_under(sandbox_home):
        with suppress(FileNotFoundError):  # the sandbox goes on writing, and clears away what it had written
            assert not path.is_file() or _TOKEN.encode() not in path.read_bytes(), f"the token is in {path}"
    assert _TOKEN not in deployed.out + deployed.err + json.dumps(shown.document)

    deleted = run("endpoints", "delete", "from-hub", "--yes", env=environment)
    assert deleted.code == 0, deleted.err


def test_a_flipped_bit_on_the_way_stops_the_run_and_leaves_nothing(hub: StandInHub, sandbox_home: Path) -> None:
    hub.fault("^cdn:", flip=1_000_000, times=9)
    environment = {"HF_ENDPOINT": hub.url, "HF_TOKEN": _TOKEN, "SAGEWIZARD_SANDBOX": "1"}
    ended = run("deploy", "EleutherAI/gpt-neo-125m", "--name", "flipped", "--yes", "--json", env=environment)
    assert ended.code == 1
    last = ended.lines[-1]
    assert (last["stage"], last["kind"]) == ("package", "failed")
    assert "model.safetensors" in last["cause"]
    assert not _events(ended.lines, "upload", "finished")
    assert _events(ended.lines, "rollback", "finished")
    listed = run("deployments", "--json", env=environment).document["deployments"]
    (flipped,) = [deployment for deployment in listed if deployment["endpoint"] == "flipped"]
    assert {(each["kind"], each["state"]) for each in flipped["resources"]} <= {
        ("object", "deleted"),
        ("bucket", "deleted"),
        ("bucket", "kept"),
    }


def test_a_gated_model_without_a_token_says_where_to_ask(hub: StandInHub, sandbox_home: Path) -> None:
    environment = {"HF_ENDPOINT": hub.url, "SAGEWIZARD_SANDBOX": "1"}
    ended = run("deploy", "EleutherAI/gpt-neo-125m", "--yes", env=environment)
    assert ended.code == 1
    assert f"{hub.url}/EleutherAI/gpt-neo-125m" in ended.err
