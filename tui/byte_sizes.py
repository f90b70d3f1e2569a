"""Sizes as people type them: `50MB`, `1.5GiB`, `800kB`."""

import re
from typing import Final

import click

_SIZE: Final = re.compile(
    r"(?P<number>\d{1,15}(?:\.\d{1,6})?)\s*(?P<unit>[kmgt]?)(?P<binary>i?)b?(?:/s)?", re.ASCII | re.IGNORECASE
)
_POWERS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


class ByteSize(click.ParamType[int]):
    """A number of bytes: decimal units as `kB`, `MB`, `GB`, binary ones as `MiB`; `0` only where `zero` is allowed."""

    name = "size"

    def __init__(self, *, zero: bool = False) -> None:
        self._zero = zero

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number of bytes that `value` says."""
        if isinstance(value, int):
            return value
        match = _SIZE.fullmatch(str(value).strip())
        if match is None:
            self.fail(f"“{value}” is not a size such as 50MB.", param, ctx)
        size = int(float(match["number"]) * (1024 if match["binary"] else 1000) ** _POWERS[match["unit"].lower()])
        if size == 0 and not self._zero:
            self.fail("it must be more than 0.", param, ctx)
        return size
