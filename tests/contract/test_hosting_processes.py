"""Endpoints from end to end of their life: fetched, started, watched, changed, ended."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from core.sandbox import processes
from core.sandbox.hosting.records import EndpointRecord
from tests.contract.hosting_plant import BUCKET, ECHO, REGION, Plant, archive_of, echo_held_back, files_of, wait_for


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    made = Plant(tmp_path_factory.mktemp("plant"))
    yield made
    made.close()
    assert not (made.work_folder / "endpoints").exists()


def pid_of(plant: Plant, record: EndpointRecord) -> int:
    return int(json.load(plant.invoke(record)["Body"])["pid"])


def alive(pid: int) -> bool:
    return processes.identity(pid) is not None


def test_an_endpoint_comes_up_answers_and_goes_without_a_trace(plant: Plant, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    record = plant.launch(plant.variant(uri=plant.upload(archive_of(files_of(code=echo_held_back(gate))))))
    assert plant.status_of(record) == "Creating"
    assert record.variants[0].current_count == 0
    gate.touch()
    plant.settled(record)
    assert (record.status, record.failure_reason) == ("InService", None)
    assert (record.variants[0].current_count, record.variants[0].current_weight) == (1, 1.0)
    folder = plant.work_folder / "endpoints" / REGION / record.name
    assert [path.read_bytes() for path in folder.glob("*/model/config.json")] == [b'{"name": "one"}']

    answer = plant.invoke(record, b'{"x": 1}')
    said = json.load(answer["Body"])
    assert (said["echo"], said["model"]) == ({"x": 1}, "one")
    assert (answer["ContentType"], answer["InvokedProductionVariant"]) == ("application/json", "AllTraffic")

    plant.remove(record)
    assert not alive(said["pid"])
    assert not folder.exists()


@pytest.mark.parametrize("source", ["gzip", "prefix", "object"])
def test_model_data_sources(plant: Plant, source: str) -> None:
    if source == "gzip":
        place = {"S3Uri": plant.upload(archive_of(files_of())), "S3DataType": "S3Object", "CompressionType": "Gzip"}
    elif source == "prefix":
        for path, content in {**files_of(), "deep/er/file.txt": b"x", "folder/": b""}.items():
            plant.upload(content, f"models/prefix/{path}")
        place = {"S3Uri": f"s3://{BUCKET}/models/prefix/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    else:
        place = {"S3Uri": plant.upload(b"{}", "x/config.json"), "S3DataType": "S3Object", "CompressionType": "None"}
    variant = plant.variant(container={"ModelDataUrl": None, "ModelDataSource": {"S3DataSource": place}})
    record = plant.settled(plant.launch(variant))
    if source == "object":  # it is fetched, but no model
        wait_for(lambda: any("Task couldn't be inferenced" in line for line in plant.log(record)))
    else:
        assert record.status == "InService", record.failure_reason
    plant.remove(record)


def test_a_broken_handler_fails_at_once_and_its_log_says_why(plant: Plant) -> None:
    broken = plant.upload(archive_of(files_of(code="raise RuntimeError('not \x1b[31mtoday')")))
    record = plant.settled(plant.launch(plant.variant("blue", broken, startup_timeout=600)))
    assert record.status == "Failed"
    assert record.failure_reason == (
        "The primary container for production variant blue did not pass the ping health check. "
        "Please check CloudWatch logs for this endpoint."
    )
    wait_for(lambda: "RuntimeError: not \x1b[31mtoday" in plant.log(record))
    [stream] = plant.clients.get("logs").describe_log_streams(logGroupName=f"/aws/sagemaker/Endpoints/{record.name}")[
        "logStreams"
    ]
    assert stream["logStreamName"].startswith("blue/i-")
    plant.remove(record)


def test_a_model_that_loads_too_long_fails_after_its_time(plant: Plant) -> None:
    slow = plant.upload(archive_of(files_of(code="import time\ndef model_fn(d): time.sleep(600)")))
    record = plant.settled(plant.launch(plant.variant(uri=slow, startup_timeout=1)))
    assert record.status == "Failed"
    assert "did not pass the ping health check" in (record.failure_reason or "")


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        (f"s3://{BUCKET}/absent.tar.gz", "Failed to download model data for container"),
        ("s3://no-such-bucket-anywhere/model.tar.gz", "Failed to download model data for container"),
        ("damaged", "Please ensure that the object located at the URL is a valid tar.gz archive."),
    ],
)
def test_bad_model_data_fails_in_the_words_of_aws(plant: Plant, uri: str, words: str) -> None:
    if uri == "damaged":
        uri = plant.upload(b"this is no archive")
    record = plant.settled(plant.launch(plant.variant(uri=uri)))
    assert record.status == "Failed"
    assert words in (record.failure_reason or "")
    assert uri in (record.failure_reason or "")
    assert not list((plant.work_folder / "endpoints" / REGION / record.name).glob("*"))


def test_a_download_that_takes_too_long_fails(plant: Plant) -> None:
    record = plant.settled(plant.launch(plant.variant(download_timeout=0)))
    assert record.status == "Failed"
    assert "ModelDataDownloadTimeoutInSeconds" in (record.failure_reason or "")


def test_an_image_without_a_stand_in_is_named(plant: Plant) -> None:
    record = plant.settled(plant.launch(plant.variant(container={"Image": "host/djl-inference:1"})))
    assert record.status == "Failed"
    assert "no stand-in for the container image host/djl-inference:1" in (record.failure_reason or "")


def test_one_bad_variant_of_two_takes_the_other_down(plant: Plant) -> None:
    bad = plant.variant("bad", f"s3://{BUCKET}/absent.tar.gz")
    record = plant.settled(plant.launch(plant.variant("good"), bad))
    assert record.status == "Failed"
    assert not list((plant.work_folder / "endpoints" / REGION / record.name).glob("*"))


def test_the_environment_is_the_models_and_not_the_daemons(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET_OF_THE_DAEMON", "do not tell")
    monkeypatch.setenv("HF_TOKEN", "do not tell")
    variant = plant.variant(container={"Environment": {"MINE": "yes", "AWS_ENDPOINT_URL": "https://aws.example"}})
    record = plant.in_service(variant)
    said = json.load(plant.invoke(record, b'{"environ": 1}')["Body"])
    assert "do not tell" not in str(said)
    assert said["MINE"] == "yes"
    assert said["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")
    assert said["HOME"].startswith(str(plant.work_folder))
    plant.remove(record)


def test_output_of_handlers_and_requirements_reach_the_log(plant: Plant) -> None:
    files = {**files_of(), "code/requirements.txt": b"pytest\nno-such-distribution-xyz==1\n"}
    record = plant.in_service(plant.variant(uri=plant.upload(archive_of(files))))
    plant.invoke(record, b'{"print": "first\\nsecond \\u001b]52;c;eA==\\u0007"}')
    lines = wait_for(lambda: [line for line in plant.log(record) if line.startswith(("first", "second"))])
    assert lines == ["first", "second \x1b]52;c;eA==\x07"]
    log = "\n".join(plant.log(record))  # what was written before those lines has come before them
    assert "no-such-distribution-xyz==1: not installed" in log
    assert "ConnectionResetError" not in log
    plant.remove(record)


def test_a_log_group_that_was_deleted_is_made_again(plant: Plant) -> None:
    record = plant.in_service()
    wait_for(lambda: plant.log(record))
    plant.clients.get("logs").delete_log_group(logGroupName=f"/aws/sagemaker/Endpoints/{record.name}")
    plant.invoke(record, b'{"print": "again"}')
    assert wait_for(lambda: "again" in plant.log(record))
    plant.remove(record)


def test_a_container_that_dies_in_service_is_started_again(plant: Plant) -> None:
    record = plant.in_service()
    first = pid_of(plant, record)
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: record.variants[0].current_count == 0 or not alive(first))

    def second() -> int | None:
        try:
            return pid_of(plant, record)
        except ClientError:  # until it is back
            return None

    assert wait_for(second) != first
    assert wait_for(lambda: record.variants[0].current_count) == 1
    assert record.status == "InService"
    plant.remove(record)


def test_an_update_replaces_the_containers_without_a_gap(plant: Plant, tmp_path: Path) -> None:
    record, gate = plant.in_service(), tmp_path / "gate"
    old = pid_of(plant, record)
    held = plant.upload(archive_of(files_of("two", echo_held_back(gate))))
    plant.supervisor.update(record, "config-2", [plant.variant("green", held, desired_count=2)])
    assert plant.status_of(record) == "Updating"

    def answered() -> tuple[str, str]:
        answer = plant.invoke(record)
        return answer["InvokedProductionVariant"], json.load(answer["Body"])["model"]

    assert {answered() for _ in range(5)} == {("AllTraffic", "one")}
    assert plant.status_of(record) == "Updating"
    gate.touch()
    seen, until = [], time.monotonic() + 60
    while plant.status_of(record) == "Updating":
        seen.append(answered())
        assert time.monotonic() < until
    assert set(seen) <= {("AllTraffic", "one"), ("green", "two")}
    assert (plant.status_of(record), record.config_name) == ("InService", "config-2")
    assert [(one.name, one.current_count) for one in record.variants] == [("green", 2)]
    assert json.load(plant.invoke(record)["Body"])["model"] == "two"
    wait_for(lambda: not alive(old))
    plant.remove(record)


def test_an_update_that_fails_keeps_the_old(plant: Plant) -> None:
    record = plant.in_service()
    plant.supervisor.update(record, "config-2", [plant.variant("green", f"s3://{BUCKET}/absent.tar.gz")])
    plant.settled(record)
    assert "Failed to download model data" in (record.failure_reason or "")
    assert (record.config_name, [one.name for one in record.variants]) == ("config", ["AllTraffic"])
    assert json.load(plant.invoke(record)["Body"])["model"] == "one"
    plant.remove(record)


def test_weights_and_counts_change(plant: Plant) -> None:
    record = plant.in_service(plant.variant("a"), plant.variant("b"))
    plant.supervisor.scale(record, {"a": (0.0, None), "b": (3.0, 2)})
    plant.settled(record)
    assert [(one.current_weight, one.desired_weight, one.current_count) for one in record.variants] == [
        (0.0, 0.0, 1),
        (3.0, 3.0, 2),
    ]
    assert {plant.invoke(record)["InvokedProductionVariant"] for _ in range(10)} == {"b"}
    assert plant.invoke(record, TargetVariant="a")["InvokedProductionVariant"] == "a"
    plant.remove(record)


def test_an_endpoint_may_be_removed_while_it_is_created(plant: Plant) -> None:
    slow = plant.upload(archive_of(files_of(code="import time\ndef model_fn(d): time.sleep(600)")))
    record = plant.launch(plant.variant(uri=slow))
    wait_for(lambda: list((plant.work_folder / "endpoints" / REGION / record.name).glob("*/home")))
    plant.remove(record)
    assert not (plant.work_folder / "endpoints" / REGION / record.name).exists()


def test_a_handler_that_ignores_sigterm_is_ended_all_the_same(plant: Plant) -> None:
    code = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + ECHO
    record = plant.in_service(plant.variant(uri=plant.upload(archive_of(files_of(code=code)))))
    pid = pid_of(plant, record)
    plant.remove(record)
    assert not alive(pid)


def test_what_a_handler_has_started_ends_with_it(plant: Plant) -> None:
    code = ECHO.replace("import json", "import subprocess\nCHILD = subprocess.Popen(['sleep', '600'])\nimport json")
    code = code.replace('"pid": os.getpid()', '"pid": os.getpid(), "child": CHILD.pid')
    record = plant.in_service(plant.variant(uri=plant.upload(archive_of(files_of(code=code)))))
    child = json.load(plant.invoke(record)["Body"])["child"]
    assert alive(child)
    plant.remove(record)
    wait_for(lambda: not alive(child))


def test_close_ends_everything_whatever_its_state(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    slow = plant.upload(archive_of(files_of(code="import time\ndef model_fn(d): time.sleep(600)")))
    served = plant.in_service()
    pid = pid_of(plant, served)
    creating = plant.launch(plant.variant(uri=slow))
    wait_for(lambda: list((tmp_path / "endpoints" / REGION / creating.name).glob("*/home")))
    plant.close()
    assert not alive(pid)
    assert not (tmp_path / "endpoints").exists()


_DAEMON = """
import sys
from pathlib import Path
from tests.contract.hosting_plant import Plant, archive_of, files_of
plant = Plant(Path(sys.argv[1]))
code = files_of()["code/inference.py"].decode()
code = "import subprocess\\nCHILD = subprocess.Popen(['sleep', '600'])\\n" + code
code = code.replace('"pid": os.getpid()', '"pid": os.getpid(), "child": CHILD.pid')
record = plant.in_service(plant.variant(uri=plant.upload(archive_of(files_of(code=code)))))
print(plant.invoke(record)["Body"].read().decode(), flush=True)
code = "import os, time\\nopen('up', 'w').write(str(os.getpid()))\\ntime.sleep(600)"
slow = plant.upload(archive_of(files_of(code=code)))
creating = plant.launch(plant.variant(uri=slow))
import time
while not (found := list(Path(sys.argv[1]).glob("endpoints/*/*/*/model/up"))) or not found[0].read_text():
    time.sleep(0.02)
print(found[0].read_text(), flush=True)
time.sleep(600)
"""


def test_no_child_outlives_a_daemon_that_was_killed(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", _DAEMON, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=root
    ) as daemon:
        try:
            assert daemon.stdout
            said = json.loads(daemon.stdout.readline())
            pids = [said["pid"], said["child"], int(daemon.stdout.readline())]
            assert all(map(alive, pids))
        finally:
            daemon.kill()  # `with` waits for its end, which is ten minutes away
    wait_for(lambda: not any(map(alive, pids)))
