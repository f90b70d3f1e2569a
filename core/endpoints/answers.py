"""Reading what containers answer: whole, or in parts as it is generated.

Known forms: OpenAI's chat and text completions, Hugging Face's `generated_text`, `outputs` and the like, plain text.
Parts come as server-sent events (`data: {…}`, ended by `[DONE]`) from vLLM, SGLang and TGI, and as JSON lines from LMI.
SageMaker cuts streams anywhere, within lines and within characters.
"""

import codecs
import json
from collections.abc import Mapping
from typing import Any, Final, Literal

from core.errors import InvocationError
from core.external_text import clean_line

_SSE_FIELDS: Final = ("data:", "event:", "id:", "retry:", ":")
_TEXT_KEYS: Final = ("generated_text", "outputs", "output", "text", "completion", "response", "answer")
_DONE: Final = "[DONE]"
_EXCERPT: Final = 200


def read_answer(body: bytes) -> str:
    """Return the text of a whole answer, in any known form.

    Raises:
        InvocationError: it tells of an error, or has no text in a place that is known.
    """
    text = body.decode("utf-8", errors="replace")
    try:
        return _read(body, text)
    except RecursionError as error:  # JSON within JSON, thousands deep
        raise _unreadable(text) from error


def _read(body: bytes, text: str) -> str:
    try:
        data = json.loads(text)
    except ValueError:
        if text.lstrip().startswith(_SSE_FIELDS[0]):  # a stream, though none was asked for
            reader = StreamReader()
            return reader.feed(body) + reader.close()
        return text
    if data is None or isinstance(data, bool | int | float):
        return text
    if (found := _text_in(data)) is None:
        raise _unreadable(text)
    return found


def _unreadable(text: str) -> InvocationError:
    return InvocationError(
        f"The endpoint answered in a form that sagewizard cannot show as text: {clean_line(text)[:_EXCERPT]}",
        fix="`sagewizard invoke` sends a request as it is and shows the whole answer.",
    )


def without_prompt(text: str, prompt: str) -> str:
    """Return a model's text without the prompt that some containers repeat in front of it."""
    return text[len(prompt) :] if prompt and text.startswith(prompt) else text


class StreamReader:
    """Turns the bytes of a streamed answer into its text, as they come.

    Raises (from `feed` and `close`):
        InvocationError: the stream tells of an error.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._form: Literal["unknown", "events", "lines", "document", "plain"] = "unknown"
        self._held = ""
        self._event: list[str] = []
        self._any = False
        self._ended = False

    def feed(self, data: bytes) -> str:
        """Return the text that these bytes complete."""
        text = self._decoder.decode(data)
        try:
            return self._take(text)
        except RecursionError as error:
            raise _unreadable(text) from error

    def close(self) -> str:
        """Return the rest of the text once no more bytes will come."""
        try:
            return self._rest()
        except RecursionError as error:
            raise _unreadable(self._held) from error

    def _rest(self) -> str:
        text = self._take(self._decoder.decode(b"", final=True))
        held, self._held = self._held, ""
        match self._form:
            case "unknown" | "plain":
                return text + held
            case "lines" | "document":
                return text + (self._whole(held) if held.strip() else "")
            case "events":
                return text + self._event_line(held.rstrip("\r")) + self._event_end()

    def _take(self, text: str) -> str:
        self._held += text
        if self._form == "unknown":
            self._form = self._recognise()
        if self._form == "plain":
            text, self._held = self._held, ""
            return text
        if self._form in {"unknown", "document"}:
            return ""
        return "".join(self._lines())

    def _recognise(self) -> Literal["unknown", "events", "lines", "plain"]:
        begin = self._held.lstrip()
        if not begin or any(field != begin and field.startswith(begin) for field in _SSE_FIELDS):
            return "unknown"
        if begin.startswith(_SSE_FIELDS):
            self._held = begin
            return "events"
        return "lines" if begin[0] in "{[" else "plain"

    def _lines(self) -> list[str]:
        found = []
        while self._form != "document" and "\n" in self._held:
            line, _, rest = self._held.partition("\n")
            if self._form == "events":
                self._held = rest
                found.append(self._event_line(line.rstrip("\r")))
                continue
            data = _json(line)
            if line.strip() and not isinstance(data, dict | list):
                self._form = "document"  # one JSON text over several lines: its end has to be waited for
                break
            self._held = rest
            if data is not None:
                found.append(self._chunk(data))
        return found

    def _event_line(self, line: str) -> str:
        """Take a line of server-sent events (WHATWG HTML, 9.2.6); an empty one ends the event."""
        if not line:
            return self._event_end()
        field, _, value = line.partition(":")
        if field == "data":
            ended = self._event_end() if self._event and _json("\n".join(self._event)) is not None else ""
            self._event.append(value.removeprefix(" "))
            return ended  # some servers leave out the empty line between events
        return ""

    def _event_end(self) -> str:
        text, self._event = "\n".join(self._event), []
        if not text.strip() or self._ended:
            return ""
        if text.strip() == _DONE:
            self._ended = True
            return ""
        return self._whole(text)

    def _whole(self, text: str) -> str:
        data = _json(text)
        if isinstance(data, dict | list):
            return self._chunk(data)
        return data if isinstance(data, str) else text

    def _chunk(self, data: Any) -> str:
        _raise_if_error(data)
        found = _piece_in(data)
        if found is None:
            # The last chunk of some engines repeats the whole text.
            found = "" if self._any else (_text_in(data) or "")
        self._any = self._any or bool(found)
        return found


def error_text(data: Any) -> str | None:
    """Return what a JSON value tells of an error, in one line: the ways FastAPI, OpenAI, LMI and MMS write it."""
    if not isinstance(data, Mapping):
        return None
    for key in ("error", "message", "Message", "detail", "errors"):
        value = data.get(key)
        if isinstance(value, Mapping):
            value = error_text(value)
        elif isinstance(value, list) and value:
            value = "; ".join(_detail(item) for item in value)
        if isinstance(value, str) and value.strip():
            return clean_line(value)
    return None


def _detail(item: Any) -> str:
    if isinstance(item, Mapping):  # FastAPI: {"loc": […], "msg": …}
        where = ".".join(str(part) for part in item.get("loc", ()))
        return f"{where}: {item['msg']}".lstrip(": ") if "msg" in item else (error_text(item) or str(dict(item)))
    return str(item)


def _raise_if_error(data: Any) -> None:
    if isinstance(data, Mapping) and data.get("error") and "choices" not in data:
        code = data.get("code")
        raise InvocationError(
            f"The endpoint answered with an error: {error_text(data) or clean_line(str(data['error']))[:_EXCERPT]}",
            status=code if isinstance(code, int) else None,
        )


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _piece_in(data: Any) -> str | None:
    """Return the text that one part of a stream adds; `None` when the value is no such part."""
    if not isinstance(data, Mapping):
        return None
    if isinstance(token := data.get("token"), Mapping):  # TGI and LMI
        return "" if token.get("special") else str(token.get("text") or "")
    choices = data.get("choices")
    if isinstance(choices, list):
        if not choices or not isinstance(choices[0], Mapping):
            return ""  # the usage comes in a part without choices
        delta = choices[0].get("delta")
        if isinstance(delta, Mapping):
            return _content(delta.get("content"))
        if isinstance(text := choices[0].get("text"), str):
            return text
    if isinstance(outputs := data.get("outputs"), list) and all(isinstance(item, str) for item in outputs):
        return "".join(outputs)
    return None


def _text_in(data: Any) -> str | None:
    """Return the text in a whole answer; `None` when it has none in a place that is known."""
    _raise_if_error(data)
    if isinstance(data, str):
        return data
    if isinstance(data, list):
        return _text_in(data[0]) if data else None
    if not isinstance(data, Mapping):
        return None
    choices = data.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], Mapping):
        message = choices[0].get("message")
        if isinstance(message, Mapping):
            return _content(message.get("content"))
        return _text_in(choices[0])
    for key in _TEXT_KEYS:
        if key in data:
            return _generated(data[key])
    return None


def _generated(value: Any) -> str | None:
    """Return the text of a `generated_text`: a pipeline that was given messages returns them, with its own last."""
    if isinstance(value, list) and value and all(isinstance(item, Mapping) and "content" in item for item in value):
        return _content(value[-1]["content"])
    return _text_in(value)


def _content(value: Any) -> str:
    """Return the text of a message's content: a string, a list of parts, or nothing."""
    if isinstance(value, list):
        return "".join(str(part.get("text") or "") for part in value if isinstance(part, Mapping))
    return value if isinstance(value, str) else ""
