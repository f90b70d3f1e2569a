"""How fast a model comes from the Hub into S3: run by `python -m tests.benchmarks.moving [MB] [MB/s] [ROUNDS]`.

A model of MB megabytes (300 when not said; bf16 weights in three shards, and small files) lies on a stand-in Hub; S3 is
the sandbox's. Both send and take MB/s megabytes a second (40 when not said). The artifact is stored in both forms by
this program, in a process of its own. Printed are the seconds that it takes, and their ratio to what the slower end
alone would need for the bytes: it is to be at most 1.15. In the same run the model is moved by hand: downloaded with
the Hub's own client, packed with `tar -czf`, and sent with `aws s3 cp`, one after another; this program, its start
included, is to be twice as fast. By hand a tree needs no `tar`: how it compares with that is printed too.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

from core.artifacts.manifest import ArtifactForm
from core.aws.clients import Clients, StaticCredentials
from core.sandbox import daemon
from tests.benchmarks.packing import MB, make_model
from tests.benchmarks.storing import BUCKET, FORMS, members_at, store
from tests.s3_front import S3Front
from tests.stand_in_hub import OnDisk, StandInHub

SHARDS = 3
MODEL = "acme/moved"
SLOWER, FASTER = 1.15, 2.0
_DOWNLOAD = (
    "import sys; from huggingface_hub import snapshot_download; snapshot_download(sys.argv[1], local_dir=sys.argv[2])"
)


@dataclass(frozen=True, slots=True)
class Ends:
    """Where the model comes from and where it goes: two addresses, and the environment of who moves it."""

    hub: str
    s3: str
    account_id: str
    environment: Mapping[str, str]


def main() -> None:
    """Print the figures; `--store` is for the processes that are measured."""
    if sys.argv[1:2] == ["--store"]:
        print(json.dumps(moved(*sys.argv[2:])))
        return
    megabytes, rate, rounds = [int(given) for given in sys.argv[1:]] + [300, 40, 3][len(sys.argv) - 1 :]
    with tempfile.TemporaryDirectory(prefix="moving-") as place:
        model = make_shards(Path(place, "model"), megabytes * MB)
        total = sum(path.stat().st_size for path in model.iterdir())
        alone = total / rate / MB
        print(f"{total / MB:.0f} MB, both ends {rate} MB/s: {alone:.2f} s for one end alone; {rounds} rounds")
        own: dict[ArtifactForm, list[float]] = {form: [] for form in FORMS}
        whole: dict[ArtifactForm, list[float]] = {form: [] for form in FORMS}
        for _ in range(rounds):
            for form in FORMS:
                with ends(model, Path(place), rate * MB) as between:
                    seconds, with_start = by_program(form, between)
                own[form].append(seconds)
                whole[form].append(with_start)
        for form in FORMS:
            best, middle, slowest = min(own[form]), median(own[form]), max(own[form])
            print(
                f"{form}: best {best:.2f} s, median {middle:.2f}, slowest {slowest:.2f}; {best / alone:.2f}, "
                f"{middle / alone:.2f} and {slowest / alone:.2f} times one end alone (target {SLOWER})"
            )
        with ends(model, Path(place), rate * MB) as between:
            taken = by_hand(between, Path(place, "by-hand"))
        print("by hand: " + ", ".join(f"{what} {seconds:.2f} s" for what, seconds in taken.items()))
        tree = taken["download"] + taken["aws s3 cp --recursive"]
        archive = sum(taken.values()) - taken["aws s3 cp --recursive"]
        for form in FORMS:
            ours = median(whole[form])
            print(
                f"{form}: {ours:.2f} s with the program's start; an archive by hand takes {archive / ours:.2f} times "
                f"as long (target {FASTER}), a tree {tree / ours:.2f} times"
            )


def make_shards(folder: Path, total: int) -> Path:
    """Write weights of `total` bytes in shards, with their index and what else a model has."""
    folder.mkdir()
    index = {}
    for number in range(1, SHARDS + 1):
        make_model(folder, "bf16", total // SHARDS)
        name = f"model-{number:05}-of-{SHARDS:05}.safetensors"
        (folder / "model.safetensors").rename(folder / name)
        index[f"part.{number}.weight"] = name
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    (folder / "tokenizer.json").write_text(json.dumps({f"token {number}": number for number in range(100_000)}))
    for name in ("generation_config.json", "special_tokens_map.json", "tokenizer_config.json"):
        (folder / name).write_text("{}")
    return folder


@contextmanager
def ends(model: Path, place: Path, rate: int | None, *, through_front: bool = True) -> Iterator[Ends]:
    """Give a Hub that has the model and an empty S3, with nothing in any cache; without a front S3 is not slowed."""
    home = place / "home"
    shutil.rmtree(home, ignore_errors=True)
    before = os.environ.get("SAGEWIZARD_HOME")
    os.environ["SAGEWIZARD_HOME"] = str(home)
    running = daemon.start()
    try:
        credentials = StaticCredentials(running.access_key_id, running.secret_access_key)
        clients = Clients(region="us-east-1", endpoint_url=running.url, credentials=credentials)
        clients.get("s3").create_bucket(Bucket=BUCKET)
        account_id = clients.get("sts").get_caller_identity()["Account"]
        with StandInHub(bytes_per_second=rate) as hub, S3Front(running.url, bytes_per_second=rate) as front:
            repository = hub.add(MODEL, {path.name: OnDisk(path) for path in model.iterdir()})
            for path in repository.files:  # the digests are worked out before, not while it is measured
                _ = repository.listed(path).sha256, repository.listed(path).git_sha1
            s3 = front.url if through_front else running.url
            unset = daemon.variables_to_unset()
            environment = {
                **{name: value for name, value in os.environ.items() if name not in unset},
                **daemon.environment(running),
                "AWS_ENDPOINT_URL": s3,
                "AWS_CONFIG_FILE": os.devnull,
                "HF_ENDPOINT": hub.url,
                "HF_HOME": str(home / "huggingface"),
                "HF_HUB_DISABLE_XET": "1",
                "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            }
            yield Ends(f"{hub.url}/{MODEL}", s3, account_id, environment)
    finally:
        daemon.stop()
        if before is None:
            del os.environ["SAGEWIZARD_HOME"]
        else:
            os.environ["SAGEWIZARD_HOME"] = before
        shutil.rmtree(home, ignore_errors=True)


def by_program(form: ArtifactForm, between: Ends) -> tuple[float, float]:
    """Return the seconds that storing the artifact takes, and those of the whole process."""
    command = [sys.executable, "-m", "tests.benchmarks.moving", "--store", form]
    begun = perf_counter()
    said = subprocess.run(
        [*command, between.hub, between.s3, between.account_id],
        check=True,
        stdout=subprocess.PIPE,
        env=dict(between.environment),
    ).stdout
    return float(json.loads(said)), perf_counter() - begun


def moved(form: str, hub: str, s3: str, account_id: str) -> float:
    """Store the model that lies at `hub`; return the seconds that it takes once it was looked at."""
    members = members_at(hub)
    credentials = StaticCredentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    Clients(region="us-east-1", endpoint_url=s3, credentials=credentials).get("sts").get_caller_identity()
    begun = perf_counter()
    store(form, members, s3, account_id, credentials)
    return perf_counter() - begun


def by_hand(between: Ends, folder: Path) -> dict[str, float]:
    """Return the seconds that each step takes: downloading, packing, and sending the archive or the tree."""
    folder.mkdir()
    model, archive = folder / "model", folder / "model.tar.gz"
    aws = shutil.which("aws", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])) or "aws"
    send = [aws, "s3", "cp", "--only-show-errors"]
    steps: dict[str, list[str]] = {
        "download": [sys.executable, "-c", _DOWNLOAD, MODEL, str(model)],
        "tar -czf": ["tar", "-czf", str(archive), "-C", str(model), "."],
        "aws s3 cp": [*send, str(archive), f"s3://{BUCKET}/by-hand/model.tar.gz"],
        "aws s3 cp --recursive": [*send, "--recursive", str(model), f"s3://{BUCKET}/by-hand/model/"],
    }
    taken = {}
    for what, command in steps.items():
        begun = perf_counter()
        subprocess.run(command, check=True, env=dict(between.environment), stdout=subprocess.DEVNULL)
        taken[what] = perf_counter() - begun
        if what == "download":
            shutil.rmtree(model / ".cache", ignore_errors=True)  # the client's own
    return taken


if __name__ == "__main__":
    main()
