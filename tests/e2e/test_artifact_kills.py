"""Runs that are killed while they make an artifact, with whatever S3 has of it by then: gone on with, or taken away."""

import random
from collections.abc import Callable, Iterator

import pytest

from core.artifacts.manifest import ArtifactForm
from core.deployments.ledger import list_deployments
from core.deployments.plan import Plan
from core.deployments.plan_file import plan_to_json
from core.errors import RefusedError
from core.models.reference import FolderReference
from tests.contract.sandbox_account import until
from tests.e2e.killed_runs import KilledRuns
from tests.e2e.transfers import WEIGHTS, Transfers
from tests.s3_front import Moment

REQUESTS: dict[ArtifactForm, int] = {"archive": 8, "prefix": 11}
"""How many requests make an artifact: each names a key below its folder."""
KILLS = 10
both_forms = pytest.mark.parametrize("form", ["archive", "prefix"])


@pytest.fixture(scope="module")
def runs() -> Iterator[KilledRuns]:
    with KilledRuns() as runs:
        yield runs


def moments(form: ArtifactForm) -> list[tuple[int, Moment]]:
    """Some moments, always the same: a request by its number, and what has come of it."""
    places: tuple[Moment, ...] = ("arrival", "answer")
    every = [(number, moment) for number in range(REQUESTS[form]) for moment in places]
    last = (REQUESTS[form] - 2, places[0])  # all of the parts are there, and nothing is made of them yet
    return sorted({last, *random.Random(form).sample(every, KILLS)}, key=str)


def kill(
    transfers: Transfers, runs: KilledRuns, begin: Callable[[], None], number: int, moment: Moment, query: str = ""
) -> None:
    """Begin a run; kill it when the request of that number, from 0 on, has come so far and those before were answered.

    Requests that come later are held back, so that S3 has the same whenever this is done.
    """
    path = "sagewizard/"
    if number:
        transfers.front.fault(path=path, query=query, times=number)
    gates = [
        transfers.front.hold(path=path, query=query, at=moment),
        transfers.front.hold(path=path, query=query, times=999),
    ]
    begin()
    gates[0].wait()
    until(
        lambda: [each.status for each in transfers.front.seen(path=path, query=query)[:number]],
        lambda found: None not in found,
    )
    runs.kill()
    for gate in gates:
        gate.drop()
    transfers.front.clear()


def kill_deployment(
    transfers: Transfers, runs: KilledRuns, plan: Plan, number: int, moment: Moment, query: str = ""
) -> str:
    """Kill a run of a plan, as `kill`; return the deployment's id."""
    path = transfers.stand.folder / "plan.json"
    path.write_text(plan_to_json(plan))
    kill(transfers, runs, lambda: runs.start(transfers, plan=path), number, moment, query)
    return interrupted(transfers, plan)


def interrupted(transfers: Transfers, plan: Plan) -> str:
    """Return the id of the plan's one deployment, which is on record as interrupted."""
    (found,) = [each for each in list_deployments(transfers.account.ledgers) if each.endpoint == plan.endpoint.name]
    assert found.status == "interrupted"
    return found.id


@pytest.mark.parametrize(("form", "number", "moment"), [(form, *each) for form in REQUESTS for each in moments(form)])
def test_a_run_that_was_killed_is_gone_on_with_and_the_artifact_is_right(
    transfers: Transfers, runs: KilledRuns, form: ArtifactForm, number: int, moment: Moment
) -> None:
    plan = transfers.plan(f"killed-{number}-{moment}-{form}", form)
    identifier = kill_deployment(transfers, runs, plan, number, moment)
    assert transfers.go_on(identifier) == identifier
    transfers.finished(identifier, form)


@both_forms
def test_a_run_that_is_killed_in_the_midst_of_a_part_and_then_again_sends_only_what_is_missing(
    transfers: Transfers, runs: KilledRuns, form: ArtifactForm
) -> None:
    plan = transfers.plan(f"killed-twice-{form}", form)
    identifier = kill_deployment(transfers, runs, plan, 1, 100, "partNumber=")
    assert len(transfers.parts_there(identifier)) == 1
    kill(transfers, runs, lambda: runs.start(transfers, deployment=identifier), 1, "arrival", "partNumber=")
    assert interrupted(transfers, plan) == identifier
    there = transfers.parts_there(identifier)
    assert len(there) == 2
    transfers.go_on(identifier)
    sent = [request.query.partition("partNumber=")[2] for request in transfers.front.seen("PUT", query="partNumber=")]
    assert [int(number) for number in sent] == sorted({1, 2, 3} - there)
    transfers.finished(identifier, form)


@both_forms
@pytest.mark.parametrize("number", [0, 4, 6, 7])
def test_of_a_run_that_was_killed_nothing_is_left_after_a_rollback(
    transfers: Transfers, runs: KilledRuns, form: ArtifactForm, number: int
) -> None:
    plan = transfers.plan(f"killed-then-gone-{number}-{form}", form)
    identifier = kill_deployment(transfers, runs, plan, number, "answer")
    assert transfers.left_of(identifier)
    transfers.roll_back(identifier)
    assert transfers.left_of(identifier) == []


@both_forms
def test_a_local_file_that_changed_after_a_kill_is_refused_by_its_name(
    transfers: Transfers, runs: KilledRuns, form: ArtifactForm
) -> None:
    folder = transfers.stand.folder / "local"
    folder.mkdir()
    for path, content in transfers.files.items():
        (folder / path).write_bytes(content)
    plan = transfers.plan(f"changed-{form}", form, FolderReference(folder))
    identifier = kill_deployment(transfers, runs, plan, 1, "arrival", "partNumber=")
    weights = folder / WEIGHTS
    with weights.open("r+b") as file:  # as long as before
        file.seek(-1, 2)
        file.write(bytes([transfers.files[WEIGHTS][-1] ^ 1]))
    with pytest.raises(RefusedError) as refused:
        transfers.go_on(identifier)
    assert WEIGHTS in refused.value.message
    assert f"rollback {identifier}" in refused.value.fix
    assert "resume" not in refused.value.fix
    assert transfers.left_of(identifier), "a check that says no takes nothing away"
    transfers.roll_back(identifier)
    assert transfers.left_of(identifier) == []
