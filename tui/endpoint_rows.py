"""The rows of the home screen: the account's endpoints, and what this session is doing to them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from core.endpoints.desk import EndpointSummary
    from tui.runs import DeploymentRun

FREE_STATUSES: Final = frozenset({"Failed", "OutOfService", "Deleting"})
"""Statuses in which nothing is paid any more: the desk's, kept here because the desk is slow to import."""


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """One line of the table. `status` is the API's word; `doing` says what this session does to it, else empty.

    `exists` is false for a deployment whose endpoint AWS does not have: not yet, or no longer.
    """

    name: str
    status: str
    doing: str
    instance_type: str
    instance_count: int
    created: datetime
    ours: bool
    usd_per_hour: float | None
    exists: bool = True

    @property
    def costs(self) -> bool:
        """Whether it costs money now."""
        return self.exists and self.status not in FREE_STATUSES


def endpoint_rows(
    endpoints: "Iterable[EndpointSummary]",
    runs: "Iterable[DeploymentRun]",
    deleting: Mapping[str, str],
    before: Iterable[EndpointRow] = (),
) -> tuple[EndpointRow, ...]:
    """Return a row for every endpoint; for every deployment whose endpoint does not exist, because it is under way or
    because it failed or was stopped and nobody has read that yet; and for every deletion under way whose endpoint is
    gone already: it keeps the row that it had in `before`.
    """
    told_of = {run.name: run for run in runs}.values()  # of one name the newest
    known = {run.name: _run_row(run) for run in told_of if run.active or run.awaits_reader}
    for found in endpoints:
        row = known.get(found.name)
        known[found.name] = EndpointRow(
            name=found.name,
            status="Deleting" if found.name in deleting else found.status,
            doing="deleting" if found.name in deleting else row.doing if row and row.status == "Creating" else "",
            instance_type=found.instance_type or "",
            instance_count=found.instance_count or 0,
            created=found.created,
            ours=found.ours,
            usd_per_hour=row.usd_per_hour if row and found.price_usd_per_hour is None else found.price_usd_per_hour,
        )
    for row in (*known.values(), *before):
        if row.name in deleting and not (row.name in known and known[row.name].exists):
            known[row.name] = replace(row, status="Deleting", doing="deleting")
    return tuple(sorted(known.values(), key=lambda row: row.created, reverse=True))


def total_usd_per_hour(rows: Iterable[EndpointRow]) -> float:
    """Return what all rows cost together, as far as prices are known."""
    return sum(row.usd_per_hour or 0.0 for row in rows if row.costs)


def age_words(seconds: float) -> str:
    """Return an age in its largest unit: `40 s`, `12 min`, `5 h`, `3 d`."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def _run_row(run: "DeploymentRun") -> EndpointRow:
    failed = "interrupted" if run.interrupted else ""
    status, doing = {"failed": ("Failed", failed), "cancelled": ("OutOfService", "stopped")}.get(
        run.word, ("Creating", run.doing)
    )
    return EndpointRow(
        name=run.name,
        status=status,
        doing=doing,
        instance_type=run.plan.endpoint.instance_type,
        instance_count=run.plan.endpoint.instance_count,
        created=run.started,
        ours=True,
        usd_per_hour=run.plan.price_usd_per_hour,
        exists=False,
    )
