"""How much memory storing an artifact takes, whatever its size: run by `python -m tests.benchmarks.memory [GB ...]`.

A local folder with a sparse file of each size (1, 4 and 16 GB when none is said) is stored in both forms, each time by
a process of its own, in an S3 that keeps nothing (`tests.benchmarks.discarding_s3`). Zeros compress, so 1 GB that does
not is stored as well: as fast as it is taken, with an S3 that is slower than the reading, so that whatever may wait
does, and read from a stand-in Hub, with either end the slower one. Printed is the most memory that the process had
(resident) above what it has idle, with everything imported and a small artifact stored: at most 256 MiB, and the same
for all sizes.
"""

import json
import os
import random
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from core.artifacts.manifest import ArtifactForm
from tests.benchmarks.discarding_s3 import DiscardingS3
from tests.benchmarks.storing import FORMS, members_at, store
from tests.stand_in_hub import OnDisk, StandInHub

GB = 10**9
MIB = 2**20
TARGET_MIB = 256
SLOW = 60 * 10**6
"""Bytes per second of an end that is slower than the rest."""
MODEL = "acme/large"
WEIGHTS = "model.safetensors"
_HEADER = struct.pack("<Q", 2) + b"{}"
"""Of a safetensors file without tensors: what the Hub lists is looked into."""
_STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class Case:
    """What is stored: `gb` of zeros, or of bytes that do not compress; and how fast either end is (`None`: at will)."""

    name: str
    gb: int
    zeros: bool
    hub: bool = False
    hub_rate: int | None = None
    s3_rate: int | None = None


def main() -> None:
    """Print the table of figures; `--store` is for the processes that are measured."""
    if sys.argv[1:2] == ["--store"]:
        print(json.dumps(measured(*sys.argv[2:])))
        return
    sizes = [int(size) for size in sys.argv[1:]] or [1, 4, 16]
    cases = [Case("sparse", size, zeros=True) for size in sizes]
    cases += [
        Case("random", 1, zeros=False),
        Case("random, slow S3", 1, zeros=False, s3_rate=SLOW),
        Case("random, Hub", 1, zeros=False, hub=True),
        Case("random, slow Hub", 1, zeros=False, hub=True, hub_rate=SLOW),
        Case("random, Hub, slow S3", 1, zeros=False, hub=True, s3_rate=SLOW),
    ]
    print(f"{'stored':<22}{'GB':>4}  {'form':<9}{'idle MiB':>9}{'above idle':>12}{'of 256 MiB':>12}{'s':>8}{'MB/s':>7}")
    above: dict[ArtifactForm, list[float]] = {form: [] for form in FORMS}
    with tempfile.TemporaryDirectory(prefix="memory-") as place:
        for case in cases:
            with model_of(case, Path(place)) as folder:
                for form in FORMS:
                    idle, peak, seconds = measure(case, folder, form)
                    above[form].append(peak - idle)
                    print(
                        f"{case.name:<22}{case.gb:>4}  {form:<9}{idle:>9.0f}{peak - idle:>12.0f}"
                        f"{(peak - idle) / TARGET_MIB:>12.0%}{seconds:>8.1f}{case.gb * GB / seconds / 10**6:>7.0f}",
                        flush=True,
                    )
    for form, found in above.items():
        flat = max(found[: len(sizes)]) / min(found[: len(sizes)])
        print(
            f"{form}: at most {max(found):.0f} MiB above idle (target {TARGET_MIB}); "
            f"over the sizes the most is {flat:.2f} times the least"
        )


@contextmanager
def model_of(case: Case, place: Path) -> Iterator[Path]:
    """Give a folder with the model; it is removed afterwards."""
    folder = place / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "none"}')
    weights = folder / WEIGHTS
    with weights.open("wb") as file:
        if case.zeros:
            file.write(_HEADER)
            os.truncate(file.fileno(), case.gb * GB)
        else:
            source = random.Random(case.gb)
            file.write(_HEADER)
            for _ in range(case.gb * 100):
                file.write(source.randbytes(GB // 100))
    try:
        yield folder
    finally:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def measure(case: Case, folder: Path, form: ArtifactForm) -> tuple[float, float, float]:
    """Return the MiB of a process that is idle, its most while it stores the folder, and the seconds that takes."""
    with DiscardingS3(bytes_per_second=case.s3_rate) as s3, StandInHub(bytes_per_second=case.hub_rate) as hub:
        source = str(folder)
        if case.hub:
            hub.add(MODEL, {path.name: OnDisk(path) for path in folder.iterdir()})
            source = f"{hub.url}/{MODEL}"
        command = [sys.executable, "-m", "tests.benchmarks.memory", "--store", form, source, s3.url]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    idle, peak, seconds = json.loads(said)
    return idle, peak, seconds


def measured(form: str, source: str, s3_url: str) -> tuple[float, float, float]:
    """Store the files at `source`: what `measure` returns, of this process."""
    with tempfile.TemporaryDirectory(prefix="small-") as small:
        Path(small, WEIGHTS).write_bytes(bytes(1000))
        for each in FORMS:
            store(each, members_at(small), s3_url)
    members = members_at(source)  # from now on its Hub's client is imported as well
    idle = _mib("VmRSS")
    begun = perf_counter()
    store(form, members, s3_url)
    return idle, _mib("VmHWM"), perf_counter() - begun


def _mib(name: str) -> float:
    """Return what Linux tells of this process: `VmRSS`, its resident memory, or `VmHWM`, the most it ever had."""
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
