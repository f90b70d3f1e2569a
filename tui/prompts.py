"""The questions `deploy` asks in a terminal, in plain lines, for what neither options nor settings say.

They are drawn on stderr: stdout is for the result. Ctrl+C at any of them ends the program.
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from core.external_text import clean_line
from core.quantities import format_hourly, format_memory

if TYPE_CHECKING:
    from core.aws.roles import Role
    from core.instances.fit import FitRow

_TYPED = "type another"


def ask_instance(rows: "Sequence[FitRow]", recommended: str | None) -> str:
    """Return the name of the instance type that is chosen among the rows, or typed."""
    import questionary

    width = max(len(row.fit.instance.name) for row in rows)
    choices = [questionary.Choice(_instance_line(row, width, recommended), value=row.fit.instance.name) for row in rows]
    choices.append(questionary.Choice("Another one", value=_TYPED))
    chosen = _select("Which instance type?", choices, recommended or rows[0].fit.instance.name)
    if chosen != _TYPED:
        return chosen
    return clean_line(str(questionary.text("Its name:", **_drawn()).unsafe_ask()))


def ask_role(roles: "Sequence[Role]", create: str) -> str:
    """Return the ARN of the role that is chosen, or `create` for a new one."""
    import questionary

    choices = [questionary.Choice("Create one for this endpoint, allowed no more than it needs", value=create)]
    choices += [questionary.Choice(clean_line(role.name), value=role.arn) for role in roles]
    return _select("Which execution role?", choices, create)


def ask_whether(question: str) -> bool:
    """Return whether the answer is yes; just Enter means yes."""
    import questionary

    return bool(questionary.confirm(question, default=True, **_drawn()).unsafe_ask())


def ask_to_type(name: str) -> bool:
    """Return whether the person typed `name`, as the deletion of something must be confirmed."""
    import questionary

    return bool(questionary.text(f"Type {name} to delete it:", **_drawn()).unsafe_ask() == name)


def _select(question: str, choices: Sequence[Any], default: str) -> str:
    import questionary

    known = {choice.value for choice in choices}
    asked = questionary.select(
        question, choices=list(choices), default=default if default in known else None, **_drawn()
    )
    return str(asked.unsafe_ask())


def _instance_line(row: "FitRow", width: int, recommended: str | None) -> str:
    instance = row.fit.instance
    gpu = f"{instance.gpu.count} × {instance.gpu.name}" if instance.gpu else format_memory(instance.memory_bytes)
    parts = [instance.name.ljust(width), format_hourly(row.price.usd_per_hour).rjust(9), gpu]
    if row.quota is not None:
        parts.append(f"{row.quota.left} of {row.quota.limit} left")
    if instance.name == recommended:
        parts.append("recommended")
    return "  ".join(parts)


def _drawn() -> dict[str, Any]:
    from prompt_toolkit.output import create_output

    return {"output": create_output(stdout=sys.stderr)}
