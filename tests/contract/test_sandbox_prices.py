"""Prices and quotas asked of the sandbox by the same code that asks AWS."""

from core.aws.clients import Clients, StaticCredentials
from core.cancellation import CancelToken
from core.instances.prices import Price, fetch_prices
from core.instances.quotas import Quota, fetch_quotas
from core.sandbox.daemon import RunningSandbox


def clients(running: RunningSandbox, region: str = "us-east-1") -> Clients:
    credentials = StaticCredentials(running.access_key_id, running.secret_access_key)
    return Clients(region=region, endpoint_url=running.url, credentials=credentials)


def test_prices_of_the_sandbox(sandbox: RunningSandbox) -> None:
    found = fetch_prices(clients(sandbox), cancel=CancelToken())
    assert found["ml.m5.large"] == Price(0.115, "api")
    assert found["ml.g5.12xlarge"] == Price(7.09, "api")


def test_quotas_of_the_sandbox(empty_sandbox: RunningSandbox) -> None:
    found = fetch_quotas(clients(empty_sandbox), cancel=CancelToken())
    assert found is not None
    assert found["ml.m5.large"] == Quota(2, 0)
    assert found["ml.g5.2xlarge"].code == "L-9614C779"
    assert found.get("ml.p5.48xlarge", Quota(0, 0)).limit == 0
