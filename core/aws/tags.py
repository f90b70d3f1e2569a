"""The tags that mark what sagewizard made, and how AWS wants tags written.

A tag value may hold letters, digits, spaces and `_ . : / = + - @`, at most 256 of them (the pattern of the SageMaker,
IAM and S3 APIs); whatever else a value has becomes a `-`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlencode

from core.external_text import clean_line

DEPLOYMENT: Final = "sagewizard:deployment"
"""The id of the deployment that made the resource: what makes it ours."""
VERSION: Final = "sagewizard:version"
"""The version of sagewizard that made it."""
DIALECT: Final = "sagewizard:dialect"
"""How to talk to the endpoint: `messages`, `inputs` or `text`."""
MODEL: Final = "sagewizard:model"
"""The model reference; of a folder only its own name, never where it was."""
ENGINE: Final = "sagewizard:engine"
"""The serving engine."""

_LONGEST_VALUE: Final = 256
_NOT_ALLOWED = re.compile(r"[^\w .:/=+\-@]")


def tag_value(text: str) -> str:
    """Return `text` as a tag's value may be written."""
    return _NOT_ALLOWED.sub("-", text)[:_LONGEST_VALUE].strip()


def model_tag(reference: str) -> str:
    """Return a model reference as a tag's value. Of a path on this machine only the last part is kept."""
    if reference.startswith(("/", "./", "../", "~")) or "\\" in reference:
        reference = re.split(r"[/\\]", reference.rstrip("/\\"))[-1]
    return tag_value(reference)


def resource_tags(*, deployment_id: str, model: str, dialect: str, engine: str) -> Mapping[str, str]:
    """Return the tags that every resource of a deployment gets; `model` is its reference."""
    from core import __version__

    return {
        DEPLOYMENT: tag_value(deployment_id),
        VERSION: tag_value(__version__),
        DIALECT: tag_value(dialect),
        MODEL: model_tag(model),
        ENGINE: tag_value(engine),
    }


def as_aws_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as most of AWS's APIs take them: a list of `Key` and `Value`."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def as_query(tags: Mapping[str, str]) -> str:
    """Return tags as S3 takes those of an object: a URL query."""
    return urlencode(tags)


def from_aws_tags(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return tags that AWS listed as a mapping, safe to show."""
    return {clean_line(tag["Key"]): clean_line(tag["Value"]) for tag in tags}


def is_ours(tags: Mapping[str, str]) -> bool:
    """Return whether sagewizard made what carries these tags."""
    return bool(tags.get(DEPLOYMENT))
