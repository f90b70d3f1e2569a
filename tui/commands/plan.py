"""`sagewizard plan`: everything about a deployment decided and written down; AWS is only read."""

from pathlib import Path
from typing import Any

import click

from core.errors import SagewizardError
from tui.command_line import Command
from tui.commands.model_study import choices_from, conversion_option, plan_options, study, weight_options
from tui.output import message
from tui.session import Session, pass_session


@click.command(cls=Command)
@click.argument("model")
@plan_options
@weight_options
@conversion_option
@click.option("--without-quota", is_flag=True, help="Plan for a type although the account has no quota left for it.")
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it here.")
@pass_session
def plan(
    session: Session,
    /,
    model: str,
    output: Path | None,
    variant: str | None,
    remote_code: bool,
    **options: Any,
) -> None:
    """Decide everything about the deployment of MODEL, with a reason for each decision, and change nothing.

    Without -o the plan goes to stdout, as YAML or with --json as JSON. A file ending in .json is written as JSON.
    """
    from core.deployments.plan_file import check_plan, plan_to_json, plan_to_yaml
    from core.deployments.planner import make_plan, summarise

    choices = choices_from(session, options)
    account = session.account()
    account.identity()  # before the Hub is asked anything
    looked = study(session, model, variant=variant, remote_code=remote_code)
    made = make_plan(looked.facts, looked.weights, looked.table(session, account.clients, choices), choices, account)
    check_plan(made)
    message(f"{summarise(made)}.")
    if lacking := made.reasons.get("endpoint.quota"):
        message(f"Quota: {lacking}")
    if output:
        _write(output, plan_to_json(made) + "\n" if output.suffix.lower() == ".json" else plan_to_yaml(made))
        message(f"Wrote {output}. Run it: {session.command('deploy', str(output))}")
    if session.json:
        click.echo(plan_to_json(made))
    elif output is None:
        click.echo(plan_to_yaml(made).encode(), nl=False)  # YAML is UTF-8 whatever the locale is


def _write(path: Path, text: str) -> None:
    import os
    import tempfile

    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise SagewizardError(
            f"The plan cannot be written to {path}: {error.strerror}.", fix="Name a file in a folder you may write to."
        ) from error
