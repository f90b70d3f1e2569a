"""A model that brings code of its own: it runs in the container when the person says so, and not otherwise."""

import json
from pathlib import Path

import pytest

from core.models.reference import SampleReference
from tests.e2e.program import run

CODE = """
from transformers import GPTNeoConfig, GPTNeoForCausalLM

from .numbers_of_mine import ANSWER


class OwnConfig(GPTNeoConfig):
    model_type = "own_neo"


class OwnModel(GPTNeoForCausalLM):
    config_class = OwnConfig

    def generate(self, *args, **kwargs):
        print("own code runs:", ANSWER, flush=True)
        return super().generate(*args, **kwargs)
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The sample model under an architecture that only its own code knows."""
    folder = tmp_path / "own"
    folder.mkdir()
    for path in SampleReference().path.iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "own_neo",
        "architectures": ["OwnForCausalLM"],
        "auto_map": {"AutoConfig": "modeling_own.OwnConfig", "AutoModelForCausalLM": "modeling_own.OwnModel"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "modeling_own.py").write_text(CODE)
    (folder / "numbers_of_mine.py").write_text("ANSWER = 42\n")
    return folder


def test_without_trust_no_code_is_packaged(sandbox_home: Path, model: Path) -> None:
    ended = run("--sandbox", "plan", str(model), "--json")
    assert ended.code == 0, ended.err
    assert "Warning: The model brings code of its own" in ended.err
    plan = ended.document
    assert plan["model"]["remote_code"] is False
    assert not any(file["path"].endswith(".py") for file in plan["model"]["files"])
    assert "HF_TRUST_REMOTE_CODE" not in plan["container"]["environment"]


def test_trusted_code_is_pinned_packaged_and_run(sandbox_home: Path, model: Path, tmp_path: Path) -> None:
    file = tmp_path / "own.plan.json"
    ended = run("--sandbox", "plan", str(model), "--name", "own", "--trust-remote-code", "-o", str(file))
    assert ended.code == 0, ended.err
    plan = json.loads(file.read_text())
    assert {"modeling_own.py", "numbers_of_mine.py"} <= {each["path"] for each in plan["model"]["files"]}
    assert plan["container"]["environment"]["HF_TRUST_REMOTE_CODE"] == "true"

    deployed = run("--sandbox", "deploy", str(file), "--yes")
    assert deployed.code == 0, deployed.err
    chatted = run("--sandbox", "chat", "own", "-m", "What is an endpoint?", "--json")
    assert "behind an HTTPS address" in chatted.document["answers"][0]["text"]
    logs = run("--sandbox", "endpoints", "logs", "own")
    assert "own code runs: 42" in logs.out
    assert run("--sandbox", "endpoints", "delete", "own", "--yes").code == 0
