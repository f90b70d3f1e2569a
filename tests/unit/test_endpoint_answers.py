"""Reading answers: every form that containers use, whole and cut anywhere."""

import json
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.endpoints.answers import StreamReader, error_text, read_answer, without_prompt
from core.errors import InvocationError

CHAT = {"object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Salut ☀"}}]}


@pytest.mark.parametrize(
    "answer",
    [
        CHAT,
        {"choices": [{"text": "Salut ☀"}]},
        {"choices": [{"message": {"content": [{"type": "text", "text": "Salut"}, {"type": "text", "text": " ☀"}]}}]},
        [{"generated_text": "Salut ☀"}],
        [[{"generated_text": "Salut ☀"}]],
        {"generated_text": "Salut ☀"},
        [{"generated_text": [{"role": "user", "content": "Bonjour"}, {"role": "assistant", "content": "Salut ☀"}]}],
        {"outputs": "Salut ☀"},
        {"outputs": ["Salut ☀"]},
        {"text": "Salut ☀"},
        ["Salut ☀"],
        "Salut ☀",
    ],
)
def test_every_known_form_gives_its_text(answer: Any) -> None:
    assert read_answer(json.dumps(answer).encode()) == "Salut ☀"


@pytest.mark.parametrize("body", ["Salut ☀", "42", '{"not closed', ""])
def test_plain_text_is_taken_as_it_is(body: str) -> None:
    assert read_answer(body.encode()) == body


def test_a_form_without_text_is_refused_with_what_came() -> None:
    with pytest.raises(InvocationError, match="POSITIVE") as caught:
        read_answer(b'[{"label": "POSITIVE", "score": 0.9}]')
    assert "invoke" in caught.value.fix


@pytest.mark.parametrize(
    ("read", "before"),
    [
        (read_answer, b""),
        (read_answer, b"data: "),
        (lambda body: read_in([body]), b"data: "),
        (lambda body: read_in([body]), b'{"token": {"text": "a"}}\n'),
    ],
)
def test_json_thousands_deep_is_refused(read: Callable[[bytes], str], before: bytes) -> None:
    with pytest.raises(InvocationError, match="cannot show as text") as caught:
        read(before + b"[" * 200_000 + b"]" * 200_000 + b"\n\n")
    assert len(caught.value.message) < 400


def test_an_error_with_status_200_is_an_error() -> None:
    with pytest.raises(InvocationError, match="out of memory") as caught:
        read_answer(b'{"error": "out of memory", "code": 424}')
    assert caught.value.status == 424


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"error": {"message": "too long", "code": 400}}, "too long"),
        ({"code": 400, "type": "InternalServerException", "message": "bad\n\x1b[1minput"}, "bad input"),
        ({"detail": [{"loc": ["body", "messages"], "msg": "field required"}]}, "body.messages: field required"),
        ({"detail": "Not Found"}, "Not Found"),
        ({"answer": 1}, None),
        ("text", None),
    ],
)
def test_the_sentence_in_an_error_is_found(data: Any, said: str | None) -> None:
    assert error_text(data) == said


def test_the_prompt_is_taken_from_the_front_only() -> None:
    assert without_prompt("Once upon a time", "Once") == " upon a time"
    assert without_prompt("A time, Once", "Once") == "A time, Once"


def sse(parts: Iterable[Any], *, gap: str = "\n\n", end: str = "data: [DONE]\n\n") -> str:
    return "".join(f"data: {json.dumps(part, ensure_ascii=False)}{gap}" for part in parts) + end


def lines(parts: Iterable[Any]) -> str:
    return "".join(f"{json.dumps(part, ensure_ascii=False)}\n" for part in parts)


def chat_parts(texts: Iterable[str]) -> list[Any]:
    return [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
        *({"choices": [{"index": 0, "delta": {"content": text}}]} for text in texts),
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"total_tokens": 3}},
    ]


def token_parts(texts: Iterable[str]) -> list[Any]:
    tokens = [{"token": {"id": 1, "text": text, "special": False}, "generated_text": None} for text in texts]
    return [*tokens, {"token": {"id": 2, "text": "</s>", "special": True}, "generated_text": "".join(texts)}]


def read_in(pieces: Iterable[bytes]) -> str:
    reader = StreamReader()
    return "".join([reader.feed(piece) for piece in pieces]) + reader.close()


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    marks = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(marks)]


texts = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8), min_size=1, max_size=6)
places = st.lists(st.integers(0, 10_000), max_size=12)


@given(texts, places)
def test_a_stream_gives_the_same_text_wherever_it_is_cut(parts: list[str], where: list[int]) -> None:
    said = "".join(parts)
    for stream in (
        sse(chat_parts(parts)),
        sse(chat_parts(parts), gap="\r\n\r\n"),
        sse(chat_parts(parts), gap="\n"),  # no empty line between events
        sse(chat_parts(parts), end=""),
        ": ping\n\n" + sse(token_parts(parts)),
        lines(chat_parts(parts)),
        lines(token_parts(parts)),
        lines(token_parts(parts)).rstrip("\n"),
        lines([{"outputs": [part]} for part in parts]),
        json.dumps([{"generated_text": said}], ensure_ascii=False),
        json.dumps([{"generated_text": said}], ensure_ascii=False, indent=2),
    ):
        assert read_in(cut(stream.encode(), where)) == said


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), places)
def test_plain_text_comes_through_wherever_it_is_cut(text: str, where: list[int]) -> None:
    plain = f"So {text}"
    assert read_in(cut(plain.encode(), where)) == plain


@given(st.binary(max_size=200), places)
def test_no_bytes_at_all_make_it_fail(data: bytes, where: list[int]) -> None:
    whole, pieces = b"data: " + data, cut(b"data: " + data, where)
    try:
        expected = read_in([whole])
    except InvocationError:
        return
    assert read_in(pieces) == expected


def test_text_comes_as_soon_as_its_line_is_whole() -> None:
    reader = StreamReader()
    first, second = (f"data: {json.dumps(part)}\n\n".encode() for part in chat_parts(["Hello"])[:2])
    assert reader.feed(first + second[:-3]) == ""
    assert reader.feed(second[-3:]) == "Hello"


@pytest.mark.parametrize(
    "stream",
    [
        'data: {"error": {"message": "CUDA out of memory"}}\n\n',
        '{"token": {"text": "a"}}\n{"error": "CUDA out of memory", "code": 424}\n',
    ],
)
def test_an_error_within_a_stream_is_raised(stream: str) -> None:
    with pytest.raises(InvocationError, match="CUDA out of memory"):
        read_in([stream.encode()])


def test_a_whole_answer_in_the_form_of_a_stream_is_read() -> None:
    assert read_answer(sse(chat_parts(["a", "b"])).encode()) == "ab"
