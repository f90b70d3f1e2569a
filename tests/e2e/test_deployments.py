"""Whole runs of plans against the real sandbox: what they make, what they take back, what a kill leaves on record."""

import random
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.cancellation import CancelToken
from core.deployments.events import STAGES, Event, Stage
from core.deployments.ledger import Ledger, list_deployments
from core.deployments.plan_file import plan_to_json
from core.deployments.removal import remove_resources
from core.deployments.run import TransferLimits
from core.deployments.runner import deploy, resume
from core.endpoints.invocation import invoke
from core.endpoints.removal import delete_endpoint
from core.errors import CancelledByUser, DeploymentFailedError, NotFoundError, RefusedError, SagewizardError
from core.folders import cache_folder
from core.serving.templates import read_template
from tests.e2e.small_model import BROKEN, ECHO, held_back
from tests.e2e.stand import Stand


def test_a_plan_becomes_an_endpoint_that_answers_and_then_nothing(stand: Stand) -> None:
    identifier = stand.deploy(stand.plan("whole"))
    assert tuple(stand.stages("finished")) == STAGES
    assert (stand.events[-1].stage, stand.events[-1].kind, stand.events[-1].endpoint) == ("ready", "finished", "whole")
    answer = invoke(stand.account, "whole", b'"hello"', content_type="application/json", accept="application/json")
    assert answer.body == b'{"generated_text": "gpt_neo heard hello"}'
    assert not any((cache_folder() / "staging").glob("*")), "nothing of it was on the disk"

    deployment = next(found for found in list_deployments(stand.account.ledgers) if found.id == identifier)
    assert deployment.status == "ready"
    kinds = [resource.kind for resource in deployment.existing if resource.kind != "bucket"]
    assert kinds == ["object", "role", "model", "endpoint_config", "endpoint"]
    stand.remove(identifier)
    assert stand.left_of("whole") == []


def test_every_resource_carries_the_tag_of_its_deployment(stand: Stand) -> None:
    identifier = stand.deploy(stand.plan("tagged"))
    get = stand.account.clients.get
    sagemaker = get("sagemaker")
    arns = [
        sagemaker.describe_model(ModelName="tagged")["ModelArn"],
        sagemaker.describe_endpoint_config(EndpointConfigName="tagged")["EndpointConfigArn"],
        sagemaker.describe_endpoint(EndpointName="tagged")["EndpointArn"],
    ]
    tags = [sagemaker.list_tags(ResourceArn=arn)["Tags"] for arn in arns]
    tags.append(get("iam").get_role(RoleName="sagewizard-tagged-us-east-1")["Role"]["Tags"])
    where = sagemaker.describe_model(ModelName="tagged")["PrimaryContainer"]["ModelDataUrl"]
    bucket, _, key = where.removeprefix("s3://").partition("/")
    tags.append(get("s3").get_object_tagging(Bucket=bucket, Key=key)["TagSet"])
    for found in tags:
        assert {"Key": "sagewizard:deployment", "Value": identifier} in found
    assert str(stand.folder) not in str(tags)
    stand.remove(identifier)


def test_a_container_that_cannot_load_fails_with_its_own_words_and_nothing_is_left(stand: Stand) -> None:
    with pytest.raises(DeploymentFailedError) as failed:
        stand.deploy(stand.plan("broken", code=BROKEN))
    assert "upside down" in failed.value.message
    assert "`sagewizard --sandbox endpoints logs" in failed.value.fix, "it names the account it happened in"
    last = stand.events[-1]
    assert (last.stage, last.kind, last.cause) == ("endpoint", "failed", failed.value.message)
    assert last.fix
    assert "rollback" in stand.stages("finished")
    assert any("upside down" in event.message for event in stand.events if event.kind == "log")
    assert stand.left_of("broken") == []


def test_without_rollback_what_was_made_stays_and_is_said(stand: Stand) -> None:
    with pytest.raises(DeploymentFailedError) as failed:
        stand.deploy(stand.plan("kept", code=BROKEN), rollback=False)
    assert "Still there" in failed.value.fix
    found = stand.recorded("kept")
    assert found is not None
    assert found.status == "failed"
    assert "endpoint kept" in stand.left_of("kept")
    stand.remove(found.id)
    assert stand.left_of("kept") == []


@pytest.mark.parametrize("stage", ["package", "upload", "role", "model", "endpoint_config", "endpoint"])
def test_stopping_at_any_stage_leaves_nothing(stand: Stand, stage: Stage) -> None:
    name = f"stopped-{stage.replace('_', '-')}"
    plan, cancel = stand.plan(name, code=ECHO), CancelToken()

    def emit(event: Event) -> None:
        stand.events.append(event)
        if event.stage == stage and event.kind == "started":
            cancel.cancel()

    with pytest.raises(CancelledByUser):
        deploy(plan, stand.account, stand.hub, emit=emit, cancel=cancel)
    assert stand.events[-1].kind == "failed"
    assert stand.left_of(name) == []
    assert stand.recorded(name) is None


def test_an_endpoint_still_being_created_is_waited_out_and_removed(stand: Stand) -> None:
    gate = stand.folder / "gate"
    plan, cancel = stand.plan("slow", code=held_back(gate)), CancelToken()

    def emit(event: Event) -> None:
        stand.events.append(event)
        if event.kind == "log" and "still loading" in event.message:
            cancel.cancel()
        if event.stage == "rollback" and "waiting until it has settled" in event.message:
            gate.touch()

    with pytest.raises(CancelledByUser):
        deploy(plan, stand.account, stand.hub, emit=emit, cancel=cancel)
    assert any("waiting until it has settled" in event.message for event in stand.events if event.stage == "rollback")
    assert stand.left_of("slow") == []


_KILLED = """
import os, signal, sys
from pathlib import Path
from typing import Any
from core.account import open_account
from core.cancellation import CancelToken
from core.deployments.plan_file import read_plan
from core.deployments.runner import deploy, resume
from core.models.hub import HubClient

plan, stage = read_plan(Path(sys.argv[1])), sys.argv[2]

def emit(event):
    if event.stage == stage and event.kind == sys.argv[3]:
        os.kill(os.getpid(), signal.SIGKILL)

deploy(plan, open_account(sandbox=True), HubClient(), emit=emit, cancel=CancelToken())
"""


@pytest.mark.parametrize(
    ("stage", "kind"),
    [
        ("package", "progress"),
        ("upload", "finished"),
        ("role", "finished"),
        ("model", "finished"),
        ("endpoint_config", "finished"),
        ("endpoint", "progress"),
        ("ready", "started"),
    ],
)
def test_what_a_killed_run_left_is_on_record_and_can_be_removed(stand: Stand, stage: Stage, kind: str) -> None:
    name = f"killed-{stage.replace('_', '-')}"
    path, gate = stand.folder / "plan.json", stand.folder / "gate"
    # An endpoint that is in service by the first look makes no progress that is told.
    code = held_back(gate) if (stage, kind) == ("endpoint", "progress") else ECHO
    path.write_text(plan_to_json(stand.plan(name, code=code)))
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, str(path), stage, kind],
        check=False,
        timeout=120,
        capture_output=True,
        text=True,
    )
    gate.touch()
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = stand.left_of(name)
    found = stand.recorded(name)
    assert found is not None
    assert found.status == ("ready" if stage == "ready" else "interrupted")
    recorded = {resource.kind for resource in found.existing}
    assert len(left) == len(recorded - {"bucket"})
    stand.remove(found.id)
    assert stand.left_of(name) == []


def test_answers_that_get_lost_on_the_way_neither_end_a_run_nor_leave_anything_unrecorded(stand: Stand) -> None:
    plan = stand.plan("lost")
    lost: list[str] = []

    def lose(attempts: int, operation: Any, **_: object) -> int | None:
        if attempts > 1:
            return None
        lost.append(operation.name)
        return 0  # the request is sent again, at once

    service = {"iam": ("CreateRole",), "sagemaker": ("CreateModel", "CreateEndpointConfig", "CreateEndpoint")}
    names = [(client, f"needs-retry.{client}.{name}") for client, made in service.items() for name in made]
    for client, event in names:
        stand.account.clients.get(client).meta.events.register_first(event, lose)
    try:
        identifier = stand.deploy(plan)
    finally:
        for client, event in names:
            stand.account.clients.get(client).meta.events.unregister(event, lose)
    assert lost == ["CreateRole", "CreateModel", "CreateEndpointConfig", "CreateEndpoint"]
    found = stand.recorded("lost")
    assert found is not None
    assert {resource.state for resource in found.resources if resource.kind != "bucket"} == {"created"}
    stand.remove(identifier)
    assert stand.left_of("lost") == []


def test_a_deployment_is_not_taken_for_gone_in_another_account(stand: Stand) -> None:
    plan = stand.plan("far")
    with Ledger.start(stand.account.ledgers, plan, "999999999999") as ledger:
        ledger.record("endpoint", "far", "created")
        with pytest.raises(RefusedError, match="999999999999"):
            remove_resources(ledger, stand.account, emit=stand.events.append, cancel=CancelToken())
        identifier = ledger.deployment.id
    with pytest.raises(NotFoundError):
        delete_endpoint(stand.account, "far", emit=stand.events.append)
    there = next(found for found in list_deployments(stand.account.ledgers) if found.id == identifier)
    assert [resource.state for resource in there.resources] == ["created"]


def test_an_endpoint_goes_by_the_ledger_that_made_it_not_by_the_newest_of_its_name(stand: Stand) -> None:
    plan = stand.plan("again")
    identifier = stand.deploy(plan)
    with Ledger.start(stand.account.ledgers, plan, stand.account.identity().account_id) as newer:
        newer.record("object", "s3://none-such-bucket-at-all/again/model.tar.gz", "creating")
    assert delete_endpoint(stand.account, "again", emit=stand.events.append) == ()
    found = {each.id: each for each in list_deployments(stand.account.ledgers)}
    assert found[identifier].status == "deleted"
    assert found[newer.deployment.id].existing
    stand.remove(newer.deployment.id)
    assert stand.left_of("again") == []


def test_not_waiting_leaves_the_rest_to_aws(stand: Stand) -> None:
    identifier = stand.deploy(stand.plan("unwatched"), wait=False)
    assert stand.events[-1].stage == "endpoint"
    stand.account.clients.get("sagemaker").get_waiter("endpoint_in_service").wait(
        EndpointName="unwatched", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    stand.remove(identifier)
    assert stand.left_of("unwatched") == []


def test_two_runs_at_once_do_not_disturb_each_other(stand: Stand) -> None:
    # Of different types, so that endpoints of other tests cannot use up the quota between plan and run.
    plans = [stand.plan(f"twin-{kind[3:5]}", instance_type=kind) for kind in ("ml.m5.large", "ml.c5.large")]
    with ThreadPoolExecutor() as pool:
        identifiers = list(pool.map(stand.deploy, plans))
    for identifier in identifiers:
        stand.remove(identifier)
    assert stand.left_of("twin") == []


def test_of_two_runs_for_one_name_one_wins_and_loses_nothing_to_the_other(stand: Stand) -> None:
    plan, both_checked = stand.plan("duel"), threading.Barrier(2)
    made: list[str] = []
    refused: list[RefusedError] = []

    def emit(event: Event) -> None:
        if event.stage == "package" and event.kind == "started":
            both_checked.wait(60)

    def run() -> None:
        try:
            made.append(deploy(plan, stand.account, stand.hub, emit=emit, cancel=CancelToken()).id)
        except RefusedError as error:
            refused.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert (len(made), len(refused)) == (1, 1)
    left = [thing.split(" ")[0] for thing in stand.left_of("duel")]
    assert sorted(left) == ["config", "endpoint", "model", "object", "role"]
    stand.remove(made[0])
    assert stand.left_of("duel") == []


def test_a_disk_that_fills_up_ends_a_run_with_its_cause_and_what_is_there(stand: Stand) -> None:
    """Nothing can be removed then: before each change the ledger would have to be written."""
    plan = stand.plan("full")
    written: list[Path] = []

    def emit(event: Event) -> None:
        stand.events.append(event)
        if event.stage == "model" and event.kind == "finished":
            path = stand.account.ledgers / f"{event.deployment}.jsonl"
            written.append(path.rename(path.with_suffix(".kept")))
            path.mkdir()

    with pytest.raises(SagewizardError, match="cannot be written"):
        deploy(plan, stand.account, stand.hub, emit=emit, cancel=CancelToken())
    last = stand.events[-1]
    assert (last.kind, "cannot be written" in (last.cause or "")) == ("failed", True)
    assert "model full" in (last.fix or "")
    (kept,) = written
    kept.with_suffix(".jsonl").rmdir()
    kept.rename(kept.with_suffix(".jsonl"))
    found = stand.recorded("full")
    assert found is not None
    stand.remove(found.id)
    assert stand.left_of("full") == []


def test_a_deployment_whose_endpoint_is_in_service_is_not_gone_on_with_and_loses_nothing(stand: Stand) -> None:
    identifier = stand.deploy(stand.plan("at-work"))
    before = stand.left_of("at-work")
    with pytest.raises(RefusedError, match="is there already"):
        resume(identifier, stand.account, stand.hub, emit=stand.events.append, cancel=CancelToken())
    assert stand.left_of("at-work") == before
    stand.remove(identifier)


@pytest.mark.parametrize("stage", ["role", "model", "endpoint_config", "endpoint"])
def test_a_kill_before_it_is_written_down_that_a_resource_is_made_can_be_gone_on_with(
    stand: Stand, stage: Stage
) -> None:
    name = f"unwritten-{stage.replace('_', '-')}"
    identifier = stand.deploy(stand.plan(name))
    kinds = ["role", "model", "endpoint_config", "endpoint"]
    with Ledger.reopen(stand.account.ledgers, identifier) as ledger:
        later = [each for each in ledger.deployment.existing if each.kind in kinds[kinds.index(stage) :]]
        sagemaker = stand.account.clients.get("sagemaker")
        if stage != "endpoint":
            sagemaker.delete_endpoint(EndpointName=name)
            waited = sagemaker.get_waiter("endpoint_deleted")
            waited.wait(EndpointName=name, WaiterConfig={"Delay": 1})
        if stage in kinds[:2]:
            sagemaker.delete_endpoint_config(EndpointConfigName=name)
        if stage == "role":
            sagemaker.delete_model(ModelName=name)
        for each in later:
            ledger.record(each.kind, each.name, "creating" if each.kind == stage else "deleted")
        ledger.take_up()
    if stage == "endpoint":  # it came up in the meantime
        with pytest.raises(RefusedError, match="is there already"):
            resume(identifier, stand.account, stand.hub, emit=stand.events.append, cancel=CancelToken())
    else:
        made = resume(identifier, stand.account, stand.hub, emit=stand.events.append, cancel=CancelToken())
        assert made.status == "ready"
    stand.remove(identifier)
    assert stand.left_of(name) == []


def test_what_is_sent_is_slowed_down_by_itself(stand: Stand) -> None:
    """The template's own files are read without a limit; what is sent of them has one."""
    plan = stand.plan("sent-slowly")
    noise = random.Random(3).randbytes(4_800_000)
    (stand.folder / "template-sent-slowly" / "data.bin").write_bytes(noise)
    template = read_template(stand.folder / "template-sent-slowly")
    plan = replace(plan, artifact=replace(plan.artifact, template_sha256=template.sha256))
    limits = TransferLimits(bytes_per_second=2_000_000)
    made = deploy(
        plan, stand.account, stand.hub, emit=stand.events.append, cancel=CancelToken(), wait=False, limits=limits
    )
    rates = [event.rate for event in stand.events if event.stage == "upload" and event.rate]
    assert rates
    assert max(rates) < 3_000_000
    stand.remove(made.id)
