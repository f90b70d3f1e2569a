import os
import threading

from hypothesis import given
from hypothesis import strategies as st

from core.sandbox.hosting.container_logs import pump


def pumped(*pieces: bytes) -> list[str]:
    """The lines that come out when `pieces` are written to a pipe."""
    reader, writer = os.pipe()
    lines: list[str] = []
    thread = threading.Thread(target=pump, args=(reader, lines.append))
    thread.start()
    for piece in pieces:
        os.write(writer, piece)
    os.close(writer)
    thread.join(30)
    assert not thread.is_alive()
    return [line for line in lines if line]


def test_lines_are_cut_at_line_feeds_only_and_keep_control_characters() -> None:
    assert pumped(b"one\ntw", b"o \x1b[31mred\x07 50%\r60%\nlast") == ["one", "two \x1b[31mred\x07 50%\r60%", "last"]


def test_what_is_no_utf8_is_kept_as_replacement() -> None:
    assert pumped(b"caf\xe9\n") == ["caf\ufffd"]


@given(st.lists(st.binary(max_size=50_000), max_size=4))
def test_no_line_is_lost_and_none_is_too_long(pieces: list[bytes]) -> None:
    ascii_pieces = [bytes(97 + byte % 26 if byte % 40 else 10 for byte in piece) for piece in pieces]
    lines = pumped(*ascii_pieces)
    assert all(len(line) <= 16 * 1024 for line in lines)
    assert "".join(lines) == b"".join(ascii_pieces).decode().replace("\n", "")
