"""`sagewizard search`: looks for models on the Hub."""

from typing import TYPE_CHECKING, Any, Literal

import click

from core.quantities import format_count
from tui.command_line import Command
from tui.output import data, document, message
from tui.session import Session, pass_session
from tui.tables import Column, table

if TYPE_CHECKING:
    from core.models.search import FoundModel

_MOST = 200
_COLUMNS = (
    Column("Model"),
    Column("Task"),
    Column("Parameters", number=True),
    Column("Downloads", number=True),
    Column("Likes", number=True),
    Column("Changed"),
    Column(""),
)


@click.command(cls=Command)
@click.argument("text", nargs=-1)
@click.option("--task", metavar="TASK", help="Models for this task only, such as text-generation.")
@click.option("--min-size", metavar="N", help="With at least so many parameters: 500M, 7B.")
@click.option("--max-size", metavar="N", help="With at most so many parameters.")
@click.option(
    "--sort",
    type=click.Choice(["downloads", "likes", "trending"]),
    default="downloads",
    help="What the first ones have most of. [downloads]",
)
@click.option("--limit", type=click.IntRange(1, _MOST), default=20, metavar="N", help="How many to show. [20]")
@pass_session
def search(
    session: Session,
    text: tuple[str, ...],
    task: str | None,
    min_size: str | None,
    max_size: str | None,
    sort: Literal["downloads", "likes", "trending"],
    limit: int,
) -> None:
    """Look for models on the Hub whose names have the words of TEXT; without any, the most popular ones.

    `sagewizard fit MODEL` then says which instance types hold one of them.
    """
    from core.models.search import SearchQuery, more_models, parse_size, search_models

    query = SearchQuery(
        text=" ".join(text),
        task=task,
        smallest=parse_size(min_size) if min_size is not None else None,
        largest=parse_size(max_size) if max_size is not None else None,
        sort=sort,
    )
    hub = session.hub()
    with session.politely():
        page = search_models(query, hub, session.cancel)
        found = list(page.models)
        while page.next is not None and len(found) < limit:
            page = more_models(page, hub, session.cancel)
            found += page.models
    found = found[:limit]
    if session.json:
        document({"models": [_row(model) for model in found]})
    elif found:
        data(table(_COLUMNS, [_cells(model) for model in found]))
    else:
        message("The Hub has no such model. Try fewer words, or a wider size.")


def _row(model: "FoundModel") -> dict[str, Any]:
    return {
        "reference": model.repository,
        "task": model.task,
        "library": model.library,
        "parameters": model.parameters,
        "downloads": model.downloads,
        "likes": model.likes,
        "last_modified": model.last_modified.isoformat() if model.last_modified else None,
        "gated": model.gated,
        "private": model.private,
    }


def _cells(model: "FoundModel") -> list[str]:
    numbers = (model.parameters, model.downloads, model.likes)
    return [
        model.repository,
        model.task or "",
        *("" if number is None else format_count(number) for number in numbers),
        f"{model.last_modified:%Y-%m-%d}" if model.last_modified else "",
        " ".join(word for word, true in (("gated", model.gated), ("private", model.private)) if true),
    ]
