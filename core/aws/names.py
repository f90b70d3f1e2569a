"""Names in use: SageMaker lets a model, an endpoint config and an endpoint share one, but never two of a kind."""

from core.aws import hosting
from core.aws.clients import Clients


def name_taken(clients: Clients, name: str) -> str | None:
    """Return what already has the name, as a phrase (`an endpoint`, `a model`); `None` when nothing has.

    Raises:
        AccessError, UnreachableError, SagewizardError: AWS refused or did not answer.
    """
    if hosting.endpoint_exists(clients, name):
        return "an endpoint"
    if hosting.endpoint_config_exists(clients, name):
        return "an endpoint config"
    return "a model" if hosting.model_exists(clients, name) else None
