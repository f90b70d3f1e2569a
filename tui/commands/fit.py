"""`sagewizard fit`: which instance types a model fits on."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import click

from core.errors import AccessError, NotFoundError, RefusedError, UnreachableError, UsageError
from core.quantities import format_bytes, format_count, format_hourly, format_memory
from tui.command_line import Command
from tui.commands.model_study import Study, number_setting, study
from tui.output import data, document, message
from tui.session import Session, pass_session
from tui.tables import Column, pairs, table

if TYPE_CHECKING:
    from core.aws.clients import Clients
    from core.instances.fit import FitRow, FitTable
    from core.models.facts import ModelFacts

_SHOWN: Final = 12
_REASONS: Final = {
    "gpu": "not enough GPU memory",
    "host": "not enough memory",
    "disk": "not enough disk space",
    "engine": "the serving engine does not run there",
    "quota": "the account has no quota for it",
}


@click.command(cls=Command)
@click.argument("model")
@click.option("--context", type=click.IntRange(1), metavar="TOKENS", help="How long a conversation must fit.")
@click.option("--concurrency", type=click.IntRange(1), metavar="N", help="How many requests at once must fit. [1]")
@click.option(
    "--instance", "-T", "instances", multiple=True, metavar="TYPE", help="Look at this type only; repeatable."
)
@click.option("--all", "show_all", is_flag=True, help="Show every type, also those that do not fit.")
@pass_session
def fit(
    session: Session,
    model: str,
    context: int | None,
    concurrency: int | None,
    instances: tuple[str, ...],
    show_all: bool,
) -> None:
    """Show which instance types MODEL fits on, what they cost, and what is left of the account's quota.

    MODEL is org/name[@revision] on the Hub, a folder (./name), or `sample`. Without AWS credentials prices come from
    a list and quotas are not known.
    """
    from core.instances.catalog import find_instance_type
    from core.instances.fit_document import fit_document
    from core.instances.survey import survey

    for name in instances:
        find_instance_type(name)  # before the Hub is asked anything
    wanted = number_setting(session, "context", context)
    looked = study(session, model)
    if unserved := _lack_of_template(looked.facts):
        message(f"Warning: {unserved}")
        looked = replace(looked, facts=replace(looked.facts, warnings=(*looked.facts.warnings, unserved)))
    with session.politely():
        found = survey(
            looked.facts,
            looked.weights,
            _readable_account(session),
            cancel=session.cancel,
            context=wanted,
            concurrency=concurrency or 1,
            names=instances,
        )
    if session.json:
        document(fit_document(looked.facts, looked.weights, found))
    else:
        _show(session, looked, found, show_all=show_all or bool(instances), servable=unserved is None)


def _lack_of_template(facts: "ModelFacts") -> str | None:
    """Return in words that no inference template serves the model, so that it cannot be deployed as it is."""
    from core.serving.templates import template_for

    try:
        template_for(facts.task, facts.library)
    except RefusedError as refused:
        return f"{refused.message} {refused.fix}"
    return None


def _readable_account(session: Session) -> "Clients | None":
    """Return the clients of the account, or `None` where none is set up and none was asked for by name."""
    try:
        account = session.account()
        account.identity()
    except (AccessError, NotFoundError, UnreachableError, UsageError) as error:
        if session.sandbox or session.options.profile:
            raise
        if not session.json:
            message(f"Quotas are not known, and prices are list prices: {error.message}")
        return None
    return account.clients


_COLUMNS: Final = (
    Column("Instance"),
    Column("Accelerator"),
    Column("Needs", number=True),
    Column("Usable", number=True),
    Column("Context", number=True),
    Column("Price", number=True),
    Column("Quota left", number=True),
    Column(""),
)


def _show(session: Session, looked: Study, found: "FitTable", *, show_all: bool, servable: bool) -> None:
    data(pairs(_about(looked)) + "\n")
    fitting = [row for row in found.rows if row.limited_by is None]
    rows = list(found.rows) if show_all else shortlist(fitting, found.recommended)
    if rows:
        marked = next((place for place, row in enumerate(rows) if row.fit.instance.name == found.recommended), None)
        data(table(_COLUMNS, [_cells(row, found.recommended) for row in rows], bold=marked))
    if not show_all:
        _tell_the_rest(found, len(fitting) - len(rows))
    if found.recommended and servable:
        data(f"\nRecommended: {found.recommended}. {session.command('deploy', str(looked.facts.reference))}")
    elif found.smallest_change:
        data(f"\n{found.smallest_change}")


def _about(looked: Study) -> list[tuple[str, str]]:
    facts, weights = looked.facts, looked.weights
    plural = "" if weights.shards == 1 else "s"
    told = [
        ("Model", str(facts.reference)),
        ("Task", facts.task or "unknown"),
        ("Weights", f"{format_bytes(weights.weight_bytes)} in {weights.shards} file{plural}"),
    ]
    if facts.parameters:
        kind = f" of {facts.dtype}" if facts.dtype else ""
        told.append(("Parameters", f"{format_count(facts.parameters)}{kind}"))
    return told


def _tell_the_rest(found: "FitTable", more: int) -> None:
    if more:
        data(f"\n{more} more types fit; --all shows them.")
    reasons = Counter(reason for row in found.rows if (reason := row.limited_by))
    if reasons:
        told = ", ".join(f"{count} {_REASONS[reason]}" for reason, count in reasons.most_common())
        data(f"\n{reasons.total()} types are out: {told}.")


def shortlist(fitting: Sequence["FitRow"], recommended: str | None) -> "list[FitRow]":
    """Return the rows worth choosing from: the cheapest that fit, and the recommended one wherever it stands."""
    rows = list(fitting[:_SHOWN])
    rows += [row for row in fitting[_SHOWN:] if row.fit.instance.name == recommended]
    return rows


def _cells(row: "FitRow", recommended: str | None) -> list[str]:
    fit_ = row.fit
    gpu = fit_.instance.gpu
    budget = fit_.gpu or fit_.host
    known = budget.usable_bytes > 0
    reason = row.limited_by
    note = "recommended" if fit_.instance.name == recommended else _REASONS[reason] if reason else ""
    return [
        fit_.instance.name,
        f"{gpu.count} × {gpu.name}" if gpu else fit_.instance.accelerator,
        format_memory(budget.required_bytes) if known else "?",
        format_memory(budget.usable_bytes) if known else "?",
        f"{fit_.max_context:,}" if fit_.max_context else "",
        format_hourly(row.price.usd_per_hour),
        "?" if row.quota is None else f"{row.quota.left} of {row.quota.limit}",
        note,
    ]
