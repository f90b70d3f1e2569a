"""Pickled weights that become safetensors on their way to an endpoint."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from core.account import open_account
from core.cancellation import CancelToken
from core.deployments.events import Event
from core.deployments.plan_file import plan_from, plan_to_json
from core.deployments.runner import deploy
from core.endpoints.invocation import invoke
from core.errors import CancelledByUser, RefusedError, SagewizardError, UsageError
from core.folders import cache_folder
from core.models.reference import SampleReference
from tests.checkpoints import pickle_weights, pickled
from tests.e2e.program import ROOT, environment, run
from tests.e2e.small_model import write_model
from tests.e2e.stand import Stand


class _System:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """The sample model with its weights as a pickle."""
    folder = tmp_path / "sample"
    folder.mkdir()
    for path in SampleReference().path.iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    return pickle_weights(folder)


@pytest.fixture
def small(stand: Stand) -> Stand:
    """A stand whose model has pickled weights."""
    pickle_weights(write_model(stand.folder / "model"))
    return stand


def staged() -> list[str]:
    """What lies where archives and weights lie while a run goes on."""
    return sorted(path.name for path in (cache_folder() / "staging").glob("*"))


def artifact_of(stand: Stand, name: str) -> dict[str, bytes]:
    """The files of the archive that an endpoint's model is made of."""
    described = stand.account.clients.get("sagemaker").describe_model(ModelName=name)
    bucket, _, key = described["PrimaryContainer"]["ModelDataUrl"].removeprefix("s3://").partition("/")
    body = stand.account.clients.get("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        return {member.name: found.read() for member in archive if (found := archive.extractfile(member))}


def test_the_program_deploys_a_pickled_model_that_answers(sandbox_home: Path, sample: Path, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    planned = run("--sandbox", "plan", str(sample), "--name", "pickled", "--convert-weights", "-o", str(file))
    assert planned.code == 0, planned.err
    assert "--convert-weights" in planned.err, "the caution says what can be done about it"
    assert json.loads(file.read_text())["artifact"]["convert"] is True
    deployed = run("--sandbox", "deploy", str(file), "--yes", "--json")
    assert deployed.code == 0, deployed.err
    told = [event for event in deployed.lines if (event["stage"], event["unit"]) == ("package", "bytes")]
    assert len({event["total"] for event in told}) == 1, "the total is known from the start"
    assert told[-1]["done"] == told[-1]["total"] > (sample / "pytorch_model.bin").stat().st_size // 2
    chatted = run("--sandbox", "chat", "pickled", "-m", "What is an endpoint?", "--json")
    assert "behind an HTTPS address" in chatted.document["answers"][0]["text"]
    assert run("--sandbox", "endpoints", "delete", "pickled", "--yes").code == 0


def test_the_artifact_of_a_run_holds_safetensors_and_no_pickle(small: Stand) -> None:
    identifier = small.deploy(small.plan("converted", convert=True))
    answer = invoke(small.account, "converted", b'"hello"', content_type="application/json", cancel=CancelToken())
    assert b"heard hello" in answer.body
    files = artifact_of(small, "converted")
    assert not [name for name in files if name.endswith(".bin")]
    (small.folder / "out").write_bytes(files["model.safetensors"])
    assert torch.equal(load_file(small.folder / "out")["w"], torch.zeros(8))
    assert staged() == []
    small.remove(identifier)


def test_without_being_asked_nothing_is_converted(small: Stand) -> None:
    identifier = small.deploy(small.plan("as-it-is"))
    assert "pytorch_model.bin" in artifact_of(small, "as-it-is")
    small.remove(identifier)


def test_packages_are_converted_the_same_each_time(sandbox_home: Path, sample: Path, tmp_path: Path) -> None:
    made = []
    for name in ("one.tar.gz", "two.tar.gz"):
        ended = run("package", str(sample), "-o", str(tmp_path / name), "--convert-weights", "--json")
        assert ended.code == 0, ended.err
        made.append(ended.document)
    assert made[0]["sha256"] == made[1]["sha256"]
    names = {file["name"] for file in made[0]["files"]}
    assert "model.safetensors" in names
    assert not any(name.endswith(".bin") for name in names)
    assert staged() == []


@pytest.mark.parametrize("command", [("package", "-o", "x"), ("plan",), ("deploy", "--yes")])
def test_a_model_without_pickles_is_a_usage_error(sandbox_home: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    ended = run("--sandbox", *command, "sample", "--convert-weights", cwd=tmp_path)
    assert ended.code == 2, ended.err
    assert "There is nothing to convert" in ended.err
    assert list(tmp_path.glob("x*")) == []


def test_plans_of_before_are_read_and_may_be_converted_by_an_option(small: Stand) -> None:
    plan = small.plan("older")
    document = json.loads(plan_to_json(plan))
    del document["artifact"]["convert"]
    assert plan_from(document) == plan
    file = small.folder / "older.plan.json"
    file.write_text(json.dumps(document))
    ended = run("--sandbox", "deploy", str(file), "--convert-weights", "--yes")
    assert ended.code == 0, ended.err
    assert "model.safetensors" in artifact_of(small, "older")
    assert run("--sandbox", "endpoints", "delete", "older", "--yes").code == 0
    document["artifact"]["convert"] = True
    document["model"]["weight_format"] = "safetensors"
    document["model"]["files"][-1]["path"] = "model.safetensors"
    document["model"]["files"] = [each for each in document["model"]["files"] if not each["path"].endswith(".bin")]
    with pytest.raises(UsageError):
        plan_from(document)


def test_pickles_that_run_something_are_refused_and_nothing_is_left(small: Stand) -> None:
    sentinel = small.folder / "it ran"
    evil = {"w": _System(f"touch {sentinel}")}
    torch.save(evil, small.folder / "model" / "pytorch_model.bin")
    with pytest.raises(RefusedError, match=r"asks to run posix\.system"):
        small.deploy(small.plan("evil", convert=True))
    assert not sentinel.exists()
    assert small.events[-1].stage == "package"
    assert staged() == []
    assert small.left_of("evil") == []
    assert b"posix" in pickled(evil), "the weights are what they are meant to be"


@pytest.mark.parametrize("when", ["started", "progress"])
def test_stopping_leaves_no_folder(small: Stand, when: str) -> None:
    torch.save(OrderedDict(w=torch.zeros(2**21)), small.folder / "model" / "pytorch_model.bin")
    plan, cancel = small.plan("stopped", convert=True), CancelToken()

    def emit(event: Event) -> None:
        if event.stage == "package" and event.kind == when:
            cancel.cancel()

    with pytest.raises(CancelledByUser):
        deploy(plan, small.account, small.hub, emit=emit, cancel=cancel)
    assert staged() == []
    assert small.left_of("stopped") == []


def test_weights_that_changed_since_the_plan_are_refused(small: Stand) -> None:
    plan = small.plan("changed", convert=True)
    torch.save(OrderedDict(w=torch.zeros(1000)), small.folder / "model" / "pytorch_model.bin")
    with pytest.raises(SagewizardError, match=r"pytorch_model\.bin .*(not as it was|listed with)"):
        small.deploy(plan)
    assert staged() == []


def test_weights_that_change_after_they_were_looked_at_are_refused_unread(small: Stand) -> None:
    path = small.folder / "model" / "pytorch_model.bin"
    plan = small.plan("swapped", convert=True)

    def emit(event: Event) -> None:
        if event.stage == "package" and event.kind == "started":
            torch.save({"w": _System("true")}, path)

    with pytest.raises(SagewizardError, match=r"pytorch_model\.bin has|pytorch_model\.bin is larger") as told:
        deploy(plan, small.account, small.hub, emit=emit, cancel=CancelToken())
    assert not isinstance(told.value, RefusedError), "it is the bytes that are refused, before what is in them"
    assert staged() == []
    assert small.left_of("swapped") == []


def test_what_a_kill_leaves_goes_with_the_next_run(sandbox_home: Path, small: Stand) -> None:
    program = (
        "import os, signal, sys, core.artifacts.converted_weights as weights\n"
        "weights.ConvertedWeights.read_part = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from tui import cli\n"
        "cli.run(sys.argv[1:])\n"
    )
    model, target = str(small.folder / "model"), str(small.folder / "killed.tar.gz")
    arguments = ("package", model, "-o", target, "--convert-weights")
    killed = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=environment(), cwd=ROOT, timeout=120, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(staged()) == 2, "the folder and its lock"
    ended = run(*arguments)
    assert ended.code == 0, ended.err
    assert staged() == []


@pytest.mark.parametrize("command", [("package", "-o", "artifact"), ("deploy", "--yes", "--name", "kept-off-the-disk")])
def test_the_disk_that_converting_may_use_is_what_is_allowed(small: Stand, command: tuple[str, ...]) -> None:
    s3 = small.account.clients.get("s3")
    s3.create_bucket(Bucket="pickles-of-mine")
    for path in sorted((small.folder / "model").iterdir()):
        s3.put_object(Bucket="pickles-of-mine", Key=f"model/{path.name}", Body=path.read_bytes())
    options = ("--convert-weights", "--disk", "0")
    ended = run("--sandbox", *command, "s3://pickles-of-mine/model/", *options, cwd=small.folder)
    assert ended.code == 3, ended.err
    assert "of disk space, and 0 B is allowed" in ended.err
    assert "--disk" in ended.err
    assert not (small.folder / "artifact").exists()
    assert small.left_of("kept-off-the-disk") == []
    assert staged() == []


def test_what_is_fetched_to_be_converted_is_told_of_and_slowed_down(sandbox_home: Path, sample: Path) -> None:
    s3 = open_account(sandbox=True).clients.get("s3")
    s3.create_bucket(Bucket="slow-pickles")
    for path in sorted(sample.iterdir()):
        s3.put_object(Bucket="slow-pickles", Key=f"model/{path.name}", Body=path.read_bytes())
    options = ("--convert-weights", "--limit-rate", "2MB", "--name", "slowly", "--no-wait", "--json", "--yes")
    ended = run("--sandbox", "deploy", "s3://slow-pickles/model/", *options)
    assert ended.code == 0, ended.err
    reading = [event for event in ended.lines if event["stage"] == "package" and event["kind"] == "progress"]
    assert max(event["rate"] for event in reading if event.get("rate")) < 3_000_000
    weights = [event for event in reading if event.get("file") == "model.safetensors"]
    assert any(0 < event["file_done"] < event["file_total"] for event in weights), "while it is fetched"
    assert len({event["total"] for event in reading if event["total"]}) == 1
    assert run("--sandbox", "endpoints", "delete", "slowly", "--yes").code == 0
