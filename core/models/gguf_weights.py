"""The weights of a GGUF repository: one quantization out of those it offers, in one file or in all parts of one."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from core.errors import RefusedError, UsageError
from core.models.facts import ModelFacts, WeightSet
from core.models.gguf_header import quantization_of, split_of
from core.models.layout import gguf_files
from core.models.left_out import sort_out
from core.models.packaged_files import listed

_PREFERRED: Final = ("Q4_K_M", "Q4_K_S", "Q5_K_M", "Q4_0")
"""What is taken when nobody says: llama.cpp's own advice, 4 bits with little loss. Then comes what else has 4 bits."""
_THEN: Final = ("Q6_K", "Q8_0", "Q3_K_M")
"""What is taken before anything else when none has 4 bits; after them what comes nearest to 4."""
_BITS: Final = re.compile(r"[A-Z]+(\d+)", re.ASCII)
_FAR: Final = 99
_UNNAMED: Final = "GGUF"
"""The quantization of files whose names do not say."""


@dataclass(frozen=True, slots=True)
class _Set:
    """The files of one quantization that are taken, in order; `parts` is how many they should be."""

    paths: tuple[str, ...]
    parts: int = 1


def default_gguf(paths: Sequence[str]) -> str:
    """Return the file that is taken of the GGUF files `paths` (at least one) when nobody says.

    Of a split one it is the first part that is there.
    """
    groups = _by_quantization(paths)
    return _set_of(groups[_preferred(groups)]).paths[0]


def gguf_weight_set(facts: ModelFacts, variant: str | None) -> WeightSet:
    """Return what of a GGUF repository is packaged; `variant` is the quantization asked for.

    Raises:
        UsageError: there is no such quantization.
        RefusedError: parts of a split file are missing.
    """
    files = {file.path: file for file in facts.files}
    groups = _by_quantization(gguf_files(files))
    if variant is not None and variant.upper() not in groups:
        raise UsageError(
            f"{facts.reference} has no quantization “{variant}”.", fix=f"It offers {', '.join(sorted(groups))}."
        )
    label = variant.upper() if variant else _preferred(groups)
    chosen = _set_of(groups[label])
    if missing := _missing(chosen):
        raise RefusedError(
            f"{facts.reference} lacks parts of its {label} file: {listed(missing)}.",
            fix="Choose another quantization, or fetch the model's files again.",
        )
    reasons: dict[str, str] = {}
    for each, paths in groups.items():
        reasons |= dict.fromkeys(paths, "the same quantization again" if each == label else "another quantization")
    support, left_out = sort_out(files.values(), taken=set(chosen.paths), reason=reasons.get)
    return WeightSet(
        format="gguf",
        weights=tuple(files[path] for path in chosen.paths),
        support=support,
        left_out=left_out,
        variant=label,
        variants=tuple(groups),
    )


def _by_quantization(paths: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Return the GGUF files `paths` by their quantization, `GGUF` for those whose names do not say."""
    groups: dict[str, list[str]] = {}
    for path in sorted(paths):
        groups.setdefault(quantization_of(path) or _UNNAMED, []).append(path)
    return {label: tuple(groups[label]) for label in sorted(groups)}


def _preferred(labels: Collection[str]) -> str:
    return min(labels, key=_rank)


def _rank(label: str) -> tuple[int, int, int, bool, bool, str]:
    """Return what orders quantizations, the one that is taken first; Unsloth's mixtures count as what they are of."""
    plain = label.removeprefix("UD-")
    found = _BITS.match(plain)
    bits = int(found[1]) if found else _FAR
    tier, place = (3, 0)
    if plain in _PREFERRED:
        tier, place = 0, _PREFERRED.index(plain)
    elif bits == 4:
        tier = 1
    elif plain in _THEN:
        tier, place = 2, _THEN.index(plain)
    # Of two as near, the one with more bits; those that begin with I are slow without a GPU.
    return tier, place, 2 * abs(bits - 4) + (bits < 4), plain.startswith("I"), label != plain, label


def _set_of(paths: Sequence[str]) -> _Set:
    """Return one set of files (at least one) of one quantization: a single file before a split one that is whole."""
    singles: list[str] = []
    splits: dict[tuple[str, int], dict[int, str]] = {}
    for path in paths:
        split = split_of(path)
        if split is None:
            singles.append(path)
        else:
            stem, number, count = split
            splits.setdefault((stem, count), {})[number] = path
    if singles:  # several files of one kind: the shortest name is the model itself
        return _Set((min(singles, key=lambda path: (len(path), path)),))
    stem, count = min(splits, key=lambda each: (len(splits[each]) < each[1], len(each[0]), each))
    found = splits[stem, count]
    return _Set(tuple(found[number] for number in sorted(found)), count)


def _missing(chosen: _Set) -> list[str]:
    """Return the names of the parts that are not there."""
    if len(chosen.paths) == chosen.parts:
        return []
    there = {split[1] for path in chosen.paths if (split := split_of(path))}
    head = chosen.paths[0][: -len("00000-of-00000.gguf")]
    absent = (number for number in range(1, chosen.parts + 1) if number not in there)
    return [f"{head}{number:05}-of-{chosen.parts:05}.gguf" for number in absent]
