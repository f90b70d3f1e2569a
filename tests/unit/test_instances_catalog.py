"""What the catalog knows of instance types."""

import pytest

from core.instances.catalog import Gpu, catalog, find_instance_type


def test_the_compute_capability_of_every_gpu_is_known() -> None:
    assert [each.name for each in catalog().values() if each.gpu and each.gpu.compute_capability is None] == []


@pytest.mark.parametrize(
    ("name", "capability"),
    [
        ("ml.g4dn.xlarge", (7, 5)),
        ("ml.p4d.24xlarge", (8, 0)),
        ("ml.g5.xlarge", (8, 6)),
        ("ml.g6.xlarge", (8, 9)),
        ("ml.g6e.xlarge", (8, 9)),
        ("ml.p5.48xlarge", (9, 0)),
        ("ml.p5en.48xlarge", (9, 0)),
        ("ml.p6-b200.48xlarge", (10, 0)),
        ("ml.p6-b300.48xlarge", (10, 3)),
        ("ml.g7.2xlarge", (12, 0)),
        ("ml.g7e.2xlarge", (12, 0)),
    ],
)
def test_compute_capabilities_are_nvidias(name: str, capability: tuple[int, int]) -> None:
    gpu = find_instance_type(name).gpu
    assert gpu is not None
    assert gpu.compute_capability == capability


def test_of_a_gpu_nobody_knows_there_is_none() -> None:
    assert Gpu("Z1", 1, 2**30).compute_capability is None
