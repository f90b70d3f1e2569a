"""What an hour of an instance costs: from the Pricing API, else from the bundled list, else unknown.

The API's answer (all hosting prices of a region, some 300 products) is kept for a day. A product is a JSON text with
`product.attributes` and `terms.OnDemand.*.priceDimensions.*.pricePerUnit.USD`.
"""

import contextlib
import hashlib
import json
import logging
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

from core.aws.clients import Clients
from core.aws.failures import explained
from core.cancellation import CancelToken
from core.errors import CancelledByUser, SagewizardError
from core.folders import cache_folder

PriceSource = Literal["api", "list", "unknown"]

LISTED_REGION: Final = "us-east-1"
"""The region that the bundled list is of."""
_DAY_SECONDS: Final = 24 * 3600
_HOSTING: Final = re.compile(r"(?:^|[-:])Host:")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one instance, USD per hour; `None` when nobody knows. `list` prices may be out of date."""

    usd_per_hour: float | None
    source: PriceSource


UNKNOWN: Final = Price(None, "unknown")


def list_prices(region: str = LISTED_REGION) -> Mapping[str, Price]:
    """Return the bundled list prices, by instance type; none for any region but the one they are of."""
    if region != LISTED_REGION:
        return {}
    data = json.loads(files("core.instances").joinpath("data/list_prices_us_east_1.json").read_text(encoding="utf-8"))
    return {name: Price(usd, "list") for name, usd in data["usd_per_hour"].items()}


def fetch_prices(clients: Clients, *, cancel: CancelToken) -> Mapping[str, Price]:
    """Return the hosting prices of the clients' region, by instance type.

    Where the Pricing API may not be asked or does not answer, and for types it does not know, list prices stand in.

    Raises:
        CancelledByUser: stopping was asked for.
    """
    listed = list_prices(clients.region)
    kept = _kept_file(clients)
    asked = _read_kept(kept)
    if asked is None:
        try:
            with explained("ask for prices"):
                asked = _ask(clients, cancel)
        except CancelledByUser:
            raise
        except SagewizardError as error:
            _log.info("list prices are used: %s", error)
            return listed
        _keep(kept, asked)
    return {**listed, **{name: Price(usd, "api") for name, usd in asked.items()}}


def _ask(clients: Clients, cancel: CancelToken) -> dict[str, float]:
    """Return all hosting prices of the region, in as many requests as there are pages of 100 products."""
    fields = {"regionCode": clients.region, "component": "Hosting"}
    filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in fields.items()]
    found: dict[str, float] = {}
    pages = (
        clients.get("pricing").get_paginator("get_products").paginate(ServiceCode="AmazonSageMaker", Filters=filters)
    )
    for page in pages:
        cancel.check()
        for text in page.get("PriceList", ()):
            name, usd = _price_in(text)
            if name and usd:
                found[name] = min(usd, found.get(name, usd))
    return found


def _price_in(text: str) -> tuple[str | None, float | None]:
    """Return the instance type of a product and its price; `None` for a product that is no hosting instance."""
    try:
        product = json.loads(text)
        attributes = product["product"]["attributes"]
        name, usage = str(attributes["instanceName"]), str(attributes.get("usagetype") or "")
        # The same instance is sold for training, notebooks and asynchronous inference too.
        if not name.startswith("ml.") or (usage and not _HOSTING.search(usage)):
            return None, None
        prices = [
            float(dimension["pricePerUnit"]["USD"])
            for term in product["terms"]["OnDemand"].values()
            for dimension in term["priceDimensions"].values()
            if str(dimension.get("unit", "Hrs")).lower().startswith("h")
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None, None
    return name, max(prices, default=None)


def _kept_file(clients: Clients) -> Path:
    where = hashlib.sha256((clients.endpoint_url or "aws").encode()).hexdigest()[:12]
    return cache_folder() / f"prices-{re.sub(r'[^a-z0-9-]', '', clients.region)}-{where}.json"


def _read_kept(path: Path) -> dict[str, float] | None:
    """Return prices that were asked for less than a day ago, `None` when there are none."""
    try:
        if not 0 <= time.time() - path.stat().st_mtime < _DAY_SECONDS:
            return None
        found = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): float(usd) for name, usd in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _keep(path: Path, prices: Mapping[str, float]) -> None:
    if not prices:
        return
    part = path.with_suffix(f".{os.getpid()}.part")
    with contextlib.suppress(OSError):  # prices that cannot be kept are asked for again
        part.write_text(json.dumps(prices), encoding="utf-8")
        part.replace(path)
