"""What an account is offered: the prices of its region, and what is left of its quotas. Asked for once, used often."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.aws.clients import Clients
from core.cancellation import CancelToken
from core.instances.prices import Price, fetch_prices, list_prices
from core.instances.quotas import Quota, fetch_quotas


@dataclass(frozen=True, slots=True)
class Offers:
    """Prices by instance type, and quotas by instance type, `None` where they are not known."""

    prices: Mapping[str, Price] = field(default_factory=list_prices)
    quotas: Mapping[str, Quota] | None = None


def fetch_offers(clients: Clients, *, cancel: CancelToken) -> Offers:
    """Return what the account is offered; where it may not be asked, list prices and no quotas.

    Raises:
        CancelledByUser: stopping was asked for.
    """
    return Offers(fetch_prices(clients, cancel=cancel), fetch_quotas(clients, cancel=cancel))
