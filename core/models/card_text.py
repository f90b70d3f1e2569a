"""Makes the text of a model card safe and fit to show: Markdown without HTML, pictures and front matter.

What is code by Markdown's rules (https://spec.commonmark.org, fenced blocks and code spans) stays as it is, tags and
all: prompts are written in such. All patterns take time in proportion to the text, whatever it is.
"""

import html
import re
from typing import Final

from core.external_text import clean, unix_lines

_MOST_READ: Final = 2**20
_MOST_SHOWN: Final = 40_000
"""Characters of a card that are shown at most, with the note that it was cut."""
_MOST_LINES: Final = 1_500
_CUT: Final = "\n\n[The card goes on; only its beginning is shown.]"
_MOST_ROUNDS: Final = 8
"""How often the text is gone through: what was taken out may have stood between the halves of something else."""

# Direction marks and the like that `clean` leaves, and halves of characters, which cannot be printed.
_ODD: Final = re.compile("[\u180e\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]")
_SEPARATORS: Final = re.compile("[\u2028\u2029]")
_FRONT_MATTER: Final = re.compile(r"\A\s*---[ \t]*\n(?:.*?\n)??---[ \t]*(?:\n|\Z)", re.DOTALL)
_RULES_AHEAD: Final = re.compile(r"\A(?:\s*---[ \t]*(?:\n|\Z))+")

_TOKEN: Final = re.compile(
    r"^[ \t>]*(?:(?:[-*+]|\d{1,3}[.)])[ \t]+)?(?:(?P<ticks>`{3,})[^\n`]*|(?P<waves>~{3,})[^\n]*)$"
    r"|(?P<code>(?<!`)`[^`\n]{1,1000}`(?!`)|(?<!`)``(?!`)[^\n]{1,1000}?``(?!`))"
    r"|(?P<comment><!--)"
    r"|(?P<declaration><[!?][^<>]*>)"
    r"|<(?P<end>/?)(?P<tag>[A-Za-z][A-Za-z0-9-]{0,30})(?=[\s/>])[^<>]*>"
    # An image by address (with brackets in it, at most three pairs) or by reference.
    r"|!\[(?P<alt>[^\[\]]{0,1000})\](?:\([^()\n]*(?:\([^()\n]*\)[^()\n]*){0,3}\)|\[[^\[\]\n]{0,200}\])",
    re.MULTILINE,
)
_ENTITY: Final = re.compile(r"&(?:#[0-9]{1,8}|#[xX][0-9a-fA-F]{1,8}|[A-Za-z][A-Za-z0-9]{1,31});")
_AFTER_AMPERSAND: Final = re.compile(r"#?\w{1,32};")
_TAG_LIKE: Final = re.compile(r"[!?]|/?([A-Za-z][A-Za-z0-9-]{0,30})")
_ALT: Final = re.compile(r"""(?<![\w-])alt\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)

# https://html.spec.whatwg.org/multipage/indices.html#elements-3, and some that are obsolete but common in cards. Other
# words in angle brackets (<think>, <image_1>) are part of what the card says.
_ELEMENTS: Final = re.compile(
    r"a|abbr|address|area|article|aside|audio|b|base|bdi|bdo|big|blockquote|body|br|button|canvas|caption|center|cite"
    r"|code|col|colgroup|data|datalist|dd|del|details|dfn|dialog|div|dl|dt|em|embed|fieldset|figcaption|figure|font"
    r"|footer|form|frame|h[1-6]|head|header|hgroup|hr|html|i|iframe|img|input|ins|kbd|label|legend|li|link|main|map|mark"
    r"|marquee|math|menu|meta|meter|nav|nobr|noscript|object|ol|optgroup|option|output|p|param|picture|pre|progress|q"
    r"|rp|rt|ruby|s|samp|script|search|section|select|slot|small|source|span|strike|strong|style|sub|summary|sup|svg"
    r"|table|tbody|td|template|textarea|tfoot|th|thead|time|title|tr|tt|u|ul|var|video|wbr|[a-z0-9]+-[a-z0-9-]*"
)
_DROPPED: Final = {name: re.compile(rf"</{name}\s*>", re.IGNORECASE) for name in ("script", "style", "svg")}
"""Elements whose content is not for people."""
_SPACES: Final = frozenset({"br", "td", "th"})
_LINE_ENDS: Final = re.compile(r"div|dd|dt|figcaption|h[1-6]|li|p|summary|tr")


def readable_card(text: str) -> str:
    """Return a card as Markdown that is safe to show as text.

    YAML front matter, HTML comments and tags are gone (the text in them stays), pictures are `[picture: what it
    shows]`, control sequences and direction marks are removed. At most 40,000 characters in 1,500 lines, with a note
    when there was more.
    """
    text = _FRONT_MATTER.sub("", _safe(text[:_MOST_READ]), count=1)
    for _ in range(_MOST_ROUNDS):
        before, text = text, _Round(text).result()
        if text == before:
            break
    lines = [line.rstrip() for line in _safe(text).expandtabs(4).split("\n")]
    tidy = re.sub(r"\n{3,}", "\n\n", "\n".join(lines))
    # A rule at the top separates nothing, and would be taken for front matter.
    return _cut(_RULES_AHEAD.sub("", tidy).strip("\n"))


class _Round:
    """Goes once through a text, from token to token."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._unclosed: set[str] = set()
        """What was looked for in the rest of the text and is not there: it is not looked for again."""

    def result(self) -> str:
        """Return the text with each token replaced by what is shown of it."""
        shown, at = [], 0
        while found := _TOKEN.search(self._text, at):
            shown.append(_decoded(self._text[at : found.start()]))
            piece, at = self._replaced(found)
            shown.append(piece)
        shown.append(_decoded(self._text[at:]))
        return "".join(shown)

    def _replaced(self, found: re.Match[str]) -> tuple[str, int]:
        """Return what is shown of a token, and where the text goes on after it."""
        start, end = found.span()
        if marks := found["ticks"] or found["waves"]:
            # Shorter fences are content: a block ends with one at least as long as its first.
            closing = re.compile(rf"^[ \t>]*{marks[0]}{{{len(marks)},}}[ \t]*$", re.MULTILINE)
            last = closing.search(self._text, end)
            end = last.end() if last else len(self._text)
            return _without_odd_entities(self._text[start:end]), end
        if found["code"]:
            return _without_odd_entities(found["code"]), end
        if found["comment"]:
            return "", self._after("-->", re.compile("-->"), end)
        if found["declaration"]:
            return "", end
        if found["alt"] is not None:
            return _picture(found["alt"]), end
        name = found["tag"].lower()
        if not _ELEMENTS.fullmatch(name):
            return "<", start + 1
        if name == "img":
            alt = _ALT.search(found[0])
            return _picture(next(filter(None, alt.groups()), "") if alt else ""), end
        if name in _DROPPED and not found["end"] and not found[0].endswith("/>"):
            return "", self._after(name, _DROPPED[name], end)
        if name in _SPACES:
            return " ", end
        return "\n" if found["end"] and _LINE_ENDS.fullmatch(name) else "", end

    def _after(self, what: str, closing: re.Pattern[str], at: int) -> int:
        """Return where the text goes on after what ends with `closing`; where it began, if that never ends."""
        last = None if what in self._unclosed else closing.search(self._text, at)
        if last is None:
            self._unclosed.add(what)
            return at
        return last.end()


def _safe(text: str) -> str:
    return _ODD.sub("", clean(_SEPARATORS.sub("\n", unix_lines(text))))


def _picture(alt: str) -> str:
    alt = " ".join(alt.split())
    return f"[picture: {alt}]" if alt else "[picture]"


def _decoded(text: str) -> str:
    """Return text with HTML's entities decoded, save where that would make a tag or another entity."""

    def decode(found: re.Match[str]) -> str:
        value = _value(found[0])
        if value == "<" and (tag := _TAG_LIKE.match(text, found.end())):
            return found[0] if tag[1] is None or _ELEMENTS.fullmatch(tag[1].lower()) else value
        if value == "&" and _AFTER_AMPERSAND.match(text, found.end()):
            return found[0]
        return value

    return _ENTITY.sub(decode, text)


def _without_odd_entities(code: str) -> str:
    """Return code as it is, save for entities of what must not be shown: others may take it for prose and decode it."""
    return _ENTITY.sub(lambda found: found[0] if _value(found[0]) else "", code)


def _value(entity: str) -> str:
    """Return what an entity stands for, nothing for a character that must not be shown."""
    value = html.unescape(entity)
    return " " if value.isspace() else _safe(value)


def _cut(text: str) -> str:
    lines = text.split("\n")
    if len(text) <= _MOST_SHOWN and len(lines) <= _MOST_LINES:
        return text
    room, kept = _MOST_SHOWN - len(_CUT), 0
    head = "\n".join(lines[: _MOST_LINES - _CUT.count("\n")])
    kept = len(head) if len(head) <= room else head.rfind("\n", 0, room + 1)
    return head[: kept if kept > 0 else room].rstrip() + _CUT
