"""Deleting endpoints whose ledger is not on this machine: what is theirs goes, everything else stays."""

from pathlib import Path

import pytest

from core.account import Account
from core.aws import hosting, objects
from core.cancellation import CancelToken
from core.deployments.events import Event
from core.endpoints import removal
from core.errors import CancelledByUser, NotFoundError
from core.sandbox.daemon import RunningSandbox
from tests.contract.hosted import add_endpoint, host, open_sandbox, what_is_left


@pytest.fixture
def account(sandbox: RunningSandbox, tmp_path: Path) -> Account:
    return open_sandbox(sandbox, tmp_path)


def test_all_of_an_endpoint_of_ours_goes_and_repeating_it_finds_nothing(account: Account, tmp_path: Path) -> None:
    made = host(account, tmp_path)
    events: list[Event] = []
    going = removal.what_would_go(account, made.name)
    assert [resource.kind for resource in going] == [
        "endpoint",
        "endpoint_config",
        "model",
        "role",
        "object",
        "bucket",
    ]
    assert removal.delete_endpoint(account, made.name, emit=events.append) == ()
    assert what_is_left(account, made) == set()
    assert (events[0].kind, events[-1].kind) == ("started", "finished")
    assert {event.stage for event in events} == {"delete"}
    assert {event.deployment for event in events} == {made.deployment}
    with pytest.raises(NotFoundError):
        removal.delete_endpoint(account, made.name, emit=events.append)


def test_of_an_endpoint_of_somebody_else_only_itself_goes(account: Account, tmp_path: Path) -> None:
    made = host(account, tmp_path, tagged=False)
    events: list[Event] = []
    assert [resource.kind for resource in removal.what_would_go(account, made.name)] == ["endpoint"]
    assert removal.delete_endpoint(account, made.name, emit=events.append) == ()
    assert what_is_left(account, made) == {"endpoint_config", "model", "role", "object", "bucket"}
    assert {event.deployment for event in events} == {made.name}


def test_what_another_endpoint_uses_stays(account: Account, tmp_path: Path) -> None:
    made = host(account, tmp_path)
    tags = hosting.resource_tags(account.clients, hosting.describe_model(account.clients, made.name).arn)
    other = f"{made.name}-2"
    add_endpoint(account, other, model=made.name, tags=tags)
    removal.delete_endpoint(account, made.name, emit=lambda _: None)
    assert what_is_left(account, made) == {"model", "role", "object", "bucket"}
    assert hosting.describe_endpoint(account.clients, other).status == "InService"
    removal.delete_endpoint(account, other, emit=lambda _: None)
    assert what_is_left(account, made) == set()


def test_a_bucket_with_something_else_in_it_stays(account: Account, tmp_path: Path) -> None:
    made = host(account, tmp_path)
    account.clients.get("s3").put_object(Bucket=made.bucket, Key="mine", Body=b"x")
    assert removal.delete_endpoint(account, made.name, emit=lambda _: None) == ()
    assert what_is_left(account, made) == {"bucket"}
    assert objects.list_keys(account.clients, made.bucket, "", account.identity().account_id) == ("mine",)


def test_stopping_before_it_begins_deletes_nothing(account: Account, tmp_path: Path) -> None:
    made = host(account, tmp_path)
    everything = what_is_left(account, made)
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(CancelledByUser):
        removal.delete_endpoint(account, made.name, emit=lambda _: None, cancel=cancel)
    assert what_is_left(account, made) == everything
    removal.delete_endpoint(account, made.name, emit=lambda _: None)
