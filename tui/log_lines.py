"""A line of a container's log as it is shown: one time of day before it, not two."""

import re
from datetime import datetime
from typing import Final

_STAMP: Final = re.compile(
    r"\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z| ?[+-]\d\d:?\d\d)?\]?(?: - |: |\s+)"
)
"""A date with a time at the beginning of a line, as Python's and Java's loggers write it."""


def time_of_day(at: datetime) -> str:
    """Return the time in this machine's zone: `14:05:09`."""
    return f"{at.astimezone():%H:%M:%S}"


def without_stamp(text: str) -> str:
    """Return the line without the time that the container put before it: AWS's own stands there already."""
    return _STAMP.sub("", text, count=1) if _STAMP.match(text) else text
