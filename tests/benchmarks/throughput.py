"""How fast bytes are read and stored if nothing slows them down: `python -m tests.benchmarks.throughput [MB] [ROUNDS]`.

A model of MB megabytes (512 when not said; bf16 weights) is read from a local folder and from a stand-in Hub on this
machine, and stored in both forms in an S3 that keeps nothing and in the sandbox's, each time by a process of its own.
Printed are the best and the median in megabytes a second, and how many processors the process itself was using: what
the servers use, on the same processors, is not the program's.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

from core.artifacts.reading import read_ahead
from core.aws.clients import StaticCredentials
from core.cancellation import CancelToken
from tests.benchmarks.discarding_s3 import DiscardingS3
from tests.benchmarks.moving import MODEL, ends, make_shards
from tests.benchmarks.packing import MB
from tests.benchmarks.storing import ACCOUNT, FORMS, members_at, store
from tests.stand_in_hub import OnDisk, StandInHub

READ = "read"
DISCARDED, SANDBOX = "discarded", "sandbox"


def main() -> None:
    """Print the table of figures; `--do` is for the processes that are measured."""
    if sys.argv[1:2] == ["--do"]:
        print(json.dumps(done(*sys.argv[2:])))
        return
    megabytes, rounds = [int(given) for given in sys.argv[1:]] + [512, 3][len(sys.argv) - 1 :]
    print(f"{'from':<8}{'what':<9}{'to':<11}{'best MB/s':>10}{'median':>8}{'processors':>12}")
    with tempfile.TemporaryDirectory(prefix="throughput-") as place:
        model = make_shards(Path(place, "model"), megabytes * MB)
        total = sum(path.stat().st_size for path in model.iterdir())
        for source in ("folder", "Hub"):
            for what, to in ((READ, ""), *((form, to) for to in (DISCARDED, SANDBOX) for form in FORMS)):
                found = [measure(model, Path(place), source, what, to) for _ in range(rounds)]
                speeds = [total / seconds / MB for seconds, _ in found]
                busy = median(used / seconds for seconds, used in found)
                print(
                    f"{source:<8}{what:<9}{to:<11}{max(speeds):>10.0f}{median(speeds):>8.0f}{busy:>12.2f}", flush=True
                )


def measure(model: Path, place: Path, source: str, what: str, to: str) -> tuple[float, float]:
    """Return the seconds that it takes, and the processor time of the process that does it."""
    command = [sys.executable, "-m", "tests.benchmarks.throughput", "--do", what]
    if to == SANDBOX:
        with ends(model, place, None, through_front=False) as between:
            at = between.hub if source == "Hub" else str(model)
            return _told([*command, at, between.s3, between.account_id], between.environment)
    with StandInHub() as hub, DiscardingS3() as s3:
        hub.add(MODEL, {path.name: OnDisk(path) for path in model.iterdir()})
        at = f"{hub.url}/{MODEL}" if source == "Hub" else str(model)
        cache = place / "no-cache"
        try:
            return _told([*command, at, s3.url, ACCOUNT], {**os.environ, "HF_HOME": str(cache)})
        finally:
            shutil.rmtree(cache, ignore_errors=True)


def done(what: str, source: str, s3_url: str, account_id: str) -> tuple[float, float]:
    """Read or store what is at `source`: what `measure` returns, of this process."""
    members = members_at(source)
    key, secret = os.environ.get("AWS_ACCESS_KEY_ID", "none"), os.environ.get("AWS_SECRET_ACCESS_KEY", "none")
    begun, used = perf_counter(), process_time()
    if what == READ:
        for _ in read_ahead(members, cancel=CancelToken()):
            pass
    for form in FORMS:
        if what == form:
            store(form, members, s3_url, account_id, StaticCredentials(key, secret))
    return perf_counter() - begun, process_time() - used


def _told(command: list[str], environment: Mapping[str, str]) -> tuple[float, float]:
    seconds, used = json.loads(
        subprocess.run(command, check=True, stdout=subprocess.PIPE, env=dict(environment)).stdout
    )
    return seconds, used


if __name__ == "__main__":
    main()
