import pytest

from tui.log_lines import without_stamp


@pytest.mark.parametrize(
    ("line", "rest"),
    [
        ("2026-11-25T01:20:55,123 [INFO ] main - Loading", "[INFO ] main - Loading"),
        ("2026-11-25 01:20:55,123 - INFO - Loading", "INFO - Loading"),
        ("2026/11/25 01:20:55 [notice] 7#7: nginx", "[notice] 7#7: nginx"),
        ("[2026-11-25 01:20:55 +0000] [10] [INFO] Listening", "[10] [INFO] Listening"),
        ("2026-11-25T01:20:55.123456Z  INFO router: Connected", "INFO router: Connected"),
        ("Loading at 2026-11-25 01:20:55", "Loading at 2026-11-25 01:20:55"),
        ("2026 was a good year", "2026 was a good year"),
        ("2026-11-25 is a date", "2026-11-25 is a date"),
        ("", ""),
    ],
)
def test_a_time_at_the_beginning_of_a_line_is_left_out_and_nothing_else(line: str, rest: str) -> None:
    assert without_stamp(line) == rest
