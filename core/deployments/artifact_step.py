"""The step that puts the artifact into S3: found there, gone on with, or made; read, checked and stored in one go.

Nothing of it touches the disk but pickled weights that are converted, one file at a time.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial

from core.artifacts import artifact_folder
from core.artifacts.artifact_folder import ArtifactFolder, find_same
from core.artifacts.converted_tree import converted_members
from core.artifacts.counter import Counter, Passed
from core.artifacts.manifest import Manifest, seen
from core.artifacts.reading import Arriving
from core.artifacts.storing_archive import store_archive
from core.artifacts.storing_tree import store_tree
from core.artifacts.tree import Member
from core.aws import roles
from core.aws.object_writing import ObjectWriter
from core.aws.objects import DEPLOYMENT_KEY
from core.cancellation import CancelToken
from core.deployments.bucket_step import provide_bucket
from core.deployments.preflight import Inspected
from core.deployments.reporting import StageReport
from core.deployments.run import Run
from core.deployments.staging import staging_folder
from core.errors import AccessError, RefusedError, SagewizardError
from core.models.facts import ModelFile
from core.models.sources import FolderSource
from core.quantities import format_bytes
from core.throttle import Throttle

_WORDS = {"archive": "in one model.tar.gz", "prefix": "as they are"}


def provide_artifact(run: Run, inspected: Inspected) -> ArtifactFolder:
    """Return the folder in S3 that holds the artifact, once it is there; the bucket is made where it is absent.

    An artifact of the same content that is there already is used again. One that an earlier part of this deployment
    began is gone on with: objects that are whole and parts that S3 has are not sent again.

    Raises:
        RefusedError: the bucket is another account's or in another region; the disk has not the room that converting
            needs, or may not be used for it; the pickled weights are not ones that can be converted.
        SagewizardError: a file does not have the content that its source states, or could not be read.
        AccessError, UnreachableError: AWS refused or did not answer.
        CancelledByUser: stopping was asked for.
    """
    members = inspected.members
    total = sum(member.bytes for member in members)
    form = run.plan.artifact.form
    begun = run.begun("object")
    _refuse_changed_files(run, inspected)
    with (
        run.report.stage(
            "package", f"Reading {len(members)} files, {format_bytes(total)}, to be stored {_WORDS[form]}"
        ) as packing,
        run.report.stage("upload", f"Uploading to s3://{run.bucket}") as uploading,
    ):
        provide_bucket(run)
        cancel = run.cancel.child()
        writer = _writer(run, cancel)
        if begun and begun.name != run.folder.uri:  # a kill came while it was about to use another's
            _leave(run, ArtifactFolder.at(begun.name))
            begun = None
        if begun is None and (found := _same_artifact(run, inspected, writer)):
            packing.summary = f"Nothing to package: the same artifact is in {found.uri}"
            packing.finish()
            uploading.summary = "Nothing to upload"
            return found
        folder = ArtifactFolder.at(begun.name) if begun else run.folder
        with run.making("object", folder.uri, in_one=False):
            _store(run, inspected, folder, writer, packing, uploading, cancel)
    return folder


def _store(
    run: Run,
    inspected: Inspected,
    folder: ArtifactFolder,
    writer: ObjectWriter,
    packing: StageReport,
    uploading: StageReport,
    cancel: CancelToken,
) -> None:
    """`cancel` is the writer's, and set when something fails: what is being sent then ends."""
    throttle = run.limits.throttle()
    total = 0

    def tell_packed(passed: Passed) -> None:
        packing.progress("Packaging", passed.done, total, "bytes", file=passed.file, of_file=passed.of_file)
        if passed.done == total:  # what was read last is still on its way
            packing.finish()

    def tell_stored(passed: Passed) -> None:
        uploading.progress("Uploading", passed.done, total, "bytes", file=passed.file, of_file=passed.of_file)

    def arriving(count: int, path: str) -> None:
        packed.ahead(count, path)

    with _converted(run, inspected.members, packing, throttle, arriving) as members:
        artifact_folder.begin(writer, folder, run.ledger.deployment.id)
        if not run.ledger.deployment.transfer.stamps and (stamps := _stamps(inspected)):
            run.ledger.note_stamps(stamps)
        total = sum(member.bytes for member in members)
        packing.summary = f"{len(members)} files, {format_bytes(total)}, each seen to be what was listed"
        packed, stored = Counter(members, tell_packed), Counter(members, tell_stored)
        storing = partial(
            store_archive,
            checkpoint=run.ledger.deployment.transfer.checkpoint,
            note=run.ledger.note_checkpoint,
        )
        made = (storing if run.plan.artifact.form == "archive" else store_tree)(
            members,
            folder,
            writer,
            packed=packed,
            stored=stored,
            unreadable=lambda: run.report.blame("package"),
            throttle=throttle,
            cancel=cancel,
        )
    recipe = replace(run.recipe, files=seen(run.recipe.files, made.content))
    artifact_folder.finish(writer, folder, Manifest(recipe, made.objects, run.ledger.deployment.id, made.content))
    with suppress(SagewizardError):  # the artifact is whole; this is tidiness
        for key, uploads in writer.uploads(folder.prefix).items():  # begun anew when the answer to one was lost
            for upload in uploads:
                writer.abort(key, upload)
    size = sum(item.bytes for item in made.objects)
    uploading.summary = f"{folder.data_uri(run.plan.artifact.form)}: {format_bytes(size)}"


def _writer(run: Run, cancel: CancelToken) -> ObjectWriter:
    return ObjectWriter(
        run.account.clients,
        run.bucket,
        account_id=run.account.identity().account_id,
        tags=run.tags,
        metadata={DEPLOYMENT_KEY: run.ledger.deployment.id},
        kms_key=run.plan.artifact.kms_key,
        cancel=cancel,
        throttle=run.limits.throttle(),
    )


def _same_artifact(run: Run, inspected: Inspected, writer: ObjectWriter) -> ArtifactFolder | None:
    """Return an artifact that is in the bucket already and holds what this one would, noted as used by this run."""
    members = {member.path: member for member in inspected.members}

    def digest_of(file: ModelFile) -> str | None:
        member = members.get(file.path)
        if member is None:  # a file that is not packaged decides nothing
            return None
        check = member.content.check()
        for piece in member.content.read_part(0, member.bytes, run.cancel):
            check.feed(piece)
        check.finish()
        return check.sha256

    try:
        found = find_same(
            run.account.clients,
            run.bucket,
            run.plan.artifact.key_prefix,
            run.recipe,
            digest_of=digest_of,
            cancel=run.cancel,
        )
    except (AccessError, RefusedError):  # who may not look, or finds too much, goes without
        return None
    if found is None or not _may_be_read(run, found[0]):
        return None
    folder = found[0]
    run.ledger.record("object", folder.uri, "creating")
    if artifact_folder.join(writer, folder, run.ledger.deployment.id):
        run.ledger.record("object", folder.uri, "created")
        return folder
    _leave(run, folder)
    return None


def _leave(run: Run, folder: ArtifactFolder) -> None:
    """Take back that this deployment uses an artifact of another."""
    account_id = run.account.identity().account_id
    artifact_folder.leave(run.account.clients, folder, run.ledger.deployment.id, account_id, cancel=run.cancel)
    run.ledger.record("object", folder.uri, "deleted")


def _may_be_read(run: Run, folder: ArtifactFolder) -> bool:
    """Return whether the role that was chosen, if one was, may read an artifact that lies in another folder."""
    if run.plan.role.arn is None:
        return True
    clients = run.account.clients
    try:
        roles.check_role(clients, roles.find_role(clients, run.plan.role.arn), folder.bucket, run.key_to_read(folder))
    except RefusedError:
        return False
    return True


@contextmanager
def _converted(
    run: Run, members: tuple[Member, ...], packing: StageReport, throttle: Throttle | None, arriving: Arriving
) -> Iterator[tuple[Member, ...]]:
    """Give the members with pickled weights turned into safetensors, where the plan says so."""
    if not run.plan.artifact.convert:
        yield members
        return
    run.report.blame("package")
    with staging_folder(run.ledger.deployment.id) as folder:
        packing.progress("Looking at the weights to be converted")
        converted = converted_members(
            members,
            folder,
            cancel=run.cancel,
            arriving=arriving,
            throttle=throttle,
            disk_bytes=run.limits.disk_bytes,
        )
        run.report.blame("upload")
        yield converted


def _stamps(inspected: Inspected) -> dict[str, str]:
    """Return what tells the present state of each local file from another; nothing for other sources."""
    if not isinstance(inspected.source, FolderSource):
        return {}
    return {
        member.path: inspected.source.stamp(member.origin) for member in inspected.members if member.origin is not None
    }


def _refuse_changed_files(run: Run, inspected: Inspected) -> None:
    """Return when the local files are as they were when this deployment began to store them."""
    before = run.ledger.deployment.transfer.stamps
    now = _stamps(inspected)
    changed = next((path for path, stamp in before.items() if now.get(path) != stamp), None)
    if changed is not None:
        raise RefusedError(
            f"{changed} changed since this deployment began to upload it.",
            fix=f"Remove what is there with {run.account.command(f'rollback {run.ledger.deployment.id}')}, then make "
            "the plan anew.",
        )
