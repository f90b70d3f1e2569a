"""Running a plan: the steps in order, their events, and what happens when one fails."""

from core.account import Account
from core.aws import hosting
from core.cancellation import CancelToken
from core.deployments import steps
from core.deployments.events import Emit
from core.deployments.ledger import Deployment, DeploymentStatus, Ledger
from core.deployments.plan import Plan
from core.deployments.plan_file import check_plan
from core.deployments.preflight import inspect
from core.deployments.removal import remove_resources
from core.deployments.reporting import Reporter
from core.deployments.run import Run
from core.deployments.staging import staging_folder
from core.deployments.waiting import wait_until_in_service
from core.errors import CancelledByUser, RefusedError, SagewizardError
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
) -> Deployment:
    """Run the plan and return the deployment.

    With `wait`, it returns when the endpoint is in service; without, when AWS has accepted to create it. When a step
    fails or stopping is asked for, what the run made is removed again unless `rollback` is false, and the error is
    raised after the `failed` event.

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
        run = Run(plan, account, hub, ledger, report, cancel)
        try:
            _carry_out(run, wait=wait)
        except SagewizardError as error:
            _end_badly(run, error, emit, rollback=rollback)
            raise
        except BaseException:  # a fault of ours, or a kill that Python sees: leave nothing half-made
            _end_badly(run, SagewizardError("The program itself failed."), emit, rollback=rollback)
            raise
        return ledger.deployment


def _carry_out(run: Run, *, wait: bool) -> None:
    plan, endpoint = run.plan, run.plan.endpoint
    members = inspect(run)
    with staging_folder(run.ledger.deployment.id) as folder:
        packed = steps.package(run, members, folder)
        uri = steps.upload(run, packed)
    role_arn = steps.provide_role(run, uri)
    steps.create_model(run, uri, role_arn)
    steps.create_endpoint_config(run)
    with run.report.stage("endpoint", f"Creating the endpoint {endpoint.name}") as report:
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


def _end_badly(run: Run, error: SagewizardError, emit: Emit, *, rollback: bool) -> None:
    stage = run.report.stage_now
    left = run.ledger.deployment.existing
    if left and rollback:
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
