"""`code/requirements.txt` installed when who starts the sandbox asks for it: from a folder, without an index."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.sandbox.containers.requirements import INSTALL_VARIABLE
from tests.contract.hosting_plant import ECHO, Plant, archive_of, files_of

_CODE = ECHO.replace("import json", "import sagewizard_wheel_of_the_test, json", 1)


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plant]:
    wheel = tmp_path / "wheels" / "sagewizard_wheel_of_the_test-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    info = "sagewizard_wheel_of_the_test-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("sagewizard_wheel_of_the_test.py", "")
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: sagewizard-wheel-of-the-test\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    plant = Plant(tmp_path / "work")
    yield plant
    plant.close()


def _uri(plant: Plant, requirements: str) -> str:
    files = {**files_of(code=_CODE), "code/requirements.txt": requirements.encode()}
    return plant.upload(archive_of(files))


def test_a_package_that_is_asked_for_is_installed(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(INSTALL_VARIABLE, "1")
    uri = _uri(plant, "sagewizard-wheel-of-the-test==1.0\n")
    record = plant.in_service(plant.variant(uri=uri))
    assert b"echo" in plant.invoke(record)["Body"].read()
    plant.remove(record)


def test_without_being_asked_nothing_is_installed_and_the_log_says_what_is_lacking(plant: Plant) -> None:
    record = plant.settled(plant.launch(plant.variant(uri=_uri(plant, "sagewizard-wheel-of-the-test==1.0\n"))))
    assert record.status == "Failed"
    assert any("sagewizard-wheel-of-the-test==1.0: not installed" in line for line in plant.log(record))
    plant.remove(record)


def test_a_package_that_cannot_be_had_fails_the_endpoint_with_pips_words(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(INSTALL_VARIABLE, "1")
    record = plant.settled(plant.launch(plant.variant(uri=_uri(plant, "no-such-package-of-the-test==1\n"))))
    assert record.status == "Failed"
    assert any("no-such-package-of-the-test" in line and "ERROR" in line for line in plant.log(record))
    plant.remove(record)
