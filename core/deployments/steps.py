"""The steps of a run that make something, each from what the one before gave to what the next one needs.

Before each remote change the ledger says what is about to be made. A step that finds that AWS refused to make it
writes that down, so that nothing of the same name that somebody else made is ever taken for ours.
"""

from core.artifacts.artifact_folder import ArtifactFolder
from core.aws import buckets, hosting, roles
from core.aws.policies import artifact_policy
from core.deployments.names import role_name_for
from core.deployments.reporting import StageReport
from core.deployments.run import Run
from core.errors import AccessError, NotFoundError
from core.serving.images import image_repository_arn


def provide_role(run: Run, folder: ArtifactFolder) -> str:
    """Return the ARN of the execution role; it is made when the plan says so, for this artifact, image and log only.

    Raises:
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    plan, account = run.plan, run.account
    with run.report.stage("role", "Providing the execution role") as report:
        if plan.role.arn:
            report.summary = f"Using {plan.role.arn}"
            return plan.role.arn
        if made := run.made("role"):
            try:
                arn = roles.find_role(account.clients, made.name).arn
            except NotFoundError:  # somebody deleted it
                run.ledger.record("role", made.name, "deleted")
            else:
                report.summary = f"Created before: {made.name}"
                return arn
        name = plan.role.create or role_name_for(plan.endpoint.name, account.region)
        partition = account.clients.partition
        policy = artifact_policy(
            partition=partition,
            region=account.region,
            account_id=account.identity().account_id,
            bucket=folder.bucket,
            prefix=folder.data_key("prefix") if plan.artifact.form == "prefix" else folder.prefix,
            image_repository_arn=image_repository_arn(plan.container.image, partition),
            endpoint_name=plan.endpoint.name,
            kms_key=plan.artifact.kms_key or _encryption_key(run, folder.bucket, report),
        )
        with run.making("role", name, in_one=False):
            role = roles.create_role(account.clients, name, policy=policy, tags=run.tags)
        report.summary = f"Created {role.arn}"
    return role.arn


def create_model(run: Run, folder: ArtifactFolder, role_arn: str) -> None:
    """Make the SageMaker model. With a role just made, AWS may not know it everywhere yet: that is waited out.

    Raises:
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    plan = run.plan
    name, uri = plan.endpoint.name, folder.data_uri(plan.artifact.form)
    if run.made("model"):
        return
    with run.report.stage("model", f"Creating the model {name}") as report, run.making("model", name):
        hosting.create_model(
            run.account.clients,
            name,
            image=plan.container.image,
            environment=plan.container.environment,
            model_data_url=uri if plan.artifact.form == "archive" else None,
            model_data_prefix=uri if plan.artifact.form == "prefix" else None,
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
    if run.made("endpoint_config"):
        return
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
