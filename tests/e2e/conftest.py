"""What the tests of whole runs stand on."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from core.account import open_account
from tests.e2e.stand import Stand
from tests.e2e.transfers import MODEL, Transfers, write_several_parts
from tests.s3_front import S3Front
from tests.stand_in_hub import StandInHub


@pytest.fixture
def stand(sandbox_home: Path, tmp_path: Path) -> Stand:
    return Stand(open_account(sandbox=True), tmp_path)


@pytest.fixture(scope="session")
def several_parts(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """The files of a model that is stored in several parts."""
    return write_several_parts(tmp_path_factory.mktemp("several-parts") / "model")


@pytest.fixture
def transfers(stand: Stand, several_parts: Mapping[str, bytes]) -> Iterator[Transfers]:
    """The model on a stand-in Hub, and a front before the sandbox."""
    with StandInHub() as hub, S3Front(stand.account.clients.endpoint_url or "") as front:
        fields = {"pipeline_tag": "text-generation", "library_name": "transformers"}
        hub.add(MODEL, several_parts, fields=fields)
        yield Transfers(stand, hub, front, several_parts)
