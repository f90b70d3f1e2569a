"""The fit table of a model for one account: every instance type, with what it costs there and what is left of it."""

from collections.abc import Collection

from core.instances.catalog import catalog, find_instance_type
from core.instances.fit import FitTable
from core.instances.fit_table import fit_table
from core.instances.offers import Offers
from core.models.facts import ModelFacts, WeightSet


def survey(
    facts: ModelFacts,
    weights: WeightSet,
    offers: Offers,
    *,
    context: int | None = None,
    concurrency: int = 1,
    names: Collection[str] = (),
    engines: tuple[str, ...] | None = None,
    count: int = 1,
) -> FitTable:
    """Return how the model fits the instance types called `names` (all of them when empty). No request is made.

    `count` is how many instances are to run. `engines` are those to consider, `None` for all that a fit can be reckoned
    for.

    Raises:
        UsageError: a name is not an instance type, or the context is longer than the model attends to.
    """
    instances = [find_instance_type(name) for name in names] if names else list(catalog().values())
    return fit_table(
        facts,
        weights,
        context=context,
        concurrency=concurrency,
        instances=instances,
        prices=offers.prices,
        quotas=offers.quotas,
        engines=engines,
        count=count,
    )
