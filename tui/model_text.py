"""What is meant by the text in the field for a model: where to look for what goes on from it, and what Enter does."""

from typing import Final, Literal

from core.errors import SagewizardError
from core.models.reference import SAMPLE, parse_reference

Source = Literal["rest", "hub", "folders", "stored"]
"""Where models are looked for: nowhere yet, on the Hub, on this machine, in S3."""
LEAST_LETTERS: Final = 2
"""The Hub is not searched for less."""
_HUB: Final = "https://huggingface.co/"


def source_of(text: str) -> Source:
    """Return where to look for what goes on from `text`."""
    if text.startswith("s3://"):
        return "stored"
    if text.startswith(("/", "./", "../", "~")) or text in {".", ".."}:
        return "folders"
    return "hub" if text != SAMPLE and len(search_words(text)) >= LEAST_LETTERS else "rest"


def search_words(text: str) -> str:
    """Return what the Hub is to be searched for: the text without an address around it and a revision behind it."""
    return text.removeprefix(_HUB).partition("@")[0].strip()


def is_whole(text: str) -> bool:
    """Whether `text` names one model by itself: not a word or words that the Hub is to be searched for."""
    if source_of(text) != "hub":
        return True
    return ("/" in text or "@" in text) and refusal(text) is None


def refusal(text: str) -> SagewizardError | None:
    """Return why `text` cannot be a model's name, `None` when it can."""
    try:
        parse_reference(text)
    except SagewizardError as problem:
        return problem
    return None
