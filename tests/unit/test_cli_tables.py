"""Plain tables: aligned, numbers to the right, cut to the terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui import tables
from tui.tables import Column, pairs, table

_COLUMNS = [Column("Name"), Column("Price", number=True), Column("Note")]
_ROWS = [["ml.m5.large", "$0.115/h", "recommended"], ["ml.g5.xlarge", "$1.41/h", ""]]


def test_columns_are_aligned_and_numbers_stand_to_the_right() -> None:
    assert table(_COLUMNS, _ROWS).splitlines() == [
        "Name             Price  Note",
        "ml.m5.large   $0.115/h  recommended",
        "ml.g5.xlarge   $1.41/h",
    ]


def test_what_comes_from_outside_stays_on_its_line_and_controls_nothing() -> None:
    shown = table([Column("Name")], [["a\x1b]52;c;x\x07b\nc [bold]d[/foo]"]])
    assert shown.splitlines() == ["Name", "ab c [bold]d[/foo]"]


def test_names_and_values_are_aligned() -> None:
    assert pairs([("Model", "sample"), ("ID", "7")]) == "Model  sample\nID     7"


@given(
    st.lists(st.tuples(st.text(max_size=40), st.text(max_size=40)), min_size=1, max_size=5),
    st.integers(min_value=20, max_value=120),
)
def test_no_line_is_wider_than_the_terminal(rows: list[tuple[str, str]], width: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "_width_to_keep", lambda: width)
        shown = table([Column("A"), Column("B", number=True)], rows)
    assert all(len(line) <= width for line in shown.splitlines())
    assert len(shown.split("\n")) == 1 + len(rows)


def test_a_pipe_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    assert "x" * 200 in table([Column("A")], [["x" * 200]])


SPARING = [Column("Type", whole=True), Column("GPU", spare=1), Column("Month", number=True, spare=2), Column("")]
MACHINES = [["ml.g6e.12xlarge", "4 × L40S", "$9,578", "the account has no quota for it"]]


@pytest.mark.parametrize(
    ("width", "headings"),
    [(80, ["Type", "GPU", "Month"]), (44, ["Type", "GPU", "Month"]), (40, ["Type", "GPU"]), (30, ["Type"])],
)
def test_what_can_be_spared_makes_room_and_names_stay_whole(
    monkeypatch: pytest.MonkeyPatch, width: int, headings: list[str]
) -> None:
    monkeypatch.setattr(tables, "_width_to_keep", lambda: width)
    first, line = table(SPARING, MACHINES).splitlines()
    assert first.split() == headings
    assert "ml.g6e.12xlarge" in line
    assert len(line) <= width
