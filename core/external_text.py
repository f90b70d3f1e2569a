"""Text from outside (the Hub, AWS, model output, logs) made safe to show.

Terminals obey control sequences wherever they come from: they can set the clipboard, the title, or erase the screen.
No widget removes them, so they are removed here, where text enters. Sequences are those of ECMA-48 and XTerm
("XTerm Control Sequences"), in their 7-bit and 8-bit (C1) forms.
"""

import re

_STRINGS = r"(?:\x1b[\]P_^X]|[\x9d\x90\x9f\x9e\x98])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS, APC, PM, SOS
_CSI = r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
_SHORT = r"\x1b[ -/]*[0-~]?"
_CONTROLS = r"[\x00-\x08\x0b-\x1f\x7f-\x9f]"  # all but tab and line feed; carriage returns too
_INVISIBLE = "[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"  # zero-width and bidirectional
_UNSAFE = re.compile(f"{_STRINGS}|{_CSI}|{_SHORT}|{_CONTROLS}|{_INVISIBLE}")

# A sequence that a chunk may have cut in two: everything from an introducer with no end yet.
_UNFINISHED = re.compile(
    r"(?:\x1b|\x1b\[[0-?]*[ -/]*|\x9b[0-?]*[ -/]*|(?:\x1b[\]P_^X]|[\x9d\x90\x9f\x9e\x98])[^\x07\x1b\x9c]*\x1b?)\Z"
)
_LONGEST_HELD = 4096


def clean(text: str) -> str:
    """Return `text` without control sequences, control characters (save tab and line feed) and direction marks."""
    return _UNSAFE.sub("", text)


def clean_line(text: str) -> str:
    """Return `text` cleaned, on one line: runs of white space become one space."""
    return " ".join(clean(text).split())


def unix_lines(text: str) -> str:
    """Return `text` with a line feed at each end of a line: terminals paste carriage returns, which `clean` drops."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


class StreamCleaner:
    """Cleans text that arrives in pieces, where a control sequence may be cut in two."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        """Return what of `text` (and of what was held back) is safe to show now."""
        text = self._held + text
        unfinished = _UNFINISHED.search(text)
        if unfinished and len(text) - unfinished.start() <= _LONGEST_HELD:
            text, self._held = text[: unfinished.start()], text[unfinished.start() :]
        else:
            self._held = ""
        return clean(text)

    def close(self) -> str:
        """Return the safe rest once no more text will come."""
        rest, self._held = self._held, ""
        return clean(rest)
