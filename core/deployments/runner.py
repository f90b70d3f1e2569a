"""Running a plan: the steps in order, their events, and what happens when one fails."""

from core.account import Account
from core.artifacts.artifact_folder import ArtifactFolder
from core.aws import hosting
from core.aws.endpoint_deletion import delete_endpoint_and_wait
from core.cancellation import CancelToken
from core.deployments import steps
from core.deployments.artifact_step import provide_artifact
from core.deployments.events import Emit
from core.deployments.ledger import Deployment, DeploymentStatus, Ledger
from core.deployments.plan import Plan
from core.deployments.plan_file import check_plan
from core.deployments.preflight import inspect
from core.deployments.removal import refuse_other_account, remove_resources
from core.deployments.reporting import Reporter, StageReport
from core.deployments.run import NO_LIMITS, Run, TransferLimits
from core.deployments.waiting import wait_until_in_service
from core.errors import (
    CancelledByUser,
    NotFoundError,
    RefusedError,
    SagewizardError,
    SignInExpiredError,
    UnreachableError,
)
from core.models.hub import HubClient
from core.quantities import format_hourly


def deploy(
    plan: Plan,
    account: Account,
    hub: HubClient,
    *,
    emit: Emit,
    cancel: CancelToken,
    wait: bool = True,
    rollback: bool = True,
    limits: TransferLimits = NO_LIMITS,
) -> Deployment:
    """Run the plan and return the deployment.

    With `wait`, it returns when the endpoint is in service; without, when AWS has accepted to create it. When a step
    fails or stopping is asked for, what the run made is removed again unless `rollback` is false, and the error is
    raised after the `failed` event. What failed because the network or the sign-in was gone is left to be gone on with
    (`resume`), as long as it has no endpoint that costs something.

    Raises:
        RefusedError: a check said no before anything was changed.
        DeploymentFailedError: the endpoint failed to start.
        CancelledByUser: stopping was asked for.
        AccessError, NotFoundError, UnreachableError, SagewizardError: a step failed.
    """
    check_plan(plan)
    if plan.region != account.region:
        raise RefusedError(
            f"The plan is for {plan.region}, but the account was opened in {account.region}.",
            fix=f"Use --region {plan.region}, or make a plan for {account.region}.",
        )
    with Ledger.start(account.ledgers, plan, account.identity().account_id) as ledger:
        report = Reporter(ledger.deployment.id, emit)
        return _run(Run(plan, account, hub, ledger, report, cancel, limits), emit, wait=wait, rollback=rollback)


def resume(
    deployment_id: str,
    account: Account,
    hub: HubClient,
    *,
    emit: Emit,
    cancel: CancelToken,
    wait: bool = True,
    rollback: bool = True,
    limits: TransferLimits = NO_LIMITS,
) -> Deployment:
    """Go on with a deployment that was interrupted or failed, from what it has made; return it.

    What S3 has of the artifact is not sent again. An endpoint that failed to start is created anew. Options and errors
    are those of `deploy`.

    Raises:
        NotFoundError: there is no such deployment.
        RefusedError: it is in service, nothing of it is left, or it was made in another account or region.
        SagewizardError: another process is working on it.
    """
    with Ledger.reopen(account.ledgers, deployment_id) as ledger:
        made = ledger.deployment
        refuse_other_account(made, account)
        if not made.existing:
            raise RefusedError(
                f"Nothing of the deployment {made.id} is left to go on with.",
                fix="Run its plan again: `sagewizard deploy`.",
            )
        check_plan(made.plan)
        _refuse_endpoint_at_work(made, account)
        ledger.take_up()
        run = Run(made.plan, account, hub, ledger, Reporter(made.id, emit), cancel, limits, resumed=True)
        return _run(run, emit, wait=wait, rollback=rollback)


def _refuse_endpoint_at_work(made: Deployment, account: Account) -> None:
    """Return when the deployment has no endpoint that has come up: there would be nothing to go on with, only to lose.

    Raises:
        RefusedError: it has one.
    """
    if not any(resource.kind == "endpoint" for resource in made.existing):
        return
    try:
        status = hosting.describe_endpoint(account.clients, made.endpoint).status
    except NotFoundError:
        return
    if status not in {"Creating", "Failed"}:
        raise RefusedError(
            f"The endpoint {made.endpoint} is there already ({status}).",
            fix=f"Talk to it: {account.command(f'chat {made.endpoint}')}.",
        )


def _run(run: Run, emit: Emit, *, wait: bool, rollback: bool) -> Deployment:
    try:
        _carry_out(run, wait=wait)
    except SagewizardError as error:
        _end_badly(run, error, emit, rollback=rollback)
        raise
    except BaseException:  # a fault of ours, or a kill that Python sees: leave nothing half-made
        _end_badly(run, SagewizardError("The program itself failed."), emit, rollback=rollback)
        raise
    return run.ledger.deployment


def _carry_out(run: Run, *, wait: bool) -> None:
    plan, endpoint = run.plan, run.plan.endpoint
    inspected = inspect(run)
    if inspected is not None:
        folder = provide_artifact(run, inspected)
    elif made := run.made("object"):
        folder = ArtifactFolder.at(made.name)
    role_arn = steps.provide_role(run, folder)
    steps.create_model(run, folder, role_arn)
    steps.create_endpoint_config(run)
    with run.report.stage("endpoint", f"Creating the endpoint {endpoint.name}") as report:
        _take_away_failed_endpoint(run, report)
        if not run.made("endpoint"):
            with run.making("endpoint", endpoint.name):
                hosting.create_endpoint(
                    run.account.clients, endpoint.name, config_name=endpoint.name, tags=run.tags, cancel=run.cancel
                )
        if not wait:
            report.summary = (
                f"AWS is creating the endpoint; {run.account.command('endpoints')} shows when it is in service"
            )
            report.endpoint = endpoint.name
            run.ledger.finish("creating")
            return
        wait_until_in_service(
            run.account,
            endpoint.name,
            timeout_seconds=endpoint.download_timeout_seconds + endpoint.startup_timeout_seconds,
            report=report,
            cancel=run.cancel,
        )
        report.summary = "InService"
    run.ledger.finish("ready")
    run.report.ready(
        endpoint.name, f"{endpoint.name} is in service, {format_hourly(plan.price_usd_per_hour)} until deleted"
    )


def _take_away_failed_endpoint(run: Run, report: StageReport) -> None:
    """Delete an endpoint of this deployment that failed to start: it would never come up."""
    if not run.made("endpoint"):
        return
    name, clients = run.plan.endpoint.name, run.account.clients
    try:
        found = hosting.describe_endpoint(clients, name)
    except NotFoundError:
        run.ledger.record("endpoint", name, "deleted")
        return
    if found.status == "Failed":
        delete_endpoint_and_wait(clients, name, cancel=run.cancel, told=report.progress)
        run.ledger.record("endpoint", name, "deleted")


def _may_be_gone_on_with(run: Run, error: SagewizardError) -> bool:
    """Return whether what was made is worth being left: the cause passes, and nothing costs much meanwhile.

    A check that says no before a resumed run has made anything leaves all as it is, too.
    """
    if run.resumed and run.report.stage_now == "inspect" and not isinstance(error, CancelledByUser):
        return True
    passing = isinstance(error, UnreachableError | SignInExpiredError)
    return passing and run.begun("object") is not None and run.begun("endpoint") is None


def _end_badly(run: Run, error: SagewizardError, emit: Emit, *, rollback: bool) -> None:
    stage = run.report.stage_now
    left = run.ledger.deployment.existing
    if _may_be_gone_on_with(run, error):
        deployment = run.ledger.deployment.id
        first = error.fix.replace(", then try again", "").replace(", then repeat", "")
        if run.account.command(f"rollback {deployment}") not in first:
            error.fix = (
                f"{first} Then go on from here with {run.account.command(f'resume {deployment}')}; "
                f"{run.account.command(f'rollback {deployment}')} removes what is there."
            ).strip()
        left = ()
    elif left and rollback:
        try:
            left = remove_resources(run.ledger, run.account, emit=emit, cancel=CancelToken(), stage="rollback")
        except SagewizardError as trouble:  # the ledger cannot be written any more: then nothing is touched
            left = run.ledger.deployment.existing
            error.fix = f"{error.fix} {trouble.message}".strip()
    if left:
        names = ", ".join(f"{resource.kind.replace('_', ' ')} {resource.name}" for resource in left)
        remedy = f"remove with {run.account.command(f'endpoints delete {run.plan.endpoint.name}')}"
        error.fix = f"{error.fix} Still there: {names}; {remedy}.".strip()
    status: DeploymentStatus = "cancelled" if isinstance(error, CancelledByUser) else "failed"
    try:
        run.ledger.finish(status, cause=error.message, fix=error.fix)
    finally:
        run.report.failed(stage, error)
