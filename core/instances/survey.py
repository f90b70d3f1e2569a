"""The fit table of a model for one account: every instance type, with what it costs there and what is left of it."""

from collections.abc import Collection

from core.aws.clients import Clients
from core.cancellation import CancelToken
from core.instances.catalog import catalog, find_instance_type
from core.instances.fit import FitTable
from core.instances.fit_table import fit_table
from core.instances.prices import fetch_prices, list_prices
from core.instances.quotas import fetch_quotas
from core.models.facts import ModelFacts, WeightSet


def survey(
    facts: ModelFacts,
    weights: WeightSet,
    clients: Clients | None,
    *,
    cancel: CancelToken,
    context: int | None = None,
    concurrency: int = 1,
    names: Collection[str] = (),
) -> FitTable:
    """Return how the model fits the instance types called `names` (all of them when empty).

    Without `clients`, or where the account may not be asked, prices are list prices and quotas are not known.

    Raises:
        UsageError: a name is not an instance type.
        CancelledByUser: stopping was asked for.
    """
    instances = [find_instance_type(name) for name in names] if names else list(catalog().values())
    prices = fetch_prices(clients, cancel=cancel) if clients else list_prices()
    quotas = fetch_quotas(clients, cancel=cancel) if clients else None
    return fit_table(
        facts, weights, context=context, concurrency=concurrency, instances=instances, prices=prices, quotas=quotas
    )
