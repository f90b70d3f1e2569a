"""What the command line decides and builds before anything is deployed: fit, plan, package."""

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from core.deployments.plan_file import read_plan
from core.sandbox.daemon import RunningSandbox
from tests.e2e.program import inventory, run
from tests.e2e.small_model import write_model


def test_fit_needs_no_account() -> None:
    shown = run("fit", "sample", "--json")
    assert (shown.code, shown.err.strip()) == (0, "Looking at sample.")
    document = shown.document
    assert {"model", "context", "concurrency", "instances", "recommended", "smallest_change"} <= set(document)
    assert document["model"]["architecture"] == "GPTNeoForCausalLM"
    assert document["smallest_change"] is None
    row = next(each for each in document["instances"] if each["type"] == document["recommended"])
    assert (row["fits"], row["limited_by"], row["quota"], row["price_source"]) == (True, None, None, "list")
    assert row["host"]["required_bytes"] <= row["host"]["usable_bytes"]


def test_json_is_json_in_any_locale(tmp_path: Path) -> None:
    folder = tmp_path / "modèle 模"
    write_model(folder)
    latin = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"}
    assert run("fit", str(folder), "--json", env=latin).document["model"]["reference"] == str(folder)
    failed = run("fit", str(tmp_path / "é模"), "--json", env=latin)
    assert str(tmp_path / "é模") in failed.document["error"]["message"]
    assert run("fit", str(folder), env=latin).code == 0
    packed = run("package", str(folder), "-o", str(tmp_path / "é模.tar.gz"), "--json", env=latin)
    assert packed.document["path"] == str(tmp_path / "é模.tar.gz")


def test_a_plan_is_utf_8_in_any_locale(sandbox_home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "模"
    write_model(folder)
    printed = run("--sandbox", "plan", str(folder), env={"PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"})
    assert f"reference: {folder}" in printed.out


def test_fit_is_a_table_with_the_recommended_type_marked() -> None:
    shown = run("fit", "sample")
    assert shown.code == 0, shown.err
    marked = [line for line in shown.out.splitlines() if line.endswith("recommended")]
    assert len(marked) == 1
    assert f"Recommended: {marked[0].split()[0]} with huggingface, context up to 512. sagewizard deploy" in shown.out
    assert len(run("fit", "sample", "--all").out.splitlines()) > 250


def test_fit_of_chosen_types_shows_those_only() -> None:
    document = run("fit", "sample", "--instance", "ml.m5.large", "-T", "ml.g5.xlarge", "--json").document
    assert {each["type"] for each in document["instances"]} == {"ml.m5.large", "ml.g5.xlarge"}


def test_quotas_are_those_of_the_account(sandbox_home: Path) -> None:
    document = run("fit", "sample", "-T", "ml.m5.large", "-T", "ml.p5.48xlarge", "--json", "--sandbox").document
    rows = {each["type"]: each for each in document["instances"]}
    assert rows["ml.m5.large"]["quota"] > 0
    large = rows["ml.p5.48xlarge"]
    assert (large["quota"], large["fits"], large["limited_by"]) == (0, False, "quota")


def test_a_plan_is_printed_or_written_and_changes_nothing(
    sandbox: RunningSandbox, sandbox_home: Path, tmp_path: Path
) -> None:
    printed = run("--sandbox", "plan", "sample", "--name", "cli-planned")
    assert printed.code == 0, printed.err
    assert "instance_type: ml." in printed.out
    written = run("--sandbox", "plan", "sample", "--name", "cli-planned", "-o", "planned.yaml", cwd=tmp_path)
    assert (written.code, written.out) == (0, "")
    assert "sagewizard --sandbox deploy planned.yaml" in written.err
    plan = read_plan(tmp_path / "planned.yaml")
    assert (plan.endpoint.name, plan.model.reference) == ("cli-planned", "sample")
    document = run("--sandbox", "plan", "sample", "--name", "cli-planned", "--json").document
    assert document["endpoint"] == json.loads(json.dumps(document))["endpoint"]
    assert document["endpoint"]["name"] == "cli-planned"
    assert inventory(sandbox, "cli-planned") == []


def test_a_type_without_quota_is_planned_for_only_when_that_is_said(sandbox_home: Path, tmp_path: Path) -> None:
    asked = ("--sandbox", "plan", "sample", "--name", "no-quota", "--instance-type", "ml.p4d.24xlarge")
    refused = run(*asked)
    assert refused.code == 3
    assert "--without-quota" in refused.err
    planned = run(*asked, "--without-quota", "-o", str(tmp_path / "plan.yaml"))
    assert planned.code == 0, planned.err
    assert "servicequotas/home/services/sagemaker/quotas/L-" in planned.err
    assert "endpoint.quota" in read_plan(tmp_path / "plan.yaml").reasons
    deployed = run("--sandbox", "deploy", str(tmp_path / "plan.yaml"), "--yes")
    assert deployed.code == 3
    assert "may run 0 of ml.p4d.24xlarge" in deployed.err


def test_an_option_counts_more_than_the_environment_and_that_more_than_the_config_file(sandbox_home: Path) -> None:
    config = sandbox_home / "config.toml"
    config.write_text('instance_type = "ml.m5.xlarge"\n')
    try:

        def chosen(*arguments: str, **env: str) -> str:
            ended = run("--sandbox", "plan", "sample", "--json", "--debug", *arguments, env=env)
            source = next(line for line in ended.err.splitlines() if "debug: instance_type" in line)
            return f"{ended.document['endpoint']['instance_type']} {source.partition('(')[2]}"

        assert chosen() == "ml.m5.xlarge config file)"
        environment = {"SAGEWIZARD_INSTANCE_TYPE": "ml.m5.large"}
        assert chosen(**environment) == "ml.m5.large SAGEWIZARD_INSTANCE_TYPE)"
        assert chosen("--instance-type", "ml.c5.xlarge", **environment) == "ml.c5.xlarge option)"
    finally:
        config.unlink()


def test_a_package_is_an_archive_or_a_folder(tmp_path: Path) -> None:
    archive = run("package", "sample", "-o", "model.tar.gz", "--json", cwd=tmp_path)
    assert archive.code == 0, archive.err
    document = archive.document
    content = (tmp_path / "model.tar.gz").read_bytes()
    assert (document["bytes"], document["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    with tarfile.open(tmp_path / "model.tar.gz") as unpacked:
        sizes = {member.name: member.size for member in unpacked.getmembers() if member.isfile()}
    assert sizes == {each["name"]: each["bytes"] for each in document["files"]}
    assert {"config.json", "model.safetensors", "code/inference.py", "code/requirements.txt"} <= set(sizes)
    folder = run("package", "sample", "-o", "unpacked", "--json", cwd=tmp_path).document
    assert {each["name"]: each["bytes"] for each in folder["files"]} == sizes
    assert (tmp_path / "unpacked/code/inference.py").is_file()


def test_an_archive_that_is_there_is_replaced_only_when_forced(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model")
    (tmp_path / "there.tar.gz").write_text("mine")
    refused = run("package", str(model), "-o", "there.tar.gz", cwd=tmp_path)
    assert refused.code == 3
    assert "--force" in refused.err
    assert (tmp_path / "there.tar.gz").read_text() == "mine"
    assert run("package", str(model), "-o", "there.tar.gz", "--force", cwd=tmp_path).code == 0
    assert tarfile.is_tarfile(tmp_path / "there.tar.gz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "there.tar.gz"]


def test_of_folders_only_an_artifact_is_replaced_and_only_when_forced(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model")
    (tmp_path / "there").mkdir()
    assert run("package", str(model), "-o", "there", cwd=tmp_path).code == 0, "an empty folder is as good as none"
    (tmp_path / "there/stale.txt").write_text("from before")
    assert run("package", str(model), "-o", "there", cwd=tmp_path).code == 3
    forced = run("package", str(model), "-o", "there", "--force", "--json", cwd=tmp_path)
    assert (forced.code, forced.document["path"]) == (0, "there")
    assert not (tmp_path / "there/stale.txt").exists()
    precious = run("package", str(model), "-o", "model", "--force", cwd=tmp_path)
    assert precious.code == 3
    assert (model / "model.safetensors").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "there"]


def test_a_reader_that_went_away_is_no_error_worth_a_trace(tmp_path: Path) -> None:
    import subprocess
    import sys

    from tests.e2e.program import environment

    program = subprocess.Popen(
        [sys.executable, "-m", "tui", "fit", "sample", "--all"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert program.stdout
    assert program.stderr
    program.stdout.close()
    told = program.stderr.read().decode()
    program.wait(timeout=60)
    program.stderr.close()
    assert "Traceback" not in told
    assert "Exception" not in told


def test_an_option_overrules_a_plan_and_what_follows_is_decided_anew(sandbox_home: Path, tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    assert run("--sandbox", "plan", "sample", "--name", "overruled", "-o", str(path)).code == 0
    ended = run("--sandbox", "deploy", str(path), "--instance-type", "ml.g5.xlarge")
    assert ended.code == 2  # nobody said yes; what would be done is told all the same
    assert "decided anew" in ended.err
    assert "on ml.g5.xlarge as “overruled”" in ended.err


@pytest.mark.parametrize(
    ("option", "value", "remedy"),
    [("--kms-key", "a b", "Give the key's ARN"), ("--bucket", "Not A Bucket", "3 to 63 small letters")],
)
def test_what_s3_would_not_take_is_refused_when_it_is_planned(option: str, value: str, remedy: str) -> None:
    ended = run("--sandbox", "plan", "sample", option, value)
    assert ended.code == 2
    assert value in ended.err
    assert remedy in ended.err
    assert not ended.out
