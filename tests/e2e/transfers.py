"""Artifacts on their way from a stand-in Hub, or a folder, through a faulty front to the sandbox's S3; and what came.

Runs end before anything but the artifact is made: what is looked at here is the artifact.
"""

import gzip
import io
import json
import random
import struct
import tarfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from core.account import Account
from core.artifacts.manifest import ArtifactForm
from core.cancellation import CancelToken
from core.deployments.events import Event
from core.deployments.ledger import Deployment, list_deployments
from core.deployments.plan import Plan
from core.deployments.resumption import roll_back
from core.deployments.runner import deploy, resume
from core.errors import CancelledByUser
from core.models.hub import HubClient
from core.models.reference import HubReference, ModelReference
from tests.e2e.small_model import ECHO, write_model
from tests.e2e.stand import Stand
from tests.s3_front import S3Front
from tests.stand_in_hub import StandInHub

MODEL = "acme/several-parts"
WEIGHTS = "model.safetensors"
WEIGHT_BYTES = 34 * 10**6
"""Three parts of an upload, and five units of reading."""
SHARD_BYTES = 18 * 10**6
"""More than a part of an upload, and less than one that ends with the file."""


_PLANS: dict[str, Plan] = {}
"""The plan for the model on the Hub: making it takes longer than carrying it out."""


def write_several_parts(folder: Path) -> Mapping[str, bytes]:
    """Return the files of a model whose weights gzip makes no smaller; they are written to the folder as well."""
    write_model(folder)
    (folder / WEIGHTS).write_bytes(_weights("w", WEIGHT_BYTES, seed=4))
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def write_two_shards(folder: Path) -> Mapping[str, bytes]:
    """Return the files of a model whose second shard begins a part of its archive; they are written as well."""
    write_model(folder)
    (folder / WEIGHTS).unlink()
    names = {tensor: f"model-0000{number}-of-00002.safetensors" for number, tensor in ((1, "v"), (2, "w"))}
    for seed, (tensor, name) in enumerate(names.items()):
        (folder / name).write_bytes(_weights(tensor, SHARD_BYTES, seed=seed))
    index = {"metadata": {"total_size": 2 * SHARD_BYTES}, "weight_map": names}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index))
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _weights(tensor: str, size: int, *, seed: int) -> bytes:
    header = json.dumps({tensor: {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(header)) + header + random.Random(seed).randbytes(size)


def until_stored(work: Callable[..., Deployment], told: Callable[[Event], None] = lambda _: None) -> str:
    """Carry out `work`, a run to be given `emit` and `cancel`, until the artifact is there; return its deployment's id.

    Errors of the run are raised.
    """
    cancel, identifier = CancelToken(), ""

    def emit(event: Event) -> None:
        nonlocal identifier
        identifier = event.deployment
        if event.stage == "role" and event.kind == "started":
            cancel.cancel()
        told(event)

    with suppress(CancelledByUser):  # nobody else cancels
        work(emit=emit, cancel=cancel)
    return identifier


@dataclass
class Transfers:
    """Where artifacts are made: the account is the sandbox's, through the front."""

    stand: Stand
    hub: StandInHub
    front: S3Front
    files: Mapping[str, bytes]
    events: list[Event] = field(default_factory=list)
    at: dict[tuple[str, str], Callable[[], object]] = field(default_factory=dict)
    """What is done when a stage tells something, by stage and kind; once."""
    bucket: str = "several-parts-of-models"
    """One that no run has made, and so none removes: with a bucket, what is left in it would go unseen."""

    def __post_init__(self) -> None:
        self.account: Account = self.stand.through(self.front)
        self.client = HubClient(self.hub.url, pause=0.01)
        s3 = self.stand.account.clients.get("s3")
        if all(bucket["Name"] != self.bucket for bucket in s3.list_buckets()["Buckets"]):
            s3.create_bucket(Bucket=self.bucket)

    def plan(self, name: str, form: ArtifactForm, reference: ModelReference | None = None) -> Plan:
        """Return a plan for the model on the Hub, or another one, whose artifact no other test can find."""
        known = _PLANS.get(MODEL) if reference is None else None
        plan = known or replace(self.stand, hub=self.client).plan_of(reference or HubReference(MODEL), name)
        if reference is None:
            _PLANS[MODEL] = plan
        return replace(
            plan,
            artifact=replace(
                plan.artifact, form=form, bucket=self.bucket, key_prefix=f"sagemaker/sagewizard/{name}-{form}/"
            ),
            endpoint=replace(plan.endpoint, name=name),
            role=replace(plan.role, create=f"sagewizard-{name}-{plan.region}"),
        )

    def store(self, plan: Plan, *, rollback: bool = False) -> str:
        """Deploy until the artifact is stored; return the deployment's id. Errors as `deploy`."""
        self.events.clear()
        with_rollback = partial(deploy, rollback=rollback)
        return until_stored(partial(with_rollback, plan, self.account, self.client), self._told)

    def go_on(self, identifier: str, *, rollback: bool = False) -> str:
        """Resume until the artifact is stored. Errors as `resume`."""
        self.events.clear()
        with_rollback = partial(resume, rollback=rollback)
        return until_stored(partial(with_rollback, identifier, self.account, self.client), self._told)

    @property
    def deployment(self) -> str:
        """The id of the deployment that was worked on last."""
        return self.events[-1].deployment

    def _told(self, event: Event) -> None:
        self.events.append(event)
        if action := self.at.pop((event.stage, event.kind), None):
            action()

    def roll_back(self, identifier: str) -> None:
        """Take away what the deployment made."""
        left = roll_back(identifier, self.account, emit=self.events.append, cancel=CancelToken())
        assert left == (), [event.message for event in self.events if event.kind == "warning"]

    def recorded(self, identifier: str) -> Deployment:
        """What the ledger says of a deployment."""
        return next(found for found in list_deployments(self.account.ledgers) if found.id == identifier)

    def folder_of(self, identifier: str) -> str:
        """The key prefix of the artifact's folder that the deployment uses."""
        uri = next(each.name for each in self.recorded(identifier).resources if each.kind == "object")
        return uri.removeprefix(f"s3://{self.bucket}/")

    def left_of(self, *words: str) -> list[str]:
        """The keys of objects and of uploads in which a word is found; the bucket is asked directly."""
        s3 = self.stand.account.clients.get("s3")
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        found = [each["Key"] for page in pages for each in page.get("Contents", ())]
        found += [f"upload of {each['Key']}" for each in self.uploads()]
        return [key for key in found if any(word in key for word in words)]

    def uploads(self) -> list[dict[str, Any]]:
        """The uploads in parts that are not ended, whoever began them."""
        pages = self.stand.account.clients.get("s3").get_paginator("list_multipart_uploads")
        return [each for page in pages.paginate(Bucket=self.bucket) for each in page.get("Uploads", ())]

    def parts_there(self, identifier: str) -> set[int]:
        """The numbers of the parts that S3 has of the one upload of a deployment."""
        (upload,) = [each for each in self.uploads() if identifier in each["Key"]]
        s3 = self.stand.account.clients.get("s3")
        answer = s3.list_parts(Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        return {part["PartNumber"] for part in answer.get("Parts", ())}

    def artifact(self, identifier: str, form: ArtifactForm) -> dict[str, bytes]:
        """What the artifact holds, by path: fetched from S3, and an archive unpacked as SageMaker's would be."""
        s3, prefix = self.stand.account.clients.get("s3"), self.folder_of(identifier)

        def fetched(key: str) -> bytes:
            content: bytes = s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            return content

        if form == "prefix":
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=f"{prefix}model/")
            keys = [each["Key"] for page in pages for each in page.get("Contents", ())]
            return {key.removeprefix(f"{prefix}model/"): fetched(key) for key in keys}
        found = {}
        content = gzip.decompress(fetched(f"{prefix}model.tar.gz"))  # to its end, where its checksum is
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
            for member in tar:
                assert tarfile.data_filter(member, "/nowhere") is not None
                file = tar.extractfile(member)
                assert file is not None
                assert member.name not in found
                found[member.name] = file.read()
        return found

    def finished(self, identifier: str, form: ArtifactForm) -> None:
        """Fail unless the artifact is right, and gone after a rollback."""
        self.is_right(identifier, form)
        self.roll_back(identifier)
        assert self.left_of(identifier) == []

    def is_right(self, identifier: str, form: ArtifactForm) -> None:
        """Fail unless the artifact is the model and the template's code, byte for byte, with its manifest."""
        found, expected = self.artifact(identifier, form), {**self.files, "code/inference.py": ECHO.encode()}
        assert sorted(found) == sorted(expected)
        wrong = [path for path, content in expected.items() if found[path] != content]
        assert not wrong
        prefix = self.folder_of(identifier)
        kept = [key for key in self.left_of(prefix) if not key.startswith(f"{prefix}model")]
        assert kept == [f"{prefix}manifest.json", f"{prefix}used-by/{identifier}"], "no upload is left over"
