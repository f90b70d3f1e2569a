"""`sagewizard resume`: a deployment that was interrupted, gone on with from what it has made."""

import click

from tui.command_line import Command
from tui.commands.deploy import left_behind, summary
from tui.commands.model_study import limits_from, transfer_options
from tui.output import data, message
from tui.progress import shown_run
from tui.session import Session, pass_session


@click.command(cls=Command)
@click.argument("deployment", required=False)
@transfer_options
@click.option("--no-wait", is_flag=True, help="Return when AWS has accepted to create the endpoint.")
@click.option("--no-rollback", is_flag=True, help="If it fails, leave what was made for a look at it.")
@pass_session
def resume(
    session: Session,
    deployment: str | None,
    limit_rate: int | None,
    disk: int | None,
    no_wait: bool,
    no_rollback: bool,
) -> None:
    """Go on with DEPLOYMENT, an id that `sagewizard deployments` lists; without it, with the one that was interrupted.

    What is in S3 already is not uploaded again.
    """
    from core.deployments import runner
    from core.deployments.resumption import find_unfinished

    session.stream_events()
    account = session.account()
    account_id = account.identity().account_id
    found = find_unfinished(account, deployment)
    message(f"Going on with {found.id}: “{found.endpoint}” in {found.region}.")
    with shown_run(session, lambda: left_behind(session, account, account_id, found.endpoint)) as emit:
        made = runner.resume(
            found.id,
            account,
            session.hub(),
            emit=emit,
            cancel=session.cancel,
            wait=not no_wait,
            rollback=not no_rollback,
            limits=limits_from(limit_rate, disk),
        )
    if not session.json:
        data(summary(session, account, made))
