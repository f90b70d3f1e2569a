"""What the instance step says of the type under the cursor, and why one cannot be taken."""

from textual.content import Content

from core.deployments.planner import describe_limit
from core.errors import SagewizardError
from core.instances.fit import FitRow, FitTable
from core.own_commands import own_command
from core.quantities import format_hourly, format_memory, format_monthly
from tui.draft import usable
from tui.widgets.steps.size_words import sharing_words


def row_words(row: FitRow, recommended: str | None, count: int, *, context: bool) -> Content:
    """Return what is worth knowing of a type: the machine, whether and how it holds the model, what it costs.

    The longest `context` is told of where no column does.
    """
    lines = [Content.styled(machine_words(row), "$quiet")]
    if usable(row, count):
        lines.append(Content.assemble(("✓ ", "$success"), _holding_words(row, recommended, context=context)))
    else:
        lines.append(Content.assemble(("✗ ", "$error"), _short_refusal(row, count)))
    if link := link_to_more(row, count):  # before what may have no room on a small screen
        lines.append(Content.assemble("Ask for more here, y copies it: ", (link, "$primary")))
    lines.append(Content.styled(" · ".join(cost_words(row)), "$quiet"))
    return Content("\n").join(lines)


def machine_words(row: FitRow) -> str:
    """Return what the machine is made of."""
    instance = row.fit.instance
    if not instance.specified:
        return f"{instance.name}: nobody publishes what it has"
    gpu = instance.gpu
    gpus = f"{gpu.count} × {gpu.name} with {format_memory(gpu.memory_bytes)}, " if gpu else ""
    return f"{instance.name}: {gpus}{instance.vcpus} vCPU, {format_memory(instance.memory_bytes)} of memory"


def _holding_words(row: FitRow, recommended: str | None, *, context: bool) -> str:
    fit = row.fit
    need, what = (fit.gpu, "each GPU") if fit.gpu else (fit.host, "memory")
    why = "The cheapest with head room" if fit.instance.name == recommended else "It fits"
    words = f"{why}: {format_memory(need.required_bytes)} of {format_memory(need.usable_bytes)} {what}"
    if fit.gpus > 1:
        words += f"; {sharing_words(fit)}"
    return f"{words}; context up to {fit.max_context:,}." if context and fit.max_context else f"{words}."


def cost_words(row: FitRow) -> tuple[str, ...]:
    """Return the price and where it is from, what is left of the quota, and the volume that is asked for."""
    price, quota = row.price, row.quota
    cost = f"{format_hourly(price.usd_per_hour)} · {format_monthly(price.usd_per_hour)}"
    if price.usd_per_hour is None:
        cost = "price not known"
    elif price.source == "list":
        cost += " (list price, may be out of date)"
    left = "quota not known"
    if quota is not None:
        left = f"quota {quota.left} of {quota.limit} left" + (f", {quota.used} in use" if quota.used else "")
    volume = (f"with a volume of {row.fit.volume_gb} GB",) if row.fit.volume_gb else ()
    return (cost, left, *volume)


def link_to_more(row: FitRow, count: int) -> str | None:
    """Return where more of a type is asked for, when the account has too little of one that holds the model."""
    if row.quota is None or row.quota.left >= count or not row.fit.fits:
        return None
    return row.quota.request_link


def _short_refusal(row: FitRow, count: int) -> str:
    """Return the same as the whole refusal in a sentence."""
    if row.fit.fits and row.quota is not None:
        return f"Quota: {row.quota.left} of {row.quota.limit} left, {count} needed."
    limit = describe_limit(row)
    return f"{limit[:1].upper()}{limit[1:]}."


def refusal(row: FitRow, recommended: str | None, count: int, *, sandbox: bool) -> SagewizardError:
    """Return why a type cannot be taken, and what to do about it."""
    name, quota = row.fit.instance.name, row.quota
    if row.fit.fits and quota is not None:
        more = "ask for more at the link below" if quota.request_link else "ask for more in the Service Quotas console"
        if sandbox:
            raised = own_command("sandbox", "quota", name, str(quota.used + count), sandbox=True)
            more = f"raise it with `{raised}`"
        return SagewizardError(
            f"The account may run {quota.limit} of {name} for endpoints; {quota.used} are in use, and {count} would be "
            "needed.",
            fix=f"Choose another type or fewer instances, or {more}. `sagewizard plan --without-quota` plans for it "
            "all the same.",
        )
    return SagewizardError(
        f"{name} does not hold this model: {describe_limit(row)}.",
        fix=f"{recommended} holds it." if recommended else "Choose a smaller model.",
    )


def nothing_fits(table: FitTable | None) -> SagewizardError | None:
    """Return that nothing holds the model, or that what does cannot be recommended, and what would change that."""
    if table is None or table.recommended is not None:
        return None
    fitting = any(row.fit.fits for row in table.rows)
    sentence = "No instance type can be recommended." if fitting else "No instance type holds this model."
    return SagewizardError(sentence, fix=table.smallest_change or "Choose a smaller one.")
