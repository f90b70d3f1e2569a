"""The ledger: the record of every resource a deployment makes, written before each remote change.

One file of JSON lines per deployment, only ever appended to and flushed to disk line by line: a kill at any moment
leaves a true record, at worst with a torn last line, which reading ignores. The process that runs a deployment holds
its lock; a ledger that says `running` while nobody holds the lock is of an interrupted run.

States of a resource: `creating` (a request may have been sent), `created`, `absent` (AWS refused to make it),
`deleting`, `deleted`, `kept` (left on purpose: shared, or not empty).
"""

import fcntl
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, cast

from filelock import FileLock, Timeout

from core.artifacts.checkpoint import ArchiveCheckpoint
from core.artifacts.staging import sync_folder
from core.deployments.plan import Plan
from core.errors import NotFoundError, SagewizardError, UsageError

ResourceKind = Literal["bucket", "object", "role", "model", "endpoint_config", "endpoint"]
ResourceState = Literal["creating", "created", "absent", "deleting", "deleted", "kept"]
DeploymentStatus = Literal["running", "creating", "ready", "failed", "cancelled", "interrupted", "deleted"]
EXISTING: Final[frozenset[ResourceState]] = frozenset({"creating", "created", "deleting"})
"""States in which a resource may exist in the account."""
_LOCK_SECONDS: Final = 2.0
"""Readers probe the lock for a moment; a writer waits that out."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One thing in the account. An object's name is the URI of an artifact's folder; everything else's is the name AWS
    knows it by.
    """

    kind: ResourceKind
    name: str
    state: ResourceState


@dataclass(frozen=True, slots=True)
class Transfer:
    """How far the making of the artifact is, as far as S3 does not tell: what a later run goes on from.

    `stamps` tells one state of each local file from another (`core.models.sources`); `checkpoint` is of an archive.
    """

    stamps: Mapping[str, str] = field(default_factory=dict)
    checkpoint: ArchiveCheckpoint | None = None


@dataclass(frozen=True, slots=True)
class Deployment:
    """One run of a plan, as its ledger tells it; resources are in the order they were made.

    Status: `running` (a live process holds it), `creating` (left to AWS, not waited for), `ready`, `failed`,
    `cancelled`, `interrupted` (the process is gone), `deleted` (nothing of it is left).
    """

    id: str
    status: DeploymentStatus
    endpoint: str
    region: str
    account_id: str
    created: datetime
    plan: Plan
    resources: tuple[Resource, ...] = ()
    cause: str | None = None
    fix: str | None = None
    transfer: Transfer = field(default_factory=Transfer)

    @property
    def existing(self) -> tuple[Resource, ...]:
        """What of it may exist in the account now."""
        return tuple(resource for resource in self.resources if resource.state in EXISTING)


def new_deployment_id() -> str:
    """Return a new identifier that sorts by time: `20260131-142501-9f3a`."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


class Ledger:
    """The ledger of one deployment, open for writing; the file is made with the first record.

    Raises:
        SagewizardError: another process is working on this deployment.
    """

    def __init__(self, folder: Path, deployment: Deployment) -> None:
        self._path = folder / f"{deployment.id}.jsonl"
        self._deployment = deployment
        self._lock = FileLock(self._path.with_suffix(".lock"))
        try:
            self._lock.acquire(timeout=_LOCK_SECONDS)
        except Timeout as error:
            raise SagewizardError(
                f"Another process is working on the deployment {deployment.id}.",
                fix="Wait until it ends, or stop it; `sagewizard deployments` shows where it is.",
            ) from error

    @classmethod
    def start(cls, folder: Path, plan: Plan, account_id: str) -> "Ledger":
        """Return the ledger of a new run of `plan`."""
        created = datetime.now(UTC)
        name = plan.endpoint.name
        return cls(folder, Deployment(new_deployment_id(), "running", name, plan.region, account_id, created, plan))

    @classmethod
    def reopen(cls, folder: Path, deployment_id: str) -> "Ledger":
        """Return the ledger of an earlier run, to write on.

        Raises:
            NotFoundError: there is none.
            SagewizardError: another process is working on it.
        """
        path = folder / f"{deployment_id}.jsonl"
        if Path(deployment_id).name != deployment_id or not path.exists():
            raise NotFoundError(f"There is no deployment {deployment_id}.", fix="`sagewizard deployments` lists them.")
        ledger = cls(folder, read_ledger(path))
        ledger._deployment = read_ledger(path)  # once more: it may have grown before the lock was ours
        return ledger

    @property
    def deployment(self) -> Deployment:
        """What the ledger says now."""
        return self._deployment

    def record(self, kind: ResourceKind, name: str, state: ResourceState) -> None:
        """Write down that the resource is in `state`, durably, before returning.

        Raises:
            SagewizardError: the disk is full, or may not be written to.
        """
        self._append({"record": "resource", "kind": kind, "name": name, "state": state})
        self._deployment = replace(
            self._deployment, resources=_with(self._deployment.resources, Resource(kind, name, state))
        )

    def note_stamps(self, stamps: Mapping[str, str]) -> None:
        """Write down which state of the local files is packaged. Errors as `record`."""
        self._append({"record": "stamps", "stamps": dict(stamps)})
        self._deployment = replace(self._deployment, transfer=Transfer(dict(stamps)))

    def note_checkpoint(self, checkpoint: ArchiveCheckpoint) -> None:
        """Write down from where the archive can be gone on with. Errors as `record`."""
        self._append({"record": "checkpoint", **asdict(checkpoint)})
        self._deployment = replace(self._deployment, transfer=replace(self._deployment.transfer, checkpoint=checkpoint))

    def take_up(self) -> None:
        """Write down that the deployment is gone on with. Errors as `record`."""
        self._append({"record": "status", "status": "interrupted", "cause": None, "fix": None})
        self._deployment = replace(self._deployment, status="running", cause=None, fix=None)

    def finish(self, status: DeploymentStatus, *, cause: str | None = None, fix: str | None = None) -> None:
        """Write down how the run ended. A run that changed nothing leaves no ledger. Errors as `record`."""
        self._deployment = replace(self._deployment, status=status, cause=cause, fix=fix)
        if self._path.exists():
            self._append({"record": "status", "status": status, "cause": cause, "fix": fix})

    def close(self) -> None:
        """Let others work on this deployment."""
        self._lock.release()
        if not self._path.exists():
            self._path.with_suffix(".lock").unlink(missing_ok=True)

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _append(self, record: Mapping[str, Any]) -> None:
        lines = [{**record, "at": datetime.now(UTC).isoformat()}]
        if not self._path.exists():
            lines.insert(0, _header(self._deployment))
        text = "".join(json.dumps(line) + "\n" for line in lines)
        try:
            torn = self._path.exists() and _is_torn(self._path)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                _write_all(descriptor, (("\n" if torn else "") + text).encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise SagewizardError(
                f"The ledger {self._path} cannot be written: {error.strerror}.",
                fix="Make room on the disk, or point SAGEWIZARD_HOME at another; without a ledger nothing is changed.",
            ) from error
        if len(lines) > 1:
            sync_folder(self._path.parent)  # the file is new: its name has to last too


def list_deployments(folder: Path) -> tuple[Deployment, ...]:
    """Return every deployment with a ledger in `folder`, newest first; ledgers that cannot be read are left out."""
    found = []
    for path in folder.glob("*.jsonl"):
        try:
            found.append(read_ledger(path))
        except UsageError:
            continue
    return tuple(sorted(found, key=lambda deployment: (deployment.created, deployment.id), reverse=True))


def find_deployment(
    folder: Path, endpoint: str, *, region: str, account_id: str, made_by: str | None = None
) -> Deployment | None:
    """Return the newest deployment of the endpoint there of which something may exist; `None` without one.

    One folder holds the ledgers of all accounts, which may use the same names. With `made_by`, only the deployment of
    that id counts.
    """
    for deployment in list_deployments(folder):
        whereabouts = (deployment.endpoint, deployment.region, deployment.account_id)
        if made_by not in {None, deployment.id}:
            continue
        if whereabouts == (endpoint, region, account_id) and deployment.existing:
            return deployment
    return None


def read_ledger(path: Path) -> Deployment:
    """Return the deployment that a ledger tells of.

    Raises:
        UsageError: its first line is not a ledger's.
    """
    import msgspec

    try:
        records = [record for line in path.read_bytes().splitlines() if (record := _parse(line))]
        header = records[0]
        deployment = Deployment(
            id=header["id"],
            status="running" if _is_locked(path) else "interrupted",
            endpoint=header["endpoint"],
            region=header["region"],
            account_id=header["account_id"],
            created=datetime.fromisoformat(header["created"]),
            plan=msgspec.convert(header["plan"], Plan),
        )
        for record in records[1:]:
            deployment = _apply(deployment, record)
    except (OSError, IndexError, KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"The ledger {path} cannot be read.", fix="Move it away if it is not one of sagewizard's."
        ) from error
    if deployment.resources and not deployment.existing and deployment.status not in {"running", "failed", "cancelled"}:
        deployment = replace(deployment, status="deleted")
    return deployment


def _is_torn(path: Path) -> bool:
    """Return whether the last line of a file has no end."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        return size > 0 and file.read(1) != b"\n"


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _header(deployment: Deployment) -> dict[str, Any]:
    import msgspec

    return {
        "record": "deployment",
        "id": deployment.id,
        "endpoint": deployment.endpoint,
        "region": deployment.region,
        "account_id": deployment.account_id,
        "created": deployment.created.isoformat(),
        "plan": msgspec.to_builtins(deployment.plan),
    }


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None  # torn by a kill
    return record if isinstance(record, dict) else None


def _apply(deployment: Deployment, record: Mapping[str, Any]) -> Deployment:
    if record["record"] == "resource":
        resource = Resource(record["kind"], record["name"], record["state"])
        return replace(deployment, resources=_with(deployment.resources, resource))
    if record["record"] == "stamps":
        return replace(deployment, transfer=Transfer(record["stamps"]))
    if record["record"] == "checkpoint":
        checkpoint = ArchiveCheckpoint(**{name: record[name] for name in ArchiveCheckpoint.__dataclass_fields__})
        return replace(deployment, transfer=replace(deployment.transfer, checkpoint=checkpoint))
    if record["record"] == "status" and deployment.status != "running":
        status = cast(DeploymentStatus, record["status"])
        return replace(deployment, status=status, cause=record.get("cause"), fix=record.get("fix"))
    return deployment


def _with(resources: tuple[Resource, ...], changed: Resource) -> tuple[Resource, ...]:
    known = {(resource.kind, resource.name): resource for resource in resources}
    known[changed.kind, changed.name] = changed
    return tuple(known.values())


def _is_locked(path: Path) -> bool:
    try:
        with path.with_suffix(".lock").open("rb") as lock:
            # Shared, so that two who only read do not take each other for the one who writes; gone when it is closed.
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False
