"""Weights in several files: whether all of them are there, and their index with them.

Names are those of the index; what their numbers count (`…-00001-of-00003…`) must be there and in the index too, so that
a set that was cut short together with its index is noticed.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from core.errors import RefusedError
from core.models.facts import ModelFile, ShardIndex
from core.models.layout import WeightFiles, shards_of
from core.models.packaged_files import listed

_FIX: Final = "Fetch the model's files again, or choose another revision."
_MOST_SHARDS: Final = 100_000
"""Names have room for five digits."""
_NUMBERED: Final = re.compile(
    r"(?P<head>(?:.*?\D)?)(?P<number>\d{1,5})(?P<of>[-_]of[-_])(?P<count>\d{1,5})(?P<tail>\D.*)", re.ASCII
)


def complete_shards(
    name: str, chosen: WeightFiles, files: Mapping[str, ModelFile], indexes: Iterable[ShardIndex]
) -> tuple[ModelFile, ...]:
    """Return the shards of the model called `name`, seen to be complete by their index and the counts in their names.

    An index may name files in folders, and by any names that end as their format does.

    Raises:
        RefusedError: shards are missing, not indexed or of another format, sets of several counts are mixed, or there
            is no index.
    """
    index = next((each for each in indexes if each.path == chosen.index), None)
    named = index.shards if index else shards_of(chosen, files)
    if others := [path for path in named if not path.endswith(chosen.suffix)]:
        raise RefusedError(
            f"{chosen.index} of {name} names {listed(others)}, where only *{chosen.suffix} files may be.",
            fix="Choose another model: an index that names other files may have code loaded that nobody looked at.",
        )
    expected = _counted(name, named)
    if missing := sorted(expected - files.keys()):
        raise RefusedError(f"{name} lacks {len(missing)} of {len(expected)} weight files: {listed(missing)}.", fix=_FIX)
    if index is None:
        raise refusal_without_index(name, len(named), chosen.index)
    if not index.shards:
        raise RefusedError(f"{chosen.index} of {name} names no weight files.", fix=_FIX)
    if unindexed := sorted(expected - set(index.shards)):
        raise RefusedError(
            f"{chosen.index} of {name} does not name {listed(unindexed)}: what is in there would not be loaded.",
            fix=_FIX,
        )
    return tuple(files[path] for path in sorted(expected))


def complete_by_names(name: str, paths: Collection[str]) -> tuple[str, ...]:
    """Return `paths`, the shards of one set in one folder, once all that their names count are there.

    Raises:
        RefusedError: some are missing, or several sets are mixed.
    """
    expected = _counted(name, paths)
    if missing := sorted(expected - set(paths)):
        raise RefusedError(f"{name} lacks {len(missing)} of {len(expected)} weight files: {listed(missing)}.", fix=_FIX)
    return tuple(sorted(paths))


def refusal_without_index(name: str, shards: int, index: str) -> RefusedError:
    """Return the error for `shards` files of weights whose index, called `index`, is not there."""
    counted = "one shard" if shards == 1 else f"{shards} shards"
    loaded = "it cannot" if shards == 1 else "they cannot"
    return RefusedError(f"{name} has {counted} but no {index}, without which {loaded} be loaded.", fix=_FIX)


def _counted(name: str, paths: Iterable[str]) -> set[str]:
    """Return `paths` and all the others that the numbers in their names count; from 0 on if one has the number 0.

    Raises:
        RefusedError: names that are alike but for their numbers state several counts, or they count too much.
    """
    expected = set(paths)
    sets: dict[tuple[str, ...], list[re.Match[str]]] = {}
    for path in expected:
        if match := _NUMBERED.fullmatch(path):
            sets.setdefault((match["head"], match["of"], match["tail"]), []).append(match)
    room = _MOST_SHARDS
    for (head, of, tail), found in sets.items():
        counts = {int(match["count"]) for match in found}
        if len(counts) > 1:
            told = " and ".join(str(count) for count in sorted(counts))
            raise RefusedError(f"{name} mixes shards of sets of {told} files.", fix=_FIX)
        count = counts.pop()
        room -= count
        if room < 0:
            raise RefusedError(f"{name} counts more than {_MOST_SHARDS:,} weight files, which no model has.", fix=_FIX)
        first = 0 if any(int(match["number"]) == 0 for match in found) else 1
        width = min(len(match["number"]) for match in found)
        stated = found[0]["count"]
        expected |= {f"{head}{number:0{width}}{of}{stated}{tail}" for number in range(first, first + count)}
    return expected
