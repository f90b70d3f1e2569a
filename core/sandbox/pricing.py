"""The Pricing API's GetProducts, for SageMaker's real-time hosting, out of the bundled list prices.

The list is of us-east-1, so products are of that region only; a type without a known price has no product. Products
have the attributes and the nesting of the real price list that clients read.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

from core.sandbox.hosting.errors import ApiError
from core.sandbox.hosting.listing import slice_page
from core.sandbox.json_service import Operation

_SERVICE: Final = "AmazonSageMaker"
_REGION: Final = "us-east-1"
_PUBLISHED: Final = "2026-01-01T00:00:00Z"
_TESTS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "TERM_MATCH": lambda value, wanted: value == wanted,
    "EQUALS": lambda value, wanted: value == wanted,
    "CONTAINS": lambda value, wanted: wanted in value,
    "ANY_OF": lambda value, wanted: value in wanted.split(","),
    "NONE_OF": lambda value, wanted: value not in wanted.split(","),
}


def operations() -> Mapping[str, Operation]:
    """Return the operations by name."""
    return {"GetProducts": _get_products}


def _get_products(_region: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
    if request["ServiceCode"] != _SERVICE:
        raise ApiError(
            "NotFoundException", f"The sandbox has prices of {_SERVICE} only, not of {request['ServiceCode']}."
        )
    wanted = [(test["Field"], _TESTS[test["Type"]], test["Value"]) for test in request.get("Filters", ())]
    found: list[Any] = [
        json.dumps(product)
        for product in _products()
        if all(field in _fields(product) and test(_fields(product)[field], value) for field, test, value in wanted)
    ]
    return {"FormatVersion": "aws_v1", **slice_page(found, request, "PriceList", size=100)}


def _fields(product: Mapping[str, Any]) -> Mapping[str, str]:
    fields: Mapping[str, str] = {
        **product["product"]["attributes"],
        "productFamily": product["product"]["productFamily"],
    }
    return fields


@cache
def _products() -> tuple[Mapping[str, Any], ...]:
    data = json.loads(files("core.instances").joinpath("data/list_prices_us_east_1.json").read_text(encoding="utf-8"))
    return tuple(_product(name, price) for name, price in data["usd_per_hour"].items())


def _product(name: str, usd_per_hour: float) -> Mapping[str, Any]:
    sku = hashlib.sha256(name.encode()).hexdigest()[:16].upper()
    term, rate = (
        f"{sku}.JRTCKXETXF",
        f"{sku}.JRTCKXETXF.6YS6EN2CT7",
    )  # on demand, per hour: the codes of every price list
    return {
        "product": {
            "productFamily": "ML Instance",
            "sku": sku,
            "attributes": {
                "servicecode": _SERVICE,
                "servicename": "Amazon SageMaker",
                "instanceName": name,
                "instanceType": f"{name}-Hosting",
                "component": "Hosting",
                "regionCode": _REGION,
                "location": "US East (N. Virginia)",
                "locationType": "AWS Region",
                "usagetype": f"USE1-Host:{name}",
                "operation": "RunInstance",
            },
        },
        "serviceCode": _SERVICE,
        "terms": {
            "OnDemand": {
                term: {
                    "sku": sku,
                    "offerTermCode": "JRTCKXETXF",
                    "effectiveDate": _PUBLISHED,
                    "termAttributes": {},
                    "priceDimensions": {
                        rate: {
                            "rateCode": rate,
                            "unit": "Hrs",
                            "beginRange": "0",
                            "endRange": "Inf",
                            "description": f"${usd_per_hour} per Hosting {name} hour in US East (N. Virginia)",
                            "appliesTo": [],
                            "pricePerUnit": {"USD": f"{usd_per_hour:.10f}"},
                        }
                    },
                }
            }
        },
        "version": "20260101000000",
        "publicationDate": _PUBLISHED,
    }
