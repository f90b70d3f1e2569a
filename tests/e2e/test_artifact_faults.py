"""Artifacts whose making meets faults of the Hub, of S3 and of the network between: right in the end, or none at all."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.artifacts.manifest import ArtifactForm
from core.errors import SagewizardError, SignInExpiredError, UnreachableError
from core.models.reference import FolderReference
from tests.e2e.stand import Stand
from tests.e2e.transfers import MODEL, WEIGHTS, Transfers, several_parts
from tests.s3_front import S3Front
from tests.stand_in_hub import StandInHub

FORMS: tuple[ArtifactForm, ...] = ("archive", "prefix")
both_forms = pytest.mark.parametrize("form", FORMS)
PART = {"method": "PUT", "query": "partNumber="}
COMPLETE = {"method": "POST", "query": "uploadId="}
OBJECT = {"method": "PUT", "path": "/(config.json|manifest.json)$"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("several-parts") / "model"
    several_parts(folder)
    return folder


@pytest.fixture
def here(stand: Stand, model: Path) -> Iterator[Transfers]:
    with StandInHub() as hub, S3Front(stand.account.clients.endpoint_url or "") as front:
        hub.add(MODEL, several_parts(model), fields={"pipeline_tag": "text-generation", "library_name": "transformers"})
        yield Transfers(stand, hub, front, several_parts(model))


@both_forms
def test_x(here: Transfers, form: ArtifactForm) -> None:
    import time
    t=time.time()
    plan = here.plan("x", form)
    print("plan", time.time()-t); t=time.time()
    i = here.store(plan)
    print("store", time.time()-t); t=time.time()
    here.is_right(i, form)
    print("right", time.time()-t); t=time.time()
    for r in here.front.requests: print(r)
    here.roll_back(i)
    print("roll", time.time()-t); t=time.time()
    assert here.left_of(i) == []
    assert 0
