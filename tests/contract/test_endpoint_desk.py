"""The desk, against endpoints that really run in the sandbox."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.account import Account
from core.cancellation import CancelToken
from core.endpoints import desk, removal
from core.endpoints.conversation import Conversation
from core.endpoints.details import HIDDEN
from core.endpoints.dialects import dialect_of
from core.endpoints.invocation import invoke
from core.errors import CancelledByUser, InvocationError, NotFoundError
from core.instances.prices import Price
from core.sandbox.daemon import RunningSandbox
from tests.contract.hosted import Hosted, host, open_sandbox

PRICES = {"ml.m5.large": Price(0.5, "list")}


@dataclass(frozen=True)
class Desk:
    account: Account
    hosted: Hosted


@pytest.fixture(scope="module")
def at(sandbox: RunningSandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder: Path = tmp_path_factory.mktemp("desk")
    account = open_sandbox(sandbox, folder)
    hosted = host(account, folder)
    yield Desk(account, hosted)
    removal.delete_endpoint(account, hosted.name, emit=lambda _: None)


def test_endpoints_are_listed_with_what_they_cost(at: Desk) -> None:
    found = {item.name: item for item in desk.list_endpoints(at.account, prices=PRICES)}[at.hosted.name]
    assert (found.status, found.instance_type, found.instance_count) == ("InService", "ml.m5.large", 1)
    assert (found.ours, found.price_usd_per_hour) == (True, 0.5)
    assert found.created.tzinfo is not None


def test_one_endpoint_is_shown_with_all_that_is_known(at: Desk) -> None:
    found = desk.show_endpoint(at.account, at.hosted.name, prices=PRICES)
    assert (found.status, found.failure_reason, found.ours) == ("InService", None, True)
    assert (found.engine, dialect_of(found)) == ("huggingface", "messages")
    assert found.environment == {"HF_TASK": "text-generation", "HF_API_TOKEN": HIDDEN}
    assert found.model_data_uri == f"s3://{at.hosted.bucket}/{at.hosted.key}"
    assert found.role_arn is not None
    assert found.role_arn.endswith(at.hosted.role)
    assert [variant.current_count for variant in found.variants] == [1]
    assert found.cost_usd_estimate is not None
    assert 0 <= found.cost_usd_estimate < 0.5
    assert "hf_very_secret" not in repr(found)


def test_the_numbers_of_invocations_come_in_time(at: Desk) -> None:
    invoke(at.account, at.hosted.name, b'{"inputs": "a"}')
    with pytest.raises(InvocationError):
        invoke(at.account, at.hosted.name, b'{"fail": 1}')
    until = time.monotonic() + 60
    while True:
        found = desk.show_endpoint(at.account, at.hosted.name, prices=PRICES).metrics
        assert found is not None
        if found.invocations >= 2 and found.errors_4xx >= 1:
            break
        assert time.monotonic() < until, found
        time.sleep(0.1)
    assert found.errors_5xx == 0
    assert found.model_latency_ms is not None
    assert found.slowest_ms is not None
    assert 0 < found.model_latency_ms <= found.slowest_ms


def test_a_name_that_is_nearly_right_is_helped_with(at: Desk) -> None:
    for look in (
        lambda name: desk.show_endpoint(at.account, name),
        lambda name: list(desk.follow_logs(at.account, name, cancel=CancelToken())),
        lambda name: removal.what_would_go(at.account, name),
    ):
        with pytest.raises(NotFoundError) as caught:
            look(f"{at.hosted.name}x")
        assert at.hosted.name in caught.value.fix


def test_the_log_has_what_the_container_said(at: Desk) -> None:
    lines = list(desk.follow_logs(at.account, at.hosted.name, cancel=CancelToken()))
    assert any("the model is here" in line.text for line in lines)
    assert all(line.stream.startswith("AllTraffic/") for line in lines)


def test_a_followed_log_ends_when_asked(at: Desk) -> None:
    cancel = CancelToken()
    following = desk.follow_logs(at.account, at.hosted.name, cancel=cancel, follow=True)
    next(following)
    cancel.cancel()
    with pytest.raises(CancelledByUser):
        list(following)


def test_a_conversation_with_an_engine_that_does_not_stream(at: Desk) -> None:
    conversation = Conversation(at.account, at.hosted.name, "messages")
    pieces: list[str] = []
    answer = conversation.ask("Hello", on_text=pieces.append)
    assert (answer.text, answer.streamed, pieces) == ("olleH", False, ["olleH"])
    continued = Conversation(at.account, at.hosted.name, "inputs").ask("ab ")
    assert continued.text == " ba"


def test_what_the_handler_refuses_is_told_in_its_words(at: Desk) -> None:
    with pytest.raises(InvocationError, match="`fail` was asked for") as caught:
        invoke(at.account, at.hosted.name, b'{"fail": 1}')
    assert caught.value.status == 400
