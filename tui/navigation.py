"""What a person asks the program for: posted by screens and widgets, carried out by the app."""

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from core.deployments.plan import Plan
    from tui.draft import StepName
    from tui.runs import DeploymentRun


class OpenAccount(Message):
    """Try to open the account again."""


class NewDeployment(Message):
    """Open the wizard with the draft as it was left, at `step`; or for the model that `reference` names."""

    def __init__(self, reference: str | None = None, step: "StepName" = "model") -> None:
        super().__init__()
        self.reference = reference
        self.step = step


class StartRun(Message):
    """Carry out the plan."""

    def __init__(self, plan: "Plan") -> None:
        super().__init__()
        self.plan = plan


class _AboutRun(Message):
    def __init__(self, run: "DeploymentRun") -> None:
        super().__init__()
        self.run = run


class OpenRun(_AboutRun):
    """Show a deployment of this session."""


class ResumeRun(_AboutRun):
    """Go on with a deployment that failed, from what it has made."""


class StopRun(_AboutRun):
    """Stop a deployment and undo what it made."""


class DismissRun(_AboutRun):
    """Put aside a deployment that ended: how it ended has been read."""


class _AboutEndpoint(Message):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


class OpenEndpoint(_AboutEndpoint):
    """Inspect the endpoint `name`."""


class OpenChat(_AboutEndpoint):
    """Chat with the endpoint `name`."""


class OpenLogs(_AboutEndpoint):
    """Follow the container log of the endpoint `name`."""


class AskToDelete(_AboutEndpoint):
    """Ask whether to delete the endpoint `name`."""
