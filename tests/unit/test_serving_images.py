import re
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import RefusedError
from core.instances.catalog import InstanceType, catalog, find_instance_type
from core.serving import images
from core.serving.engines import ENGINES, engine_of_image
from core.serving.images import ContainerImage, huggingface_image, image_repository_arn

WORKING = {"t2", "m5", "c5", "m6i", "c6i", "r7i", "g4dn", "g5", "g6", "g6e", "p4d", "p5", "p5en"}
"""Families that must get an image: x86 processors, and NVIDIA GPUs before Blackwell."""


def image_or_refusal(instance: InstanceType, region: str) -> ContainerImage | RefusedError:
    try:
        return huggingface_image(instance, region)
    except RefusedError as refusal:
        return refusal


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "cn-north-1", "us-gov-west-1", "il-central-1"])
def test_every_type_gives_an_image_that_fits_its_processor_or_a_refusal(region: str) -> None:
    for name, instance in catalog().items():
        family = instance.family.removeprefix("ml.")
        image = image_or_refusal(instance, region)
        if isinstance(image, RefusedError):
            assert name in image.message
            assert image.fix
            assert family not in WORKING
            continue
        assert "x86_64" in instance.architectures
        assert not instance.neuron
        assert not re.match(r"(inf|trn|dl)\d|[a-z]+\d+g|p6|g7", family)  # Neuron, Gaudi, Graviton, Blackwell
        tag = image.uri.rpartition(":")[2]
        assert image.accelerator == instance.accelerator
        assert f"-{image.accelerator}-" in tag
        assert ("-cu" in tag) == (image.cuda is not None) == bool(instance.gpu) == bool(image.inference_ami_version)
        assert f".{region}." in image.uri


@pytest.mark.parametrize(
    ("name", "region", "uri", "cuda", "host"),
    [
        ("ml.m5.large", "us-east-1", r"763104351884\.dkr\.ecr\.us-east-1\.amazonaws\.com/.*-cpu-.*", None, None),
        (
            "ml.g5.xlarge",
            "eu-west-1",
            r"763104351884\.dkr\.ecr\.eu-west-1\.amazonaws\.com/.*-gpu-.*",
            "12.4",
            "al2-ami",
        ),
        ("ml.g5.xlarge", "cn-north-1", r"727897471807\..*\.amazonaws\.com\.cn/.*-gpu-.*", "12.4", "al2-ami"),
    ],
)
def test_the_image_is_of_the_region_and_the_host_image_runs_its_cuda(
    name: str, region: str, uri: str, cuda: str | None, host: str | None
) -> None:
    image = huggingface_image(find_instance_type(name), region)
    assert re.fullmatch(uri, image.uri)
    assert re.search(r"huggingface-pytorch-inference:.*-transformers(4\.(49|5)|5\.)", image.uri)
    assert image.cuda == cuda
    assert image.inference_ami_version == (host and f"{host}-sagemaker-inference-gpu-3-1")
    assert f"transformers{image.version}" in image.uri


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("ml.inf2.xlarge", "Neuron"),
        ("ml.c7g.large", "arm64"),
        ("ml.r8g.large", "arm64"),
        ("ml.p6-b200.48xlarge", r"B200 GPUs need CUDA 12\.8, and the image has 12\.4"),
        ("ml.p3.2xlarge", "not known"),
    ],
)
def test_a_refusal_says_why(name: str, why: str) -> None:
    with pytest.raises(RefusedError, match=why):
        huggingface_image(find_instance_type(name), "us-east-1")


def test_an_unknown_region_is_refused() -> None:
    with pytest.raises(RefusedError, match="moon-1: AWS publishes no such image in this region"):
        huggingface_image(find_instance_type("ml.m5.large"), "moon-1")


def test_versions_are_walked_back_where_a_region_lacks_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    from sagemaker.core import image_uris

    real, asked = image_uris.retrieve, []

    def without_the_newest(framework: str, region: str, **given: str) -> str:
        asked.append(given["version"])
        if len(asked) == 1:
            raise ValueError("Unsupported region: eu-west-3. Supported region(s): us-east-1.")
        return str(real(framework, region, **given))

    monkeypatch.setattr(image_uris, "retrieve", without_the_newest)
    images._retrieve.cache_clear()
    image = huggingface_image(find_instance_type("ml.m5.large"), "eu-west-3")
    assert len(asked) == 2
    assert images._order(asked[0]) > images._order(asked[1])
    assert image.version == asked[1]
    images._retrieve.cache_clear()


def test_a_cuda_image_that_the_sdk_gives_for_a_cpu_type_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = "763104351884.dkr.ecr.us-east-1.amazonaws.com/x:1-gpu-py312-cu124-ubuntu22.04"
    monkeypatch.setattr(images, "_retrieve", lambda *_: wrong)
    with pytest.raises(RefusedError, match="not a cpu image"):
        huggingface_image(find_instance_type("ml.m5.large"), "us-east-1")


@pytest.mark.parametrize(
    ("tag", "host"),
    [
        ("1-gpu-py312-cu130-ubuntu24.04", "al2023-ami-sagemaker-inference-gpu-4-1"),
        ("1-gpu-py312-cu128-ubuntu24.04", "al2-ami-sagemaker-inference-gpu-3-1"),
    ],
)
def test_the_host_image_follows_the_cuda(monkeypatch: pytest.MonkeyPatch, tag: str, host: str) -> None:
    monkeypatch.setattr(images, "_retrieve", lambda *_: f"1.dkr.ecr.us-east-1.amazonaws.com/x:{tag}")
    blackwell = find_instance_type("ml.p6-b200.48xlarge")
    assert huggingface_image(blackwell, "us-east-1").inference_ami_version == host


@pytest.mark.parametrize(
    ("uri", "partition", "arn"),
    [
        (
            "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-inference:2.6.0-cpu",
            "aws",
            "arn:aws:ecr:us-east-1:763104351884:repository/huggingface-pytorch-inference",
        ),
        (
            "727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn/team/x@sha256:00",
            "aws-cn",
            "arn:aws-cn:ecr:cn-north-1:727897471807:repository/team/x",
        ),
    ],
)
def test_the_repository_of_an_image_as_an_arn(uri: str, partition: str, arn: str) -> None:
    assert image_repository_arn(uri, partition) == arn


@pytest.mark.parametrize("uri", ["", "ubuntu:24.04", "public.ecr.aws/x/y:1", "763104351884.dkr.ecr.us-east-1.x.com/"])
def test_an_image_from_elsewhere_is_refused(uri: str) -> None:
    with pytest.raises(RefusedError, match="not an image in Amazon ECR"):
        image_repository_arn(uri, "aws")


def test_an_engine_is_told_from_its_image() -> None:
    image = huggingface_image(find_instance_type("ml.g5.xlarge"), "us-east-1")
    assert engine_of_image(image.uri) == "huggingface"
    assert engine_of_image("1.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-inference@sha256:0") == "huggingface"
    assert engine_of_image("1.dkr.ecr.us-east-1.amazonaws.com/mine/huggingface-pytorch-inference-neuronx:1") is None
    assert engine_of_image("") is None


def test_engine_environments_are_within_sagemakers_limits() -> None:
    for name, engine in ENGINES.items():
        assert engine.name == name
        assert len(engine.environment) <= 100
        assert all(re.fullmatch(r"[a-zA-Z_]\w{0,1023}", key) for key in engine.environment)
        assert all(len(value) <= 1024 for value in engine.environment.values())
        assert "HF_MODEL_ID" not in engine.environment


def test_choosing_an_image_prints_nothing_and_needs_no_network(tmp_path: Path) -> None:
    program = (
        "import socket\n"
        "def refuse(*a, **k): raise AssertionError('network')\n"
        "socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse\n"
        "from core.instances.catalog import find_instance_type\n"
        "from core.serving.images import huggingface_image\n"
        "assert huggingface_image(find_instance_type('ml.g5.xlarge'), 'us-east-1').cuda\n"
    )
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(images.__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_importing_the_module_does_not_import_the_sdk() -> None:
    program = "import sys, core.serving.images, core.serving.templates; assert 'sagemaker' not in sys.modules"
    root = Path(images.__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", program], cwd=root).returncode == 0


def test_a_type_without_a_specification_is_refused() -> None:
    unknown = InstanceType("ml.new9.large", 0, 0, 0, (), None, neuron=False)
    with pytest.raises(RefusedError, match=r"ml\.new9\.large: its processor is not known"):
        huggingface_image(unknown, "us-east-1")
