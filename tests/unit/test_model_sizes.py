"""Numbers of parameters as people write them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import UsageError
from core.models.search import parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("7B", 7 * 10**9),
        ("1.5b", 1_500_000_000),
        (" 500 M ", 500 * 10**6),
        ("0.1K", 100),
        ("125198592", 125_198_592),
        ("1t", 10**12),
        ("0", 0),
        ("1.0005K", 1000),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "B", "-1B", "1,5B", "1.B", ".5B", "7 billion", "7BB", "1e9", "nan", "\u0667B", "9" * 30, "9999999999T"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no number of parameters"):
        parse_size(text)


@settings(max_examples=100)
@given(st.integers(0, 10**18), st.sampled_from(["", "K", "m", "B"]))
def test_whole_sizes_are_read_exactly(number: int, unit: str) -> None:
    size = number * {"": 1, "K": 10**3, "m": 10**6, "B": 10**9}[unit]
    if size < 2**63:
        assert parse_size(f"{number}{unit}") == size
    else:
        with pytest.raises(UsageError):
            parse_size(f"{number}{unit}")
