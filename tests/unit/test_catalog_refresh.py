"""The catalog's data, made anew from botocore's list of types and EC2's descriptions."""

import gzip
import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from core.aws.clients import Clients
from core.errors import NotFoundError, RefusedError, SagewizardError, UsageError
from core.instances.catalog import catalog
from core.instances.catalog_refresh import (
    DATA_FILE,
    changes_between,
    data_document,
    document_text,
    fetch_descriptions,
    hosting_types,
    main,
    moto_descriptions,
    read_descriptions,
    refresh,
    row_from,
)

PACKAGED = json.loads(DATA_FILE.read_text(encoding="utf-8"))
DESCRIBED: dict[str, Any] = {
    "InstanceType": "g5.xlarge",
    "VCpuInfo": {"DefaultVCpus": 4},
    "MemoryInfo": {"SizeInMiB": 16384},
    "ProcessorInfo": {"SupportedArchitectures": ["x86_64", "i386"]},
    "InstanceStorageInfo": {"TotalSizeInGB": 250},
    "NetworkInfo": {"NetworkPerformance": "Up to 10 Gigabit"},
    "GpuInfo": {
        "Gpus": [{"Name": "A10G", "Manufacturer": "NVIDIA", "Count": 1, "MemoryInfo": {"SizeInMiB": 22888}}],
    },
}
ROW = {
    "vcpus": 4,
    "memory_mib": 16384,
    "architectures": ["i386", "x86_64"],
    "local_storage_gb": 250,
    "network": "Up to 10 Gigabit",
    "gpus": [{"name": "A10G", "manufacturer": "NVIDIA", "count": 1, "memory_mib": 22888}],
    "neuron": None,
}


def test_every_packaged_type_is_one_of_sagemakers() -> None:
    assert set(catalog()) <= set(hosting_types())


def test_every_packaged_row_is_what_ec2s_data_makes() -> None:
    described = moto_descriptions()
    for name, row in PACKAGED["types"].items():
        assert row_from(described[name.removeprefix("ml.")]) == row, name


def test_a_document_is_like_the_packaged_one() -> None:
    document = data_document(PACKAGED["types"], moto_descriptions())
    assert document_text(document) == document_text({**PACKAGED, "missing": []})
    assert document_text(PACKAGED) == DATA_FILE.read_text(encoding="utf-8")


def test_a_description_becomes_a_row() -> None:
    assert row_from(DESCRIBED) == ROW
    neuron = {"TotalNeuronDeviceMemoryInMiB": 32768, "NeuronDevices": [{"Name": "Inferentia2", "Count": 1}]}
    row = row_from({**DESCRIBED, "NeuronInfo": neuron, "GpuInfo": None, "InstanceStorageInfo": None})
    assert row is not None
    assert (row["neuron"], row["gpus"], row["local_storage_gb"]) == (neuron, [], 0)
    assert list(row["neuron"]) == ["NeuronDevices", "TotalNeuronDeviceMemoryInMiB"]  # whatever their order was


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        "g5",
        {},
        {**DESCRIBED, "VCpuInfo": 4},
        {**DESCRIBED, "VCpuInfo": {"DefaultVCpus": True}},
        {**DESCRIBED, "MemoryInfo": {"SizeInMiB": "many"}},
        {**DESCRIBED, "ProcessorInfo": {}},
    ],
)
def test_a_description_without_cpus_or_memory_is_none(wrong: object) -> None:
    assert row_from(wrong) is None


def test_what_was_added_removed_and_changed_is_told(tmp_path: Path) -> None:
    path = tmp_path / "instances.json"
    described = {"a.large": DESCRIBED, "b.large": DESCRIBED, "c.large": DESCRIBED}
    assert refresh(["ml.a.large", "ml.b.large", "ml.c.large"], described, path).added == (
        "ml.a.large",
        "ml.b.large",
        "ml.c.large",
    )
    assert json.loads(path.read_text())["types"] == dict.fromkeys(["ml.a.large", "ml.b.large", "ml.c.large"], ROW)
    larger = deepcopy(DESCRIBED)
    larger["InstanceStorageInfo"]["TotalSizeInGB"] = 600
    changes = refresh(["ml.b.large", "ml.c.large", "ml.d.large"], {"b.large": larger, "d.large": DESCRIBED}, path)
    assert changes.added == ("ml.d.large",)
    assert changes.removed == ("ml.a.large",)
    assert changes.changed == ("ml.b.large: local_storage_gb 250 → 600", "ml.c.large: has no data any more")
    assert json.loads(path.read_text())["missing"] == ["ml.c.large"]
    written = path.stat()
    again = refresh(["ml.b.large", "ml.c.large", "ml.d.large"], {"b.large": larger, "d.large": DESCRIBED}, path)
    assert not again
    assert path.stat().st_ino == written.st_ino
    back = changes_between(json.loads(path.read_text()), data_document(["ml.c.large"], {"c.large": DESCRIBED}))
    assert back.changed == ("ml.c.large: has data now",)


def test_data_of_fewer_than_half_of_the_types_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "instances.json"
    path.write_text(document_text(PACKAGED))
    with pytest.raises(RefusedError, match="only 1 of the 3"):
        refresh(["ml.a.large", "ml.b.large", "ml.c.large"], {"a.large": DESCRIBED}, path)
    with pytest.raises(RefusedError):
        refresh([], {"a.large": DESCRIBED}, path)
    assert path.read_text() == document_text(PACKAGED)


def test_a_data_file_that_is_none_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "instances.json"
    for content in ("{", "{}"):
        path.write_text(content)
        with pytest.raises(SagewizardError, match="cannot be made anew"):
            refresh(["ml.a.large"], {"a.large": DESCRIBED}, path)
        assert path.read_text() == content


def test_both_forms_of_ec2s_data_are_read_packed_or_not(tmp_path: Path) -> None:
    path = tmp_path / "data"
    for document in ({"InstanceTypes": [DESCRIBED, "junk"]}, {"g5.xlarge": DESCRIBED}):
        for content in (json.dumps(document).encode(), gzip.compress(json.dumps(document).encode())):
            path.write_bytes(content)
            assert read_descriptions(path) == {"g5.xlarge": DESCRIBED}


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, gzip.compress(b"{}" * 99)[:40], b"\x1f\x8bjunk", b"3"],
    ids=["nothing", "unclosed", "a list", "no text", "deep", "cut short", "not packed", "a number"],
)
def test_what_is_no_data_of_ec2_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "data"
    path.write_bytes(content)
    with pytest.raises(UsageError):
        read_descriptions(path)


def test_an_absent_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        read_descriptions(tmp_path / "none")


class OneClient(Clients):
    """Clients of which only EC2's exists, and that one is a stubbed one."""

    def __init__(self, region: str) -> None:
        super().__init__(region=region)
        self.client = boto3.client(
            "ec2", region_name=region, aws_access_key_id="not-a-key", aws_secret_access_key="not-a-secret"
        )

    def get(self, service: str) -> Any:
        assert service == "ec2"
        return self.client


@pytest.fixture
def regions() -> Iterator[list[OneClient]]:
    clients = [OneClient("us-east-1"), OneClient("us-west-2")]
    small = {"InstanceType": "m5.large", "VCpuInfo": {"DefaultVCpus": 2}}
    with Stubber(clients[0].client) as first, Stubber(clients[1].client) as second:
        first.add_response("describe_instance_types", {"InstanceTypes": [DESCRIBED], "NextToken": "more"}, {})
        first.add_response("describe_instance_types", {"InstanceTypes": []}, {"NextToken": "more"})
        other = {**DESCRIBED, "MemoryInfo": {"SizeInMiB": 1}}
        second.add_response("describe_instance_types", {"InstanceTypes": [other, small]}, {})
        yield clients
        first.assert_no_pending_responses()
        second.assert_no_pending_responses()


def test_several_regions_add_to_each_other(regions: list[OneClient]) -> None:
    found = fetch_descriptions(regions)
    assert set(found) == {"g5.xlarge", "m5.large"}
    assert row_from(found["g5.xlarge"]) == ROW


def test_the_program_tells_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "instances.json"
    named = {**PACKAGED, "types": {**PACKAGED["types"], "ml.old.large": ROW}}
    path.write_text(document_text(named))
    assert main([], path) == 0
    assert "Removed ml.old.large\n" in capsys.readouterr().out
    assert json.loads(path.read_text())["types"].keys() >= PACKAGED["types"].keys()
    few = tmp_path / "few.json"
    few.write_text(json.dumps({"InstanceTypes": [DESCRIBED]}))
    assert main(["--ec2-data", str(few)], path) == 3
    assert "nothing is written" in capsys.readouterr().err
