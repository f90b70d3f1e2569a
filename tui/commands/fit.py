"""`sagewizard fit`: which instance types a model fits on."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import click

from core.errors import AccessError, NotFoundError, RefusedError, UnreachableError, UsageError
from core.quantities import format_bytes, format_count, format_hourly, format_memory, format_monthly
from tui.command_line import Command
from tui.commands.model_study import Study, number_setting, study, weight_options
from tui.output import data, document, message
from tui.session import Session, pass_session
from tui.tables import Column, pairs, table

if TYPE_CHECKING:
    from core.aws.clients import Clients
    from core.instances.breakdown import OpenedBudget
    from core.instances.fit import Fit, FitRow, FitTable
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
@click.option("--context", type=click.IntRange(1, 10**9), metavar="TOKENS", help="How long a conversation must fit.")
@click.option(
    "--concurrency", type=click.IntRange(1, 10**9), metavar="N", help="How many requests at once must fit. [1]"
)
@click.option(
    "--instance", "-T", "instances", multiple=True, metavar="TYPE", help="Look at this type only; repeatable."
)
@click.option("--engine", metavar="NAME", help="The serving engine: vllm, huggingface, llamacpp. [the best one]")
@weight_options
@click.option("--all", "show_all", is_flag=True, help="Show every type, also those that do not fit.")
@click.option("--explain", is_flag=True, help="Show the arithmetic of the recommended type, or of those named by -T.")
@pass_session
def fit(
    session: Session,
    model: str,
    context: int | None,
    concurrency: int | None,
    instances: tuple[str, ...],
    engine: str | None,
    variant: str | None,
    remote_code: bool,
    show_all: bool,
    explain: bool,
) -> None:
    """Show which instance types MODEL fits on, how, what they cost, and what is left of the account's quota.

    MODEL is org/name[@revision] on the Hub, a folder (./name), s3://bucket/prefix/, or `sample`. Without AWS
    credentials prices come from a list and quotas are not known.
    """
    from core.instances.catalog import find_instance_type
    from core.instances.engine_rules import find_engine
    from core.instances.fit_document import fit_document
    from core.instances.offers import Offers, fetch_offers
    from core.instances.prices import list_prices
    from core.instances.survey import survey

    for name in instances:
        find_instance_type(name)  # before the Hub is asked anything
    engines = (find_engine(engine).name,) if engine else None
    wanted = number_setting(session, "context", context)
    looked = study(session, model, variant=variant, remote_code=remote_code)
    if unserved := _lack_of_template(looked.facts):
        message(f"Warning: {unserved}")
        looked = replace(looked, facts=replace(looked.facts, warnings=(*looked.facts.warnings, unserved)))
    clients = _readable_account(session)
    if clients is None:
        offers = Offers(list_prices(_region_of_prices(session)))
    else:
        with session.politely():
            offers = fetch_offers(clients, cancel=session.cancel)
    found = survey(
        looked.facts,
        looked.weights,
        offers,
        context=wanted,
        concurrency=concurrency or 1,
        names=instances,
        engines=engines,
    )
    opened = (instances or tuple(filter(None, [found.recommended]))) if explain else ()
    if session.json:
        made = fit_document(looked.facts, looked.weights, found, explained=opened)
        document(made | {"deployable_engines": list(_able(looked))})
        return
    _show(session, looked, found, show_all=show_all or bool(instances), servable=unserved is None)
    for row in found.rows:
        if row.fit.instance.name in opened:
            _explain(looked, found, row.fit)


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


def _region_of_prices(session: Session) -> str:
    """Return the region whose prices are shown without an account: the one that was set, else that of the list."""
    from core.instances.prices import LISTED_REGION

    region = session.setting("region", option=session.options.region)
    if region is None and not session.json:
        message(f"Prices are those of {LISTED_REGION}.")
    return region or LISTED_REGION


_COLUMNS: Final = (
    Column("Instance", whole=True),
    Column("Accelerator", spare=3),
    Column("Engine", spare=1),
    Column("GPUs", whole=True),
    Column("Needs", number=True, spare=5),
    Column("Usable", number=True, spare=4),
    Column("Context", number=True, whole=True),
    Column("Price", number=True, whole=True),
    Column("Month", number=True, spare=6),
    Column("Quota left", number=True, spare=2),
    Column(""),
)


def _show(session: Session, looked: Study, found: "FitTable", *, show_all: bool, servable: bool) -> None:
    from core.serving.engines import DEPLOYABLE

    data(pairs(_about(looked, found)) + "\n")
    fitting = [row for row in found.rows if row.limited_by is None]
    rows = list(found.rows) if show_all else shortlist(fitting, found.recommended)
    if rows:
        marked = next((place for place, row in enumerate(rows) if row.fit.instance.name == found.recommended), None)
        data(table(_COLUMNS, [_cells(row, found.recommended) for row in rows], bold=marked))
    if not show_all:
        _tell_the_rest(found, len(fitting) - len(rows))
    chosen = next((row.fit for row in found.rows if row.fit.instance.name == found.recommended), None)
    if chosen and not servable:
        data(f"\nThe cheapest that holds it with head room: {_words(chosen)}.")
    elif chosen and chosen.engine in DEPLOYABLE:
        data(f"\nRecommended: {_words(chosen)}. {session.command('deploy', str(looked.facts.reference))}")
    elif chosen:
        data(f"\nRecommended: {_words(chosen)}.")
        data(_deployed_otherwise(looked))
    elif found.smallest_change:
        data(f"\n{found.smallest_change}")


def _deployed_otherwise(looked: Study) -> str:
    """Return in words what the program deploys the model with, though another engine were better."""
    if able := _able(looked):
        return f"So far models are deployed with {able[0]}: `--engine {able[0]}` shows what it needs there."
    return f"It cannot be deployed so far: {'; '.join(filter(None, _reasons_against(looked).values()))}."


def _able(looked: Study) -> tuple[str, ...]:
    """Return the engines that the program deploys and that can run the model."""
    return tuple(name for name, reason in _reasons_against(looked).items() if reason is None)


def _reasons_against(looked: Study) -> dict[str, str | None]:
    from core.instances.engine_choice import reason_against_model
    from core.instances.engine_rules import ENGINE_RULES
    from core.serving.engines import DEPLOYABLE

    return {name: reason_against_model(ENGINE_RULES[name], looked.facts, looked.weights) for name in DEPLOYABLE}


def _words(fit_: "Fit") -> str:
    """Return a fit in a sentence's worth: `ml.g5.12xlarge with vllm, tensor parallel 4, context up to 2,048`."""
    words = f"{fit_.instance.name} with {fit_.engine}"
    if fit_.gpus > 1:
        words += f", {sharing(fit_)}"
    return f"{words}, context up to {fit_.max_context:,}" if fit_.max_context else words


def sharing(fit_: "Fit") -> str:
    """Return how several GPUs hold the model: `tensor parallel 4`, or `4 GPUs in a row`."""
    if fit_.pipeline_parallel > 1:
        return f"layers over {fit_.pipeline_parallel} GPUs"
    return f"tensor parallel {fit_.tensor_parallel}"


def _about(looked: Study, found: "FitTable") -> list[tuple[str, str]]:
    from core.models.memory import kv_bytes_per_token, loaded_dtype

    facts, weights = looked.facts, looked.weights
    plural = "" if weights.shards == 1 else "s"
    left = sum(entry.file.bytes for entry in weights.left_out)
    told = [
        ("Model", str(facts.reference)),
        ("Task", facts.task or "unknown"),
        (
            "Weights",
            f"{format_bytes(weights.weight_bytes)} in {weights.shards} file{plural}"
            + (f" ({weights.variant})" if weights.variant else ""),
        ),
    ]
    if left:
        told.append(("Left out", f"{format_bytes(left)} of {format_bytes(facts.repository_bytes)}"))
    if facts.base:
        told.append(("Base", str(facts.base.reference)))
    network = facts.network
    if network.parameters:
        about = "" if network.parameters_confidence == "exact" else "about "
        stored = loaded_dtype(facts, weights)
        kind = f" of {stored}" if stored else ""
        told.append(("Parameters", f"{about}{format_count(network.parameters)}{kind}"))
    if network.quantization and network.quantization.bits:
        told.append(("Quantized", network.quantization.label))
    if each := kv_bytes_per_token(facts):
        told.append(("Cache", f"{each:,} bytes for each token"))
    if found.context:
        told.append(("Planned for", f"{found.context:,} tokens, {found.concurrency:,} at once"))
    return told


def _tell_the_rest(found: "FitTable", more: int) -> None:
    if more:
        data(f"\n{more} more {'type fits' if more == 1 else 'types fit'}; --all shows them.")
    reasons = Counter(reason for row in found.rows if (reason := row.limited_by))
    if reasons:
        told = ", ".join(f"{count} {_REASONS[reason]}" for reason, count in reasons.most_common())
        data(f"\n{reasons.total()} types are out: {told}.")
    if row := _cheaper_without_quota(found):
        price = format_hourly(row.price.usd_per_hour)
        link = row.quota.request_link if row.quota else None
        where = f"ask for it at {link}" if link else "ask for it in Service Quotas"
        data(f"{row.fit.instance.name} at {price} would do too, but the account has no quota for it: {where}.")


def _cheaper_without_quota(found: "FitTable") -> "FitRow | None":
    """Return the cheapest type that only lacks quota, where nothing cheaper is recommended."""
    from core.instances.fit import roomy

    for row in found.rows:
        if row.fit.instance.name == found.recommended or row.price.usd_per_hour is None:
            return None
        if row.limited_by == "quota" and roomy(row.fit) and not row.fit.slow:
            return row
    return None


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
    note = "recommended" if fit_.instance.name == recommended else "slow on a CPU" if fit_.slow else ""
    note = _REASONS[reason] if reason else note
    if reason and fit_.reason:
        note = fit_.reason if reason == "engine" or not fit_.instance.specified else f"{note}: {fit_.reason}"
    price = row.price.usd_per_hour
    return [
        fit_.instance.name,
        f"{gpu.count} × {gpu.name}" if gpu else fit_.instance.accelerator if fit_.instance.specified else "?",
        fit_.engine,
        "" if not fit_.gpus else f"{fit_.gpus} in a row" if fit_.pipeline_parallel > 1 else str(fit_.gpus),
        format_memory(budget.required_bytes) if known else "?",
        format_memory(budget.usable_bytes) if known else "?",
        f"{fit_.max_context:,}" if fit_.max_context else "",
        format_hourly(price),
        "" if price is None else format_monthly(price).removesuffix("/month"),
        "?" if row.quota is None else f"{row.quota.left} of {row.quota.limit}",
        note,
    ]


def _explain(looked: Study, found: "FitTable", fit_: "Fit") -> None:
    """Print how a fit comes about: each budget as a sum of terms with their formulas."""
    from core.instances.breakdown import break_down

    opened = break_down(looked.facts, looked.weights, fit_, context=found.context, concurrency=found.concurrency)
    data(f"\n{_words(fit_)}:")
    parts = (("Each GPU", opened.gpu), ("Memory", opened.host), ("Disk", opened.disk))
    for title, budget in parts:
        if budget is not None:
            data(f"\n{title}\n{_terms(budget, format_bytes if title == 'Disk' else format_memory)}")


def _terms(budget: "OpenedBudget", size_in_words: Callable[[float], str]) -> str:
    """Return a budget's terms, one a line; formulas are never cut."""
    total = sum(figure.bytes for figure in budget.required)
    lines = [(figure.what, figure.bytes, figure.formula, figure.confidence) for figure in budget.required]
    lines += [("in all", total, "", "exact")]
    usable = budget.usable
    lines += [("usable", usable.bytes, usable.formula, usable.confidence)]
    return "\n".join(
        f"  {what:<9}  {size_in_words(size):>9}  {formula}{' (estimated)' if sure == 'estimated' else ''}".rstrip()
        for what, size, formula, sure in lines
    )
