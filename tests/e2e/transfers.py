"""Artifacts on their way from a stand-in Hub, or a folder, through a faulty front to the sandbox's S3; and what came.

Runs end before anything but the artifact is made: what is looked at here is the artifact.
"""

import io
import json
import random
import struct
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
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
WEIGHT_BYTES = 40 * 10**6
"""Three parts of an upload, and five units of reading."""


@cache
def several_parts(folder: Path) -> Mapping[str, bytes]:
    """Return the files of a model whose weights gzip makes no smaller; they are written to the folder as well."""
    write_model(folder)
    header = {"w": {"dtype": "F32", "shape": [WEIGHT_BYTES // 4], "data_offsets": [0, WEIGHT_BYTES]}}
    text = json.dumps(header).encode()
    content = struct.pack("<Q", len(text)) + text + random.Random(4).randbytes(WEIGHT_BYTES)  # noqa: S311 - no secret
    (folder / WEIGHTS).write_bytes(content)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


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

    def __post_init__(self) -> None:
        self.account: Account = self.stand.through(self.front)
        self.client = HubClient(self.hub.url, pause=0.01)
        self.bucket = f"sagemaker-us-east-1-{self.account.identity().account_id}"

    def plan(self, name: str, form: ArtifactForm, reference: ModelReference = HubReference(MODEL)) -> Plan:
        """Return a plan for the model whose artifact no other test can find."""
        plan = replace(self.stand, hub=self.client).plan_of(reference, name)
        return replace(
            plan, artifact=replace(plan.artifact, form=form, key_prefix=f"sagemaker/sagewizard/{name}-{form}/")
        )

    def store(self, plan: Plan, *, rollback: bool = False) -> str:
        """Deploy until the artifact is stored; return the deployment's id. Errors as `deploy`."""
        self.events.clear()
        return self._stopped(
            lambda emit, cancel: deploy(
                plan, self.account, self.client, emit=emit, cancel=cancel, rollback=rollback
            )
        )

    def go_on(self, identifier: str, *, rollback: bool = False) -> str:
        """Resume until the artifact is stored. Errors as `resume`."""
        self.events.clear()
        return self._stopped(
            lambda emit, cancel: resume(
                identifier, self.account, self.client, emit=emit, cancel=cancel, rollback=rollback
            )
        )

    def _stopped(self, work: Callable[[Callable[[Event], None], CancelToken], object]) -> str:
        cancel = CancelToken()

        def emit(event: Event) -> None:
            self.events.append(event)
            if event.stage == "role" and event.kind == "started":
                cancel.cancel()
            if action := self.at.pop((event.stage, event.kind), None):
                action()

        try:
            work(emit, cancel)
        except CancelledByUser:
            if not cancel.cancelled:
                raise
        return self.events[0].deployment

    def roll_back(self, identifier: str) -> None:
        """Take away what the deployment made."""
        assert roll_back(identifier, self.account, emit=self.events.append, cancel=CancelToken()) == ()

    def recorded(self, identifier: str) -> Deployment:
        """What the ledger says of a deployment."""
        return next(found for found in list_deployments(self.account.ledgers) if found.id == identifier)

    def folder_of(self, identifier: str) -> str:
        """The key prefix of the artifact's folder that the deployment uses."""
        uri = next(each.name for each in self.recorded(identifier).resources if each.kind == "object")
        return uri.removeprefix(f"s3://{self.bucket}/")

    def left_of(self, *identifiers: str) -> list[str]:
        """The objects and the uploads that are there of deployments, by key; the bucket is asked directly."""
        s3 = self.stand.account.clients.get("s3")
        found = [
            each["Key"]
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
            for each in page.get("Contents", ())
        ]
        found += [f"upload of {each['Key']}" for each in self.uploads()]
        return [key for key in found if any(identifier in key for identifier in identifiers)]

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

    def artifact(self, identifier: str, form: str) -> dict[str, bytes]:
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
        with tarfile.open(fileobj=io.BytesIO(fetched(f"{prefix}model.tar.gz")), mode="r:gz") as tar:
            for member in tar:
                assert tarfile.data_filter(member, "/nowhere") is not None
                file = tar.extractfile(member)
                assert file is not None
                assert member.name not in found
                found[member.name] = file.read()
        return found

    def is_right(self, identifier: str, form: str) -> None:
        """Fail unless the artifact is the model and the template's code, byte for byte, with its manifest."""
        found, expected = self.artifact(identifier, form), {**self.files, "code/inference.py": ECHO.encode()}
        assert sorted(found) == sorted(expected)
        wrong = [path for path, content in expected.items() if found[path] != content]
        assert not wrong
        kept = [key for key in self.left_of(identifier) if not key.startswith(f"{self.folder_of(identifier)}model")]
        prefix = self.folder_of(identifier)
        assert sorted(kept) == [f"{prefix}manifest.json", f"{prefix}used-by/{identifier}"], "no upload is left over"

