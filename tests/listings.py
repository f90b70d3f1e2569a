"""Listings of well-known Hub repositories, for tests of what is known of a model before anything is downloaded.

`tests/listings/*.json` holds one repository each: the fields of the Hub's record, the sizes of files that are not
served, and the small JSON files, which are served as they are. Each says in `source` where its figures come from and
what in it was reconstructed. Indexes of shards are kept as counts and written out here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tests.gguf_file import gguf_bytes
from tests.stand_in_hub import Ghost, Repository, StandInHub

_FOLDER = Path(__file__).with_name("listings")


@dataclass(frozen=True, slots=True)
class Listing:
    """A repository on the Hub, as far as tests need it."""

    name: str
    """`owner/model`."""
    source: str
    """Where the figures come from, in words, and what was reconstructed."""
    fields: Mapping[str, Any]
    """Fields of the Hub's record, in the API's spelling; `gated` is `False`, `auto` or `manual`."""
    files: Mapping[str, bytes | Ghost]
    """Every file of the repository: its content, or its size in bytes where it is not served."""
    headers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Of GGUF files, the keys and values of their headers: their first bytes are served, the rest is zeros."""

    @property
    def config(self) -> Mapping[str, Any]:
        """What `config.json` in the root folder holds; empty without one."""
        content = self.files.get("config.json", b"{}")
        return {} if isinstance(content, Ghost) else dict(json.loads(content))

    def bytes_of(self, *paths: str) -> int:
        """Return the size in bytes of these files together."""
        contents = (self.files[path] for path in paths)
        return sum(each.bytes if isinstance(each, Ghost) else len(each) for each in contents)


def stems() -> tuple[str, ...]:
    """Return the names under which listings are kept."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.json")))


@cache
def load_listing(stem: str) -> Listing:
    """Return a listing by its name without `.json`.

    Raises:
        FileNotFoundError: there is none of that name.
        ValueError: it gives a file twice.
    """
    stored: dict[str, Any] = json.loads((_FOLDER / f"{stem}.json").read_text(encoding="utf-8"))
    sizes: dict[str, int] = stored.get("sizes", {})
    served = {**stored.get("contents", {}), **{path: _index(row) for path, row in stored.get("index", {}).items()}}
    if twice := sizes.keys() & served.keys():
        raise ValueError(f"{stem}: given twice: {', '.join(sorted(twice))}")
    files: dict[str, bytes | Ghost] = {path: Ghost(size) for path, size in sizes.items()}
    files |= {path: json.dumps(content, indent=2, ensure_ascii=False).encode() for path, content in served.items()}
    for path, values in stored.get("headers", {}).items():
        files[path] = Ghost(sizes[path], head=gguf_bytes(values))
    return Listing(
        name=stored["name"],
        source=stored["source"],
        fields=stored["fields"],
        files=dict(sorted(files.items())),
        headers=stored.get("headers", {}),
    )


def put(hub: StandInHub, listing: Listing) -> Repository:
    """Put the repository on the stand-in Hub; what is gated there asks for the stand-in's token."""
    return hub.add(
        listing.name,
        listing.files,
        fields={name: value for name, value in listing.fields.items() if name != "gated"},
        gated=listing.fields.get("gated") or None,
    )


def shard_names(shards: list[str] | Mapping[str, Any]) -> list[str]:
    """Return the names of the shards of an index: as they are, or `stem-0000i-of-0000n` for a count."""
    if isinstance(shards, list):
        return shards
    count: int = shards["count"]
    return [f"{shards['stem']}-{number:05d}-of-{count:05d}{shards['suffix']}" for number in range(1, count + 1)]


def _index(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return an index that names every shard. One tensor stands for all of a shard's."""
    names = shard_names(row["shards"])
    weight_map = {f"tensors.{number}.weight": name for number, name in enumerate(names)}
    return {"metadata": {"total_size": row["total_size"]}, "weight_map": weight_map}
