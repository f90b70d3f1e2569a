import json
from itertools import pairwise

from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from core.sandbox.hosting.event_stream import message, payload_part, stream_error


def decoded(wire: bytes, cuts: list[int]) -> list[tuple[dict[str, str], bytes]]:
    """What botocore makes of `wire` when it arrives in pieces that end at `cuts`."""
    buffer = EventStreamBuffer()
    found = []
    edges = [0, *sorted({cut % (len(wire) + 1) for cut in cuts}), len(wire)]
    for start, end in pairwise(edges):
        buffer.add_data(wire[start:end])
        found += [(event.headers, event.payload) for event in buffer]
    return found


@given(st.lists(st.binary(max_size=300), max_size=5), st.lists(st.integers(min_value=0), max_size=20))
def test_botocore_reads_parts_however_they_are_cut(parts: list[bytes], cuts: list[int]) -> None:
    found = decoded(b"".join(map(payload_part, parts)), cuts)
    assert [payload for _, payload in found] == parts
    assert all(headers[":event-type"] == "PayloadPart" for headers, _ in found)


def test_a_stream_error_is_an_exception_message() -> None:
    [(headers, payload)] = decoded(stream_error("StreamBroken", "it broke"), [])
    assert headers[":message-type"] == "exception"
    assert headers[":exception-type"] == "ModelStreamError"
    assert json.loads(payload) == {"Message": "it broke", "ErrorCode": "StreamBroken"}


def test_headers_may_hold_any_text() -> None:
    assert decoded(message({"naïve": "日本"}), []) == [({"naïve": "日本"}, b"")]
