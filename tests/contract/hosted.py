"""An endpoint in the sandbox made with core's own steps, light to start: a handler that needs no model."""

import io
import json
import tarfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from core.account import Account
from core.artifacts import artifact_folder
from core.artifacts.artifact_folder import ArtifactFolder
from core.aws import buckets, hosting, objects, roles
from core.aws.clients import Clients, StaticCredentials
from core.aws.object_writing import ObjectWriter
from core.aws.policies import artifact_policy
from core.aws.tags import resource_tags
from core.cancellation import CancelToken
from core.sandbox.daemon import RunningSandbox

IMAGE = (
    "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-inference:"
    "2.6.0-transformers5.5.3-cpu-py312-ubuntu22.04"
)
IMAGE_ARN = "arn:aws:ecr:us-east-1:763104351884:repository/huggingface-pytorch-inference"

# Answers a chat with its last message, backwards. Refuses what is longer than 40 characters, as models do.
HANDLER = """
import json

def model_fn(model_dir):
    print("the model is here")
    return None

def input_fn(body, content_type):
    return json.loads(body)

def predict_fn(data, model):
    if "fail" in data:
        raise ValueError("`fail` was asked for")
    prompt = data["messages"][-1]["content"] if "messages" in data else data["inputs"]
    text = prompt[::-1]
    if "messages" in data:
        return {"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}
    return [{"generated_text": prompt + text}]

def output_fn(prediction, accept):
    return json.dumps(prediction)
"""


def open_sandbox(running: RunningSandbox, ledgers: Path) -> Account:
    """Return the sandbox's account, with ledgers of the test's own."""
    clients = Clients(
        region="us-east-1",
        endpoint_url=running.url,
        credentials=StaticCredentials(running.access_key_id, running.secret_access_key),
    )
    return Account(clients, label="sandbox", ledgers=ledgers, sandbox=True)


@dataclass(frozen=True)
class Hosted:
    """What one endpoint is made of; its model and config have its name."""

    name: str
    deployment: str
    role: str
    bucket: str
    key: str


def host(account: Account, folder: Path, *, tagged: bool = True, bucket: str | None = None) -> Hosted:
    """Make an endpoint and return when it is in service. Not `tagged`, somebody else made all of it."""
    clients, account_id = account.clients, account.identity().account_id
    word = uuid4().hex[:10]
    folder_in_s3 = ArtifactFolder(bucket or f"bucket-{word}", f"sagemaker/sagewizard/{word}/")
    key = folder_in_s3.data_key("archive")
    made = Hosted(f"chat-{word}", f"d-{word}", f"sagewizard-{word}", folder_in_s3.bucket, key)
    ours = resource_tags(deployment_id=made.deployment, model="sample", dialect="messages", engine="huggingface")
    tags = ours if tagged else {"team": "other"}
    buckets.create_bucket(clients, made.bucket)
    buckets.furnish_bucket(clients, made.bucket, account_id, tags)
    path = folder / f"{word}.tar.gz"
    _write_archive(path)
    writer = ObjectWriter(clients, made.bucket, account_id=account_id, tags=tags, metadata={}, cancel=CancelToken())
    writer.put(made.key, [path.read_bytes()])
    if tagged:
        artifact_folder.begin(writer, folder_in_s3, made.deployment)
    policy = artifact_policy(
        partition="aws",
        region="us-east-1",
        account_id=account_id,
        bucket=made.bucket,
        prefix=folder_in_s3.prefix,
        image_repository_arn=IMAGE_ARN,
        endpoint_name=made.name,
    )
    role = roles.create_role(clients, made.role, policy=policy, tags=tags)
    hosting.create_model(
        clients,
        made.name,
        image=IMAGE,
        environment={"HF_TASK": "text-generation", "HF_API_TOKEN": "hf_very_secret"},
        model_data_url=f"s3://{made.bucket}/{made.key}",
        role_arn=role.arn,
        tags=tags,
        role_is_new=True,
    )
    add_endpoint(account, made.name, model=made.name, tags=tags)
    return made


def add_endpoint(account: Account, name: str, *, model: str, tags: Mapping[str, str]) -> None:
    """Make a config and an endpoint of a name for a model that exists."""
    hosting.create_endpoint_config(
        account.clients,
        name,
        model_name=model,
        instance_type="ml.m5.large",
        instance_count=1,
        variant="AllTraffic",
        startup_timeout_seconds=60,
        download_timeout_seconds=60,
        tags=tags,
    )
    hosting.create_endpoint(account.clients, name, config_name=name, tags=tags)
    until = time.monotonic() + 60
    while (found := hosting.describe_endpoint(account.clients, name)).status != "InService":
        assert found.status == "Creating", found
        assert time.monotonic() < until, found
        time.sleep(0.05)


def what_is_left(account: Account, made: Hosted) -> set[str]:
    """Return the kinds of what still exists of an endpoint."""
    clients, account_id = account.clients, account.identity().account_id
    there = {
        "endpoint": hosting.endpoint_exists(clients, made.name),
        "endpoint_config": hosting.endpoint_config_exists(clients, made.name),
        "model": hosting.model_exists(clients, made.name),
        "role": roles.role_exists(clients, made.role),
        "object": made.key in objects.list_keys(clients, made.bucket, made.key, account_id),
        "bucket": buckets.bucket_exists(clients, made.bucket, account_id),
    }
    return {kind for kind, exists in there.items() if exists}


def _write_archive(path: Path) -> None:
    files = {"config.json": json.dumps({"model_type": "none"}), "code/inference.py": HANDLER}
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
