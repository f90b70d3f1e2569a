"""What an hour of an instance costs: from the Pricing API, else from the bundled list, else unknown."""

from dataclasses import dataclass
from typing import Literal

PriceSource = Literal["api", "list", "unknown"]


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one instance, USD per hour; `None` when nobody knows. `list` prices may be out of date."""

    usd_per_hour: float | None
    source: PriceSource
