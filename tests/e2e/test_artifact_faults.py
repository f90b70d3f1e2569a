"""Artifacts whose making meets faults of the Hub, of S3 and of the network: right in the end, or none at all."""

from dataclasses import replace
from typing import Any

import pytest

from core.artifacts.manifest import ArtifactForm
from core.cancellation import CancelToken
from core.deployments.runner import resume
from core.errors import SagewizardError, SignInExpiredError, UnreachableError
from core.models.reference import HubReference
from tests.e2e.transfers import MODEL, WEIGHTS, Transfers, write_two_shards
from tests.s3_front import EXPIRED_TOKEN, INTERNAL_ERROR, REQUEST_TIMEOUT, SLOW_DOWN, Refusal
from tests.stand_in_hub import Changed

both_forms = pytest.mark.parametrize("form", ["archive", "prefix"])

# Methods, paths and queries of requests to S3, as the front has them.
PART: dict[str, Any] = {"method": "PUT", "query": "partNumber="}
BEGINNING: dict[str, Any] = {"method": "POST", "query": "^uploads"}
COMPLETION: dict[str, Any] = {"method": "POST", "query": "^uploadId="}
SMALL: dict[str, Any] = {"method": "PUT", "path": "/(config|manifest).json$"}


@both_forms
def test_cut_connections_and_errors_of_the_hub_are_got_over(transfers: Transfers, form: ArtifactForm) -> None:
    def trouble() -> None:
        transfers.hub.fault("^cdn:", cut_after=1_000_000, times=3)
        transfers.hub.fault("^cdn:", status=503, times=2)
        transfers.hub.fault("^cdn:", cut_after=0)
        transfers.hub.fault("^hub:.*/tokenizer.json", status=500)
        transfers.hub.fault("^hub:.*/config.json", cut_after=10)

    transfers.at["package", "started"] = trouble
    transfers.finished(transfers.store(transfers.plan("hub-trouble", form)), form)


NO_SUCH_UPLOAD = Refusal(404, "NoSuchUpload", "The specified upload does not exist.")
S3_FAULTS: dict[str, list[dict[str, Any]]] = {
    "busy": [
        {**PART, "refuse": SLOW_DOWN, "times": 2},
        {**PART, "refuse": REQUEST_TIMEOUT, "at": "body"},
        {**COMPLETION, "refuse": INTERNAL_ERROR},
        {**SMALL, "refuse": SLOW_DOWN, "times": 2},
    ],
    "cut": [
        {**PART, "cut": True},
        {**PART, "cut": True, "at": 150},
        {**COMPLETION, "cut": True},
        {**SMALL, "cut": True, "at": "body"},
    ],
    "lost": [
        {**PART, "cut": True, "at": "answer", "times": 2},
        {**COMPLETION, "cut": True, "at": "answer"},
        {**COMPLETION, "refuse": NO_SUCH_UPLOAD},  # that of the second attempt: it was put together by the first
        {**SMALL, "cut": True, "at": "answer"},
    ],
}


@both_forms
@pytest.mark.parametrize("kind", S3_FAULTS)
def test_errors_cut_connections_and_lost_answers_of_s3_are_got_over(
    transfers: Transfers, form: ArtifactForm, kind: str
) -> None:
    plan = transfers.plan(f"s3-{kind}", form)
    for fault in S3_FAULTS[kind]:
        transfers.front.fault(**fault)
    identifier = transfers.store(plan)
    bad = [request for request in transfers.front.seen("PUT|POST", "sagewizard/") if request.status != 200]
    assert len(bad) == sum(fault.get("times", 1) for fault in S3_FAULTS[kind]), "each of them happened"
    transfers.finished(identifier, form)


@both_forms
def test_of_an_upload_that_was_begun_twice_the_one_with_the_parts_is_gone_on_with(
    transfers: Transfers, form: ArtifactForm
) -> None:
    plan = transfers.plan("begun-twice", form)
    transfers.front.fault(**BEGINNING, cut=True, at="answer")
    transfers.front.fault(**COMPLETION, refuse=EXPIRED_TOKEN, times=99)
    with pytest.raises(SignInExpiredError):
        transfers.store(plan, rollback=True)
    identifier = transfers.deployment
    assert len([key for key in transfers.left_of(identifier) if key.startswith("upload of")]) == 2
    transfers.front.clear()
    transfers.go_on(identifier)
    assert not transfers.front.seen(**PART)
    transfers.finished(identifier, form)


@both_forms
def test_nothing_is_left_of_an_upload_that_was_begun_twice_after_a_rollback(
    transfers: Transfers, form: ArtifactForm
) -> None:
    transfers.front.fault(**BEGINNING, cut=True, at="answer")
    identifier = transfers.store(transfers.plan("begun-twice", form))
    transfers.is_right(identifier, form)
    transfers.roll_back(identifier)
    assert transfers.left_of(identifier) == []


@both_forms
@pytest.mark.parametrize("path", [WEIGHTS, "tokenizer_config.json"])
def test_a_bit_that_the_hub_flips_is_refused_by_the_files_name_and_nothing_is_left(
    transfers: Transfers, form: ArtifactForm, path: str
) -> None:
    plan = transfers.plan("hub-flip", form)
    at = 7_000_000 if path == WEIGHTS else 20
    transfers.at["package", "started"] = lambda: transfers.hub.fault(f"/{path}$", flip=at, times=99)
    with pytest.raises(SagewizardError) as failed:
        transfers.store(plan, rollback=True)
    assert path in failed.value.message
    assert failed.value.fix
    assert (transfers.events[-1].stage, transfers.events[-1].kind) == ("package", "failed")
    assert transfers.left_of(transfers.deployment) == []


@both_forms
def test_what_arrives_damaged_at_s3_is_sent_again(transfers: Transfers, form: ArtifactForm) -> None:
    plan = transfers.plan("s3-flip", form)
    transfers.front.fault(**PART, flip=100, times=2)
    transfers.front.fault(**SMALL, flip=100)
    identifier = transfers.store(plan)
    refused = [request for request in transfers.front.seen("PUT", "sagewizard/") if request.status == 400]
    assert len(refused) == 3, "S3 saw each of the flipped bits"
    transfers.finished(identifier, form)


@both_forms
@pytest.mark.parametrize("fault", [PART, SMALL], ids=["part", "object"])
def test_what_always_arrives_damaged_at_s3_never_becomes_an_artifact(
    transfers: Transfers, form: ArtifactForm, fault: dict[str, Any]
) -> None:
    plan = transfers.plan("s3-flips", form)
    transfers.front.fault(**fault, flip=100, times=99)
    with pytest.raises(SagewizardError) as failed:
        transfers.store(plan, rollback=True)
    assert "s3://" in failed.value.message
    assert "damages data" in failed.value.fix
    assert transfers.left_of(transfers.deployment) == []


@both_forms
@pytest.mark.parametrize("change", ["other", "shorter", "longer"])
def test_a_file_that_changed_after_it_was_listed_is_refused_by_its_name(
    transfers: Transfers, form: ArtifactForm, change: str
) -> None:
    plan = transfers.plan("changed", form)
    listed = transfers.files[WEIGHTS]
    content = {"other": listed[:-1] + bytes([listed[-1] ^ 1]), "shorter": listed[:-5], "longer": listed + b"12345"}
    repository = transfers.hub.repositories[MODEL]
    transfers.at["package", "started"] = lambda: setattr(
        repository, "files", {**repository.files, WEIGHTS: Changed(listed, content[change])}
    )
    with pytest.raises(SagewizardError) as failed:
        transfers.store(plan, rollback=True)
    assert WEIGHTS in failed.value.message
    assert transfers.left_of(transfers.deployment) == []


@both_forms
def test_a_sign_in_that_expires_between_two_parts_is_gone_on_with_from_there(
    transfers: Transfers, form: ArtifactForm
) -> None:
    plan = transfers.plan("expired", form)
    transfers.front.fault(**PART)  # this one is answered as ever
    transfers.front.fault(**PART, refuse=EXPIRED_TOKEN, times=99)
    with pytest.raises(SignInExpiredError) as failed:
        transfers.store(plan, rollback=True)
    identifier = transfers.deployment
    assert "the AWS credentials have expired" in failed.value.message
    assert f"resume {identifier}" in failed.value.fix
    assert "rollback" not in [event.stage for event in transfers.events], "what is there is kept"
    there = transfers.parts_there(identifier)
    assert len(there) == 1

    transfers.front.clear()
    assert transfers.go_on(identifier) == identifier
    sent = {int(request.query.partition("partNumber=")[2]) for request in transfers.front.seen(**PART)}
    assert sent == {1, 2, 3} - there
    assert not transfers.front.seen(**BEGINNING)
    transfers.finished(identifier, form)


def test_what_lies_before_the_member_that_an_archive_is_gone_on_from_is_not_read_again(transfers: Transfers) -> None:
    model = "acme/two-shards"
    shards = write_two_shards(transfers.stand.folder / "two-shards")
    transfers.hub.add(model, shards, fields={"pipeline_tag": "text-generation", "library_name": "transformers"})
    plan = transfers.plan("two-shards", "archive", HubReference(model))
    transfers.front.fault("PUT", query="partNumber=[23]", refuse=EXPIRED_TOKEN, times=99)
    with pytest.raises(SignInExpiredError):
        transfers.store(plan, rollback=True)
    identifier = transfers.deployment
    assert transfers.parts_there(identifier) == {1}
    transfers.front.clear()
    transfers.hub.requests.clear()
    transfers.go_on(identifier)
    paths = [request.path.partition("?")[0] for request in transfers.hub.requests if request.origin == "cdn"]
    asked = {path.rpartition("/")[2] for path in paths}
    assert asked == {"model-00002-of-00002.safetensors"}
    found = transfers.artifact(identifier, "archive")
    assert {path: content for path, content in found.items() if path in shards} == shards
    transfers.roll_back(identifier)


def test_a_deployment_whose_sign_in_expired_becomes_an_endpoint_when_it_is_resumed(transfers: Transfers) -> None:
    plan = transfers.plan("expired-once", "archive")
    transfers.front.fault(**COMPLETION, refuse=EXPIRED_TOKEN, times=99)
    with pytest.raises(SignInExpiredError):
        transfers.store(plan, rollback=True)
    transfers.front.clear()
    identifier = transfers.deployment
    made = resume(identifier, transfers.account, transfers.client, emit=transfers.events.append, cancel=CancelToken())
    assert made.status == "ready"
    transfers.is_right(identifier, "archive")
    transfers.roll_back(identifier)
    assert transfers.left_of(identifier) == []


@both_forms
def test_a_hub_that_is_gone_in_the_middle_ends_the_run_and_nothing_else(
    transfers: Transfers, form: ArtifactForm
) -> None:
    plan = transfers.plan("hub-gone", form)

    def go() -> None:
        transfers.hub.fault("^cdn:", times=2)  # these are answered as ever
        transfers.hub.fault("^cdn:", cut_after=0, times=9999)

    transfers.at["package", "started"] = go
    with pytest.raises(UnreachableError) as failed:
        transfers.store(plan, rollback=True)
    identifier = transfers.deployment
    assert f"resume {identifier}" in failed.value.fix
    with pytest.raises(UnreachableError):
        transfers.go_on(identifier, rollback=True)
    while transfers.hub.take_fault("cdn:/back"):
        pass
    transfers.go_on(identifier)
    transfers.finished(identifier, form)


@both_forms
def test_the_same_artifact_is_stored_once_and_kept_until_nobody_uses_it(
    transfers: Transfers, form: ArtifactForm
) -> None:
    plan = transfers.plan("first", form)
    first = transfers.store(plan)
    transfers.front.clear()
    transfers.hub.requests.clear()
    second = transfers.store(replace(plan, endpoint=replace(plan.endpoint, name="second")))
    puts = [request.path for request in transfers.front.seen("PUT")]
    assert [path.rpartition("used-by/")[2] for path in puts] == [second], "nothing was uploaded but its mark"
    assert not transfers.front.seen("POST")
    assert transfers.folder_of(second) == transfers.folder_of(first)

    transfers.roll_back(first)
    assert f"{transfers.folder_of(second)}manifest.json" in transfers.left_of(first, second)
    transfers.is_right(second, form)
    transfers.roll_back(second)
    assert transfers.left_of(first, second) == []


@both_forms
def test_one_cut_off_while_it_joined_anothers_artifact_leaves_that_as_it_is(
    transfers: Transfers, form: ArtifactForm
) -> None:
    plan = transfers.plan("joined", form)
    first = transfers.store(plan)
    transfers.front.clear()
    transfers.front.fault("PUT", "/used-by/", refuse=EXPIRED_TOKEN, times=99)
    with pytest.raises(SignInExpiredError):
        transfers.store(replace(plan, endpoint=replace(plan.endpoint, name="joining")))
    second = transfers.deployment
    transfers.front.clear()
    transfers.go_on(second)
    puts = [request.path for request in transfers.front.seen("PUT")]
    assert [path.rpartition("used-by/")[2] for path in puts] == [second]
    transfers.roll_back(second)
    transfers.finished(first, form)
