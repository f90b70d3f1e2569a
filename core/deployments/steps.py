"""The steps of a run that make something, each from what the one before gave to what the next one needs.

Before each remote change the ledger says what is about to be made. A step that finds that AWS refused to make it
writes that down, so that nothing of the same name that somebody else made is ever taken for ours.
"""

import shutil
from pathlib import Path

from core.artifacts.archive import Packed, write_archive
from core.artifacts.converted_tree import conversion_bytes, converted_members
from core.artifacts.tree import Member
from core.aws import buckets, hosting, objects, roles
from core.aws.failures import is_final_no
from core.aws.policies import artifact_policy
from core.deployments.names import role_name_for
from core.deployments.reporting import StageReport
from core.deployments.run import ARCHIVE_NAME, Run
from core.errors import AccessError, RefusedError, SagewizardError
from core.quantities import format_bytes
from core.serving.images import image_repository_arn


def package(run: Run, members: tuple[Member, ...], folder: Path) -> Packed:
    """Return the archive, written into `folder`; pickled weights are converted before where the plan says so.

    Raises:
        RefusedError: the disk has not enough room, or the pickled weights are not ones that can be converted.
        SagewizardError: a file does not have the content that its source states, or could not be read.
    """
    convert = run.plan.artifact.convert
    total = sum(member.bytes for member in members)
    needed = int(total * 1.02) + (conversion_bytes(members) if convert else 0)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise RefusedError(
            f"Packaging needs {format_bytes(needed)} of disk space, and {format_bytes(free)} is free.",
            fix="Make room, or point SAGEWIZARD_HOME at a larger disk.",
        )
    with run.report.stage("package", f"Packaging {format_bytes(total)} into {ARCHIVE_NAME}") as report:
        if convert:
            converted = folder / "converted"
            converted.mkdir(mode=0o700)
            members = converted_members(
                members,
                converted,
                progress=lambda done, whole: report.progress("Converting the weights", done, whole, "bytes"),
                cancel=run.cancel,
            )
        packed = write_archive(
            members,
            folder / ARCHIVE_NAME,
            progress=lambda done, whole: report.progress("Packaging", done, whole, "bytes"),
            cancel=run.cancel,
        )
        if convert:
            shutil.rmtree(converted)  # the upload takes a while, and needs the archive only
        report.summary = f"{ARCHIVE_NAME}: {format_bytes(packed.bytes)}, sha256 {packed.sha256[:12]}"
    return packed


def upload(run: Run, packed: Packed) -> str:
    """Return the S3 URI of the archive, once it is in the bucket; the bucket is made where it is absent.

    Raises:
        RefusedError: the bucket is another account's or in another region.
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    clients, account_id = run.account.clients, run.account.identity().account_id
    bucket, key = run.destination
    uri = f"s3://{bucket}/{key}"
    with run.report.stage("upload", f"Uploading to {uri}") as report:
        _provide_bucket(run, bucket, account_id)
        with run.making("object", uri, in_one=False):
            objects.upload_file(
                clients,
                packed.path,
                bucket,
                key,
                account_id=account_id,
                tags=run.tags,
                sha256=packed.sha256,
                progress=lambda done, whole: report.progress("Uploading", done, whole, "bytes"),
                cancel=run.cancel,
            )
        report.summary = uri
    return uri


def provide_role(run: Run, archive_uri: str) -> str:
    """Return the ARN of the execution role; it is made when the plan says so, for this artifact, image and log only.

    Raises:
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    plan, account = run.plan, run.account
    with run.report.stage("role", "Providing the execution role") as report:
        if plan.role.arn:
            report.summary = f"Using {plan.role.arn}"
            return plan.role.arn
        name = plan.role.create or role_name_for(plan.endpoint.name, account.region)
        partition = account.clients.partition
        bucket, _, key = archive_uri.removeprefix("s3://").partition("/")
        policy = artifact_policy(
            partition=partition,
            region=account.region,
            account_id=account.identity().account_id,
            bucket=bucket,
            prefix=key.rpartition("/")[0],
            image_repository_arn=image_repository_arn(plan.container.image, partition),
            endpoint_name=plan.endpoint.name,
            kms_key=_encryption_key(run, bucket, report),
        )
        with run.making("role", name, in_one=False):
            role = roles.create_role(account.clients, name, policy=policy, tags=run.tags)
        report.summary = f"Created {role.arn}"
    return role.arn


def create_model(run: Run, archive_uri: str, role_arn: str) -> None:
    """Make the SageMaker model. With a role just made, AWS may not know it everywhere yet: that is waited out.

    Raises:
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    plan = run.plan
    name = plan.endpoint.name
    with run.report.stage("model", f"Creating the model {name}") as report, run.making("model", name):
        hosting.create_model(
            run.account.clients,
            name,
            image=plan.container.image,
            environment=plan.container.environment,
            model_data_url=archive_uri,
            role_arn=role_arn,
            tags=run.tags,
            role_is_new=plan.role.create is not None,
            on_wait=lambda said: report.progress(f"Waiting for the new role to be known: {said}"),
            cancel=run.cancel,
        )
        report.summary = f"Created the model {name}"


def create_endpoint_config(run: Run) -> None:
    """Make the endpoint config.

    Raises:
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    endpoint = run.plan.endpoint
    name = endpoint.name
    with run.report.stage("endpoint_config", f"Creating the endpoint config {name}") as report:
        with run.making("endpoint_config", name):
            hosting.create_endpoint_config(
                run.account.clients,
                name,
                model_name=name,
                variant=endpoint.variant,
                instance_type=endpoint.instance_type,
                instance_count=endpoint.instance_count,
                startup_timeout_seconds=endpoint.startup_timeout_seconds,
                download_timeout_seconds=endpoint.download_timeout_seconds,
                volume_gb=endpoint.volume_gb,
                inference_ami_version=run.plan.container.inference_ami_version,
                tags=run.tags,
                cancel=run.cancel,
            )
        report.summary = f"Created the endpoint config {name}"


def _encryption_key(run: Run, bucket: str, report: StageReport) -> str | None:
    try:
        return buckets.encryption_key(run.account.clients, bucket, run.account.identity().account_id)
    except AccessError:
        if run.plan.artifact.bucket:  # one of our own making has no such key
            report.warning(
                f"Whether {bucket} encrypts with a key of its own may not be asked: if it does, the new role cannot "
                "read the model, for want of kms:Decrypt."
            )
        return None


def _provide_bucket(run: Run, bucket: str, account_id: str) -> None:
    asked = False

    def before_create() -> None:
        nonlocal asked
        asked = True
        run.ledger.record("bucket", bucket, "creating")

    made = False
    try:
        made = buckets.ensure_bucket(run.account.clients, bucket, account_id, run.tags, before_create=before_create)
    except SagewizardError as error:
        if asked and is_final_no(error.__cause__ or error):
            run.ledger.record("bucket", bucket, "absent")
        raise
    if asked:  # somebody else may have been quicker: then it is not ours
        run.ledger.record("bucket", bucket, "created" if made else "absent")
