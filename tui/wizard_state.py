"""What the wizard's steps are shown: the draft, and what is being found out for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from core.errors import SagewizardError
from tui.draft import Draft

Question = Literal["model", "weights", "demand", "table", "roles", "role", "plan"]
"""What the wizard asks core: the model's facts, other weights of it, another context or number of requests, the fit
table, the account's roles, a role named by hand, the plan."""


@dataclass(frozen=True, slots=True)
class WizardState:
    """The draft, the questions under way, and those that ended with an error."""

    draft: Draft
    asking: frozenset[Question] = frozenset()
    problems: Mapping[Question, SagewizardError] = field(default_factory=dict)
    sandbox: bool = False
    command: str = ""
    """The command that does what the draft says; empty until it is known."""
