"""How fast an artifact is packed, and how small: run by `python -m tests.benchmarks.packing [MB] [ROUNDS]`.

A model of MB megabytes (1024 when not said) is made for each kind of content: weights as bf16 and as fp16 (gaussian,
standard deviation 0.02), and bytes that cannot be compressed. It is packed to a file by this program, by `tar -czf` and
by `tar` with `pigz`, on the same processors, in turns so that what else the machine does falls on all alike; `tar -czf`
is slow and has one round. Printed are the median and the slowest in seconds, the median's megabytes a second and the
archive's bytes; and how this program compares with the others: it is to have 20 times the throughput of `tar -czf` and
8 times that of pigz with weights as bf16, and an archive at most 1.03 times as large. All are waited for until the disk
has the archive; this program alone checks what it reads and digests what it writes.
"""

import ctypes
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

from core.artifacts.archive import write_archive
from core.artifacts.tree import Member
from core.cancellation import CancelToken
from core.models.facts import ModelFile
from core.models.folder_source import FolderSource

MB = 10**6
ROUNDS = 3
TENSORS = 4
KINDS = {"bf16": "BF16", "fp16": "F16", "random": "U8"}
TIMES_TAR, TIMES_PIGZ, LARGER = 20.0, 8.0, 1.03


def main() -> None:
    """Print the table of figures."""
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 1024
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS
    processors = len(os.sched_getaffinity(0))
    print(f"{megabytes} MB, {processors} processors, {rounds} rounds")
    if not shutil.which("pigz"):
        print("pigz is not installed, so there are no figures of it")
    print(f"{'content':<9}{'packed by':<12}{'median s':>9}{'slowest':>9}{'MB/s':>8}{'bytes':>15}")
    for kind in KINDS:
        with tempfile.TemporaryDirectory(prefix="packing-") as folder:
            model = Path(folder, "model")
            model.mkdir()
            make_model(model, kind, megabytes * MB)
            report(kind, *measure(model, Path(folder), rounds, processors))


def make_model(folder: Path, kind: str, total: int) -> None:
    """Write a safetensors file with a few tensors that have `total` bytes together, and a config.

    https://github.com/huggingface/safetensors#format
    """
    each = total // TENSORS // 2 * 2
    width = 1 if kind == "random" else 2
    header = json.dumps(
        {
            f"layers.{number}.weight": {
                "dtype": KINDS[kind],
                "shape": [each // width],
                "data_offsets": [number * each, (number + 1) * each],
            }
            for number in range(TENSORS)
        }
    ).encode()
    header += b" " * (-len(header) % 8)
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        left = TENSORS * each
        source = random.Random(kind)
        while left:
            piece = content(kind, min(left, 64 * MB), source)
            file.write(piece)
            left -= len(piece)
    (folder / "config.json").write_text('{"model_type": "none"}')


def content(kind: str, count: int, source: random.Random) -> bytes:
    """Return `count` bytes of weights, or of bytes that cannot be compressed."""
    if kind == "random":
        return source.randbytes(count)
    import torch

    numbers = torch.randn(count // 2, generator=torch.Generator().manual_seed(source.getrandbits(60))) * 0.02
    held = numbers.to(torch.bfloat16 if kind == "bf16" else torch.float16).view(torch.uint8)
    return ctypes.string_at(held.data_ptr(), held.nbytes)  # needs no numpy


def pack(model: Path, to: Path) -> None:
    """Pack by this program."""
    source = FolderSource(model)
    members = [
        Member(file.path, file.bytes, source.content(file), file)
        for path in sorted(model.iterdir())
        for file in [ModelFile(path.name, path.stat().st_size)]
    ]
    write_archive(members, to, cancel=CancelToken())


def run(to: Path, *command: str) -> None:
    """Pack by another program."""
    subprocess.run(command, check=True)
    with to.open("rb") as file:
        os.fsync(file.fileno())


def measure(
    model: Path, folder: Path, rounds: int, processors: int
) -> tuple[dict[str, list[float]], dict[str, int], int]:
    """Return the seconds that each way took, round by round, the bytes of its archive, and those of the model."""
    to = folder / "model.tar.gz"
    pigz = f"pigz -p {processors}"
    ways: dict[str, Callable[[], None]] = {
        "sagewizard": lambda: pack(model, to),
        "tar -czf": lambda: run(to, "tar", "-czf", str(to), "-C", str(model), "."),
    }
    if shutil.which("pigz"):
        ways["pigz"] = lambda: run(to, "tar", "-I", pigz, "-cf", str(to), "-C", str(model), ".")
    taken: dict[str, list[float]] = {way: [] for way in ways}
    size: dict[str, int] = {}
    for number in range(rounds):
        for way, packing in ways.items():
            if way == "tar -czf" and number:
                continue
            begun = perf_counter()
            packing()
            taken[way].append(perf_counter() - begun)
            size[way] = to.stat().st_size
            to.unlink()
    return taken, size, sum(path.stat().st_size for path in model.iterdir())


def report(kind: str, taken: dict[str, list[float]], size: dict[str, int], total: int) -> None:
    """Print the lines of one kind of content."""
    for way, times in taken.items():
        middle = median(times)
        print(f"{kind:<9}{way:<12}{middle:>9.2f}{max(times):>9.2f}{total / middle / MB:>8.0f}{size[way]:>15,}")
    ours = median(taken["sagewizard"])
    for way, wanted in (("tar -czf", TIMES_TAR), ("pigz", TIMES_PIGZ)):
        if way in taken:
            faster, larger = median(taken[way]) / ours, size["sagewizard"] / size[way]
            print(
                f"{'':<9}{faster:.1f} times the throughput of {way} (target {wanted:g}), "
                f"{larger:.4f} times its size (target at most {LARGER})"
            )


if __name__ == "__main__":
    main()
