"""Weights that the Hub calls unsafe: refused when a model is looked at, and when a plan made before is run."""

from dataclasses import replace
from pathlib import Path

import pytest

from core.cancellation import CancelToken
from core.deployments.preflight import open_planned_source
from core.errors import RefusedError
from core.models.facts import ModelFacts
from core.models.hub import HubClient
from core.models.inspection import inspect_model
from core.models.reference import HubReference
from core.models.weight_set import select_weight_set
from tests.stand_in_hub import StandInHub, safetensors
from tests.unit.plans import a_plan

_FILES = {"config.json": b'{"architectures": ["LlamaForCausalLM"]}', "tokenizer.json": b"{}"}
_SCAN = {
    "securityRepoStatus": {"scansDone": True, "filesWithIssues": [{"path": "pytorch_model.bin", "level": "unsafe"}]}
}
_NAME = "acme/tiny"


def look(hub: StandInHub) -> ModelFacts:
    return inspect_model(HubReference(_NAME), HubClient(hub.url, pause=0.01), CancelToken())


def test_a_model_whose_only_weights_are_unsafe_is_refused() -> None:
    with StandInHub() as hub:
        hub.add(_NAME, {**_FILES, "pytorch_model.bin": b"x" * 10}, fields=_SCAN)
        with pytest.raises(RefusedError, match=r"pytorch_model\.bin of acme/tiny unsafe"):
            select_weight_set(look(hub))


def test_safetensors_beside_unsafe_pickles_are_taken_with_a_warning() -> None:
    with StandInHub() as hub:
        files = {**_FILES, "pytorch_model.bin": b"x" * 10, "model.safetensors": safetensors()}
        hub.add(_NAME, files, fields=_SCAN)
        facts = look(hub)
        assert select_weight_set(facts).format == "safetensors"
        assert "The Hub's scans found fault with pytorch_model.bin." in facts.warnings


def test_a_plan_is_not_run_once_its_weights_are_called_unsafe(tmp_path: Path) -> None:
    with StandInHub() as hub:
        stored = hub.add(_NAME, {**_FILES, "pytorch_model.bin": b"x" * 10})
        facts, client = look(hub), HubClient(hub.url, pause=0.01)
        plan = a_plan()
        model = replace(
            plan.model, reference=_NAME, revision=facts.revision, weight_format="pytorch", files=facts.files
        )
        plan = replace(plan, model=model)
        open_planned_source(plan, client, CancelToken())
        stored.fields = _SCAN
        with pytest.raises(RefusedError, match="unsafe"):
            open_planned_source(plan, client, CancelToken())
