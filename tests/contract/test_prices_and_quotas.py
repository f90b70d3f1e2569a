"""Prices and quotas as AWS spells them, read by botocore from real HTTP answers of a small server of ours."""

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from core.aws.clients import Clients, StaticCredentials
from core.cancellation import CancelToken
from core.errors import CancelledByUser
from core.instances.prices import Price, fetch_prices, list_prices
from core.instances.quotas import Quota, fetch_quotas, quota_request_link

Answer = tuple[int, Mapping[str, Any]]


class Aws:
    """Answers JSON-protocol operations by the functions in `answers`; keeps what was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[dict[str, Any]], Answer]] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        aws = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the base class
                pass

            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
                operation = self.headers["X-Amz-Target"].rsplit(".", 1)[-1]
                aws.asked.append((operation, request))
                status, answer = aws.answers[operation](request)
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def clients(self, region: str = "us-east-1") -> Clients:
        return Clients(region=region, endpoint_url=self.url, credentials=StaticCredentials("AKIDTEST", "secret"))

    def count(self, operation: str) -> int:
        return sum(name == operation for name, _ in self.asked)


@pytest.fixture
def aws() -> Iterator[Aws]:
    served = Aws()
    yield served
    served.server.shutdown()
    served.server.server_close()


def product(name: str, usd: str, usage: str = "USE1-Host:") -> str:
    price = {"unit": "Hrs", "pricePerUnit": {"USD": usd}}
    return json.dumps(
        {
            "product": {"attributes": {"instanceName": name, "usagetype": f"{usage}{name}", "regionCode": "us-east-1"}},
            "terms": {"OnDemand": {"a": {"priceDimensions": {"b": price}}}},
        }
    )


def denied(_: Mapping[str, Any]) -> Answer:
    return 400, {"__type": "AccessDeniedException", "message": "not allowed"}


def prices_of(*pages: list[str]) -> Callable[[dict[str, Any]], Answer]:
    def answer(request: dict[str, Any]) -> Answer:
        number = int(request.get("NextToken", 0))
        more = {"NextToken": str(number + 1)} if number + 1 < len(pages) else {}
        return 200, {"FormatVersion": "aws_v1", "PriceList": pages[number], **more}

    return answer


def test_prices_come_page_by_page_for_hosting_only(aws: Aws) -> None:
    aws.answers["GetProducts"] = prices_of(
        [product("ml.m5.large", "0.115"), product("ml.g5.xlarge", "9.9", "USE1-Train:")],
        [product("ml.g5.xlarge", "1.41"), "{malformed", "[]", product("ml.x.y", "abc"), product("other", "1")],
    )
    found = fetch_prices(aws.clients(), cancel=CancelToken())
    assert found["ml.m5.large"] == Price(0.115, "api")
    assert found["ml.g5.xlarge"] == Price(1.41, "api")
    assert found["ml.g5.2xlarge"] == list_prices()["ml.g5.2xlarge"]
    assert "other" not in found
    assert aws.count("GetProducts") == 2
    filters = {each["Field"]: each["Value"] for each in aws.asked[0][1]["Filters"]}
    assert filters == {"regionCode": "us-east-1", "component": "Hosting"}


def test_prices_are_kept_for_a_day(aws: Aws, isolated_home: Path) -> None:
    aws.answers["GetProducts"] = prices_of([product("ml.m5.large", "0.2")])
    for _ in range(3):
        assert fetch_prices(aws.clients(), cancel=CancelToken())["ml.m5.large"] == Price(0.2, "api")
    assert aws.count("GetProducts") == 1
    (kept,) = (isolated_home / "cache").glob("prices-*.json")
    yesterday = kept.stat().st_mtime - 24 * 3600 - 1
    os.utime(kept, (yesterday, yesterday))
    fetch_prices(aws.clients(), cancel=CancelToken())
    assert aws.count("GetProducts") == 2


def test_kept_prices_are_of_one_region_and_one_account_plane(aws: Aws) -> None:
    aws.answers["GetProducts"] = prices_of([product("ml.m5.large", "0.2")])
    fetch_prices(aws.clients(), cancel=CancelToken())
    fetch_prices(aws.clients("eu-west-1"), cancel=CancelToken())
    assert aws.count("GetProducts") == 2


@pytest.mark.parametrize("text", ["", "[]", '{"ml.m5.large": "x"}', "{"])
def test_a_broken_file_of_kept_prices_is_passed_over(aws: Aws, isolated_home: Path, text: str) -> None:
    aws.answers["GetProducts"] = prices_of([product("ml.m5.large", "0.2")])
    fetch_prices(aws.clients(), cancel=CancelToken())
    (kept,) = (isolated_home / "cache").glob("prices-*.json")
    kept.write_text(text)
    assert fetch_prices(aws.clients(), cancel=CancelToken())["ml.m5.large"] == Price(0.2, "api")
    assert aws.count("GetProducts") == 2


def test_without_permission_list_prices_stand_in(aws: Aws) -> None:
    aws.answers["GetProducts"] = denied
    assert fetch_prices(aws.clients(), cancel=CancelToken()) == list_prices()
    assert list_prices()["ml.g5.12xlarge"] == Price(7.09, "list")


def test_another_region_has_no_list_prices(aws: Aws) -> None:
    aws.answers["GetProducts"] = denied
    assert fetch_prices(aws.clients("eu-west-1"), cancel=CancelToken()) == {}


def test_stopping_ends_the_question(aws: Aws) -> None:
    aws.answers["GetProducts"] = prices_of([product("ml.m5.large", "0.2")])
    aws.answers["ListServiceQuotas"] = quotas_of([])
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(CancelledByUser):
        fetch_prices(aws.clients(), cancel=cancel)
    with pytest.raises(CancelledByUser):
        fetch_quotas(aws.clients(), cancel=cancel)


def quotas_of(*pages: list[tuple[str, float]]) -> Callable[[dict[str, Any]], Answer]:
    def answer(request: dict[str, Any]) -> Answer:
        number = int(request.get("NextToken", 0))
        more = {"NextToken": str(number + 1)} if number + 1 < len(pages) else {}
        rows = [{"QuotaName": name, "Value": value, "ServiceCode": "sagemaker"} for name, value in pages[number]]
        return 200, {"Quotas": rows, **more}

    return answer


def endpoints_of(aws: Aws, endpoints: Mapping[str, Mapping[str, Any]], configs: Mapping[str, list[Any]]) -> None:
    moment = 1_700_000_000
    arn = "arn:aws:sagemaker:us-east-1:123456789012:endpoint"

    def summary(name: str) -> dict[str, Any]:
        times = {"CreationTime": moment, "LastModifiedTime": moment}
        status = endpoints[name].get("EndpointStatus", "InService")
        return {"EndpointName": name, "EndpointArn": f"{arn}/{name}", "EndpointStatus": status, **times}

    def describe(request: dict[str, Any]) -> Answer:
        found = endpoints[request["EndpointName"]]
        if found.get("gone"):
            return 400, {"__type": "ValidationException", "message": "Could not find endpoint."}
        return 200, {**summary(request["EndpointName"]), **found}

    def describe_config(request: dict[str, Any]) -> Answer:
        name = request["EndpointConfigName"]
        return 200, {"EndpointConfigName": name, "CreationTime": moment, "ProductionVariants": configs[name]}

    aws.answers["ListEndpoints"] = lambda _: (200, {"Endpoints": [summary(name) for name in endpoints]})
    aws.answers["DescribeEndpoint"] = describe
    aws.answers["DescribeEndpointConfig"] = describe_config


def variant(kind: str, count: int, name: str = "AllTraffic") -> dict[str, Any]:
    return {"VariantName": name, "InstanceType": kind, "InitialInstanceCount": count}


def test_quotas_are_found_by_name_and_use_is_counted(aws: Aws) -> None:
    aws.answers["ListServiceQuotas"] = quotas_of(
        [("ml.m5.large for endpoint usage", 8.0), ("ml.m5.large for training job usage", 99.0)],
        [("ml.g5.xlarge for endpoint usage", 0.0), ("Maximum number of endpoints", 5.0)],
    )
    running = {"VariantName": "AllTraffic", "CurrentInstanceCount": 2, "DesiredInstanceCount": 3}
    endpoints_of(
        aws,
        {
            "growing": {"EndpointConfigName": "large", "ProductionVariants": [running]},
            "creating": {"EndpointConfigName": "large", "EndpointStatus": "Creating"},
            "failed": {"EndpointConfigName": "large", "EndpointStatus": "Failed"},
            "gone": {"gone": True},
            "serverless": {"EndpointConfigName": "serverless"},
        },
        {
            "large": [variant("ml.m5.large", 1)],
            "serverless": [{"VariantName": "AllTraffic", "ServerlessConfig": {"MemorySizeInMB": 1024}}],
        },
    )
    found = fetch_quotas(aws.clients(), cancel=CancelToken())
    assert found == {"ml.m5.large": Quota(8, 4), "ml.g5.xlarge": Quota(0, 0)}
    assert found is not None
    assert found["ml.m5.large"].left == 4
    assert aws.count("DescribeEndpointConfig") == 2


def test_shadows_and_instances_of_an_update_are_in_use_too(aws: Aws) -> None:
    aws.answers["ListServiceQuotas"] = quotas_of([("ml.m5.large for endpoint usage", 9.0)])
    main = {"VariantName": "AllTraffic", "CurrentInstanceCount": 1, "DesiredInstanceCount": 1}
    shadow = {"VariantName": "Shadow", "CurrentInstanceCount": 2, "DesiredInstanceCount": 2}
    pending = {"VariantName": "AllTraffic", "InstanceType": "ml.m5.large", "DesiredInstanceCount": 3}
    endpoints_of(
        aws,
        {
            "updating": {
                "EndpointConfigName": "large",
                "EndpointStatus": "Updating",
                "ProductionVariants": [main],
                "ShadowProductionVariants": [shadow],
                "PendingDeploymentSummary": {"EndpointConfigName": "next", "ProductionVariants": [pending]},
            }
        },
        {"large": [variant("ml.m5.large", 1), variant("ml.m5.large", 2, "Shadow")]},
    )
    assert fetch_quotas(aws.clients(), cancel=CancelToken()) == {"ml.m5.large": Quota(9, 6)}


def test_a_quota_knows_where_more_of_it_is_asked_for(aws: Aws) -> None:
    endpoints_of(aws, {}, {})
    codes: dict[str, Any] = {
        "ml.m5.large": "L-1928E07B",
        "ml.m5.xlarge": None,
        "ml.m5.2xlarge": "../a?x=",
        "ml.x.y": 7,
    }
    rows = [
        {"QuotaName": f"{name} for endpoint usage", "Value": 1.0, **({"QuotaCode": code} if code is not None else {})}
        for name, code in codes.items()
    ]
    aws.answers["ListServiceQuotas"] = lambda _: (200, {"Quotas": rows})
    found = fetch_quotas(aws.clients("eu-west-1"), cancel=CancelToken())
    assert found is not None
    page = "https://eu-west-1.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas"
    assert found["ml.m5.large"].code == "L-1928E07B"
    assert found["ml.m5.large"].request_link == f"{page}/L-1928E07B"
    for name in ("ml.m5.xlarge", "ml.m5.2xlarge", "ml.x.y"):
        assert (found[name].code, found[name].request_link) == (None, page)
    assert Quota(1, 0).request_link is None


@pytest.mark.parametrize(
    ("region", "code", "link"),
    [
        ("us-east-1", "L-1", "us-east-1.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas/L-1"),
        ("us-east-1", None, "us-east-1.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas"),
        ("cn-north-1", "L-1", "cn-north-1.console.amazonaws.cn/servicequotas/home/services/sagemaker/quotas/L-1"),
        (
            "us-gov-east-1",
            "L-1",
            "console.amazonaws-us-gov.com/servicequotas/home/services/sagemaker/quotas/L-1?region=us-gov-east-1",
        ),
    ],
)
def test_the_page_of_a_quota_is_that_of_the_regions_console(region: str, code: str | None, link: str) -> None:
    assert quota_request_link(region, code) == f"https://{link}"


def test_without_permission_quotas_are_not_known(aws: Aws) -> None:
    aws.answers["ListServiceQuotas"] = denied
    assert fetch_quotas(aws.clients(), cancel=CancelToken()) is None


def test_quotas_without_leave_to_count_endpoints_are_not_known(aws: Aws) -> None:
    aws.answers["ListServiceQuotas"] = quotas_of([("ml.m5.large for endpoint usage", 8.0)])
    aws.answers["ListEndpoints"] = denied
    assert fetch_quotas(aws.clients(), cancel=CancelToken()) is None


def test_more_in_use_than_allowed_leaves_nothing() -> None:
    assert Quota(2, 5).left == 0
