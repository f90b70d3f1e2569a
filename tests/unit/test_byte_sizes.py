"""Sizes as people type them."""

import click
import pytest

from tui.byte_sizes import ByteSize


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("50MB", 50_000_000),
        ("50 MB/s", 50_000_000),
        ("1.5GiB", 3 * 2**29),
        ("800kB", 800_000),
        ("800k", 800_000),
        ("2T", 2 * 10**12),
        ("123", 123),
        ("1mib", 2**20),
    ],
)
def test_what_is_typed_is_understood(text: str, size: int) -> None:
    assert ByteSize().convert(text, None, None) == size


@pytest.mark.parametrize("text", ["", "MB", "-5MB", "5 apples", "1e9", "5MBB", "\u0665MB", "0.0000001", "9" * 20])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        ByteSize().convert(text, None, None)


def test_nothing_is_a_size_only_where_it_may_be() -> None:
    assert ByteSize(zero=True).convert("0", None, None) == 0
    with pytest.raises(click.BadParameter, match="more than 0"):
        ByteSize().convert("0MB", None, None)
