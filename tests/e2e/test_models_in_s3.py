"""A model that lies in S3: looked at, planned, deployed, and refused once it has changed."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.aws.object_reading import S3Objects
from core.cancellation import CancelToken
from core.deployments.planner import Choices, make_plan
from core.endpoints.invocation import invoke
from core.errors import RefusedError
from core.instances.offers import fetch_offers
from core.instances.survey import survey
from core.models.inspection import inspect_model
from core.models.reference import parse_reference
from core.models.weight_set import select_weight_set
from core.serving.engines import DEPLOYABLE
from tests.e2e.program import run
from tests.e2e.small_model import ECHO, write_model, write_template
from tests.e2e.stand import Stand

BUCKET = "models-of-mine"


@pytest.fixture
def address(stand: Stand) -> str:
    """A small model in the sandbox's S3, beside what a bucket has around it."""
    s3 = stand.account.clients.get("s3")
    s3.create_bucket(Bucket=BUCKET)
    for path in sorted(write_model(stand.folder / "model").iterdir()):
        s3.put_object(Bucket=BUCKET, Key=f"llms/small/{path.name}", Body=path.read_bytes())
    s3.put_object(Bucket=BUCKET, Key="llms/small/", Body=b"")
    s3.put_object(Bucket=BUCKET, Key="llms/smaller/config.json", Body=b"{")
    return f"s3://{BUCKET}/llms/small/"


def planned(stand: Stand, address: str, name: str, **choices: Any) -> Any:
    account = stand.account
    facts = inspect_model(parse_reference(address), stand.hub, CancelToken(), S3Objects(account.clients))
    weights = select_weight_set(facts)
    table = survey(facts, weights, fetch_offers(account.clients, cancel=CancelToken()), engines=DEPLOYABLE)
    template = write_template(stand.folder / "template", ECHO)
    return make_plan(facts, weights, table, Choices(name=name, template=str(template), **choices), account)


def test_a_model_in_s3_is_deployed_and_answers(stand: Stand, address: str) -> None:
    plan = planned(stand, address, "from-s3")
    assert plan.model.reference == address
    assert all(file.etag for file in plan.model.files)
    identifier = stand.deploy(plan)
    answer = invoke(stand.account, "from-s3", b'"hello"', content_type="application/json", cancel=CancelToken())
    assert b"heard hello" in answer.body
    stand.remove(identifier)
    assert stand.left_of("from-s3") == []
    s3 = stand.account.clients.get("s3")
    assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] > 3  # what was there stays


def test_the_files_of_a_tree_are_copied_by_s3_itself(stand: Stand, address: str) -> None:
    sent: dict[str, int] = {}
    s3 = stand.account.clients.get("s3")

    def note(request: Any, **_: Any) -> None:
        if request.method == "PUT" and b"x-amz-copy-source" not in {name.lower().encode() for name in request.headers}:
            key = request.url.partition("?")[0].rpartition("/model/")[2]
            sent[key] = int(request.headers.get("Content-Length") or 0)

    plan = planned(stand, address, "copied", form="prefix")
    s3.meta.events.register("before-send.s3", note)
    try:
        identifier = stand.deploy(plan)
    finally:
        s3.meta.events.unregister("before-send.s3", note)
    assert "code/inference.py" in sent
    assert not set(sent) & {file.path for file in plan.model.files}, "nothing of the model passed through here"
    data = stand.account.clients.get("sagemaker").describe_model(ModelName="copied")["PrimaryContainer"]
    where = data["ModelDataSource"]["S3DataSource"]["S3Uri"]
    bucket, _, prefix = where.removeprefix("s3://").partition("/")
    for path in (stand.folder / "model").iterdir():
        assert s3.get_object(Bucket=bucket, Key=f"{prefix}{path.name}")["Body"].read() == path.read_bytes()
    answer = invoke(stand.account, "copied", b'"hello"', content_type="application/json", cancel=CancelToken())
    assert b"heard hello" in answer.body
    stand.remove(identifier)
    assert stand.left_of("copied") == []


def test_a_key_of_ones_own_encrypts_the_artifact_and_the_role_may_decrypt(stand: Stand, address: str) -> None:
    key = "alias/models"
    identifier = stand.deploy(planned(stand, address, "encrypted", kms_key=key), wait=False)
    get = stand.account.clients.get
    where = get("sagemaker").describe_model(ModelName="encrypted")["PrimaryContainer"]["ModelDataUrl"]
    bucket, _, name = where.removeprefix("s3://").partition("/")
    head = get("s3").head_object(Bucket=bucket, Key=name)
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)
    (policy,) = get("iam").list_role_policies(RoleName="sagewizard-encrypted-us-east-1")["PolicyNames"]
    found = get("iam").get_role_policy(RoleName="sagewizard-encrypted-us-east-1", PolicyName=policy)
    allowed = {statement["Sid"]: statement for statement in found["PolicyDocument"]["Statement"]}
    assert allowed["DecryptArtifact"]["Action"] == "kms:Decrypt"
    assert key in str(allowed["DecryptArtifact"]["Condition"])
    stand.remove(identifier)
    assert stand.left_of("encrypted") == []


def test_a_bucket_that_is_named_and_absent_is_made_and_goes_again(stand: Stand, address: str) -> None:
    plan = planned(stand, address, "own-bucket", bucket="a-bucket-of-mine", form="prefix")
    assert "made when it is absent" in plan.reasons["artifact.bucket"]
    identifier = stand.deploy(plan, wait=False)
    s3 = stand.account.clients.get("s3")
    assert all(s3.get_public_access_block(Bucket="a-bucket-of-mine")["PublicAccessBlockConfiguration"].values())
    rules = s3.get_bucket_lifecycle_configuration(Bucket="a-bucket-of-mine")["Rules"]
    assert [rule["AbortIncompleteMultipartUpload"] for rule in rules] == [{"DaysAfterInitiation": 7}]
    stand.remove(identifier)
    assert "a-bucket-of-mine" not in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}


def test_a_model_that_changed_in_s3_since_its_plan_is_refused(stand: Stand, address: str) -> None:
    plan = planned(stand, address, "changed")
    key = "llms/small/config.json"
    s3 = stand.account.clients.get("s3")
    body = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    s3.put_object(Bucket=BUCKET, Key=key, Body=body.replace(b"4", b"5"))
    with pytest.raises(RefusedError, match="not as it was when the plan was made"):
        stand.deploy(plan)
    assert stand.left_of("changed") == []


def test_fit_and_package_by_command(stand: Stand, address: str, tmp_path: Path) -> None:
    fitted = run("--sandbox", "fit", address.rstrip("/"), "--json")
    assert fitted.code == 0, fitted.err
    model = fitted.document["model"]
    assert (model["reference"], model["architecture"], model["revision"]) == (address, "GPTNeoForCausalLM", None)
    packed = run("--sandbox", "package", address, "-o", str(tmp_path / "artifact"), "--json")
    assert packed.code == 0, packed.err
    assert (tmp_path / "artifact" / "config.json").read_bytes() == (stand.folder / "model" / "config.json").read_bytes()


@pytest.mark.parametrize(
    ("address", "code", "words"),
    [
        ("s3://no-such-bucket-anywhere/x/", 1, "no-such-bucket-anywhere"),
        ("s3://A/x", 2, "bucket"),
        ("s3://models-of-mine/nothing/", 3, "has no files"),
    ],
)
def test_what_is_not_there_is_one_sentence(stand: Stand, address: str, code: int, words: str) -> None:
    stand.account.clients.get("s3").create_bucket(Bucket=BUCKET)
    ended = run("--sandbox", "fit", address)
    assert ended.code == code, ended.err
    assert words in ended.err
    assert "Traceback" not in ended.err


def test_progress_tells_the_bytes_of_the_file_under_way(stand: Stand, address: str) -> None:
    plan = planned(stand, address, "told")
    identifier = stand.deploy(plan, wait=False)
    told = [event for event in stand.events if event.stage == "package" and event.kind == "progress" and event.file]
    sizes = {file.path: file.bytes for file in plan.model.files}
    assert any(event.file in sizes for event in told)
    for event in told:
        assert event.file_total == sizes.get(event.file or "", event.file_total)
        assert event.file_done is not None
        assert 0 <= event.file_done <= (event.file_total or 0)
    assert json.loads(told[-1].to_json())["file_total"] == told[-1].file_total
    stand.remove(identifier)
