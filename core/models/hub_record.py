"""The Hub's record of a model (`GET /api/models/{id}?blobs=true&securityStatus=true`), read with suspicion.

Fields are those of huggingface_hub's `ModelInfo`. What is needed and malformed is refused; what is merely useful and
malformed counts as absent.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.external_text import clean_line
from core.models.facts import ModelFile
from core.models.hub_failures import nonsense
from core.models.safetensors_header import LARGEST_COUNT, StoredParameters, parameters_from_counts

_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_SHA1: Final = re.compile(r"[0-9a-f]{40}")
_MOST_FILES: Final = 100_000
_MILD: Final = frozenset({"suspicious", "caution", "queued", "unscanned", "error"})
"""Levels of the Hub's scans that say less than `unsafe`. What they say beyond these, or leave out, counts as unsafe."""
_SAFE: Final = "safe"


@dataclass(frozen=True, slots=True)
class HubRecord:
    """What the Hub says of one model at one commit; file names are as they came and not yet checked."""

    commit: str
    files: tuple[ModelFile, ...]
    task: str | None
    library: str | None
    license: str | None
    gated: str | None
    chat_template: bool
    parameters: StoredParameters | None
    unsafe_files: tuple[str, ...]
    """Files that the Hub's scans call unsafe."""
    doubtful_files: tuple[str, ...]
    """Files that the Hub's scans find fault with, but do not call unsafe."""

    @classmethod
    def read(cls, repository: str, answer: Mapping[str, Any]) -> "HubRecord":
        """Return the record that the Hub's answer holds.

        Raises:
            SagewizardError: the answer has no commit, or no listing that can be understood.
        """
        commit = answer.get("sha")
        if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
            raise nonsense(repository, "it names no commit")
        siblings = answer.get("siblings")
        if not isinstance(siblings, list) or len(siblings) > _MOST_FILES:
            raise nonsense(repository, "it has no list of files")
        gated = answer.get("gated")
        unsafe, doubtful = _faulty(answer.get("securityRepoStatus"))
        return cls(
            commit=commit,
            files=tuple(sorted((_file(repository, row) for row in siblings), key=lambda file: file.path)),
            task=_word(answer.get("pipeline_tag")),
            library=_word(answer.get("library_name")),
            license=_license(answer),
            gated=_word(gated) if isinstance(gated, str) else None,
            chat_template=_chat_template(answer.get("config")),
            parameters=parameters_from_counts(_mapping(answer.get("safetensors")).get("parameters")),
            unsafe_files=unsafe,
            doubtful_files=doubtful,
        )


def _file(repository: str, row: object) -> ModelFile:
    found = _mapping(row)
    path, lfs = found.get("rfilename"), _mapping(found.get("lfs"))
    size = lfs.get("size", found.get("size"))
    if not isinstance(path, str) or type(size) is not int or not 0 <= size <= LARGEST_COUNT:
        raise nonsense(repository, "a file in it has no name or no size")
    return ModelFile(
        path=path,
        bytes=size,
        sha256=_digest(lfs.get("sha256"), _SHA256),
        # The blob id of an LFS file is that of its pointer, not of its content.
        git_sha1=None if lfs else _digest(found.get("blobId"), _SHA1),
    )


def _digest(value: object, pattern: re.Pattern[str]) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _word(value: object) -> str | None:
    return (clean_line(value)[:100] or None) if isinstance(value, str) else None


def _license(answer: Mapping[str, Any]) -> str | None:
    stated = _mapping(answer.get("cardData")).get("license")
    if isinstance(stated, list):
        stated = ", ".join(str(each) for each in stated)
    if isinstance(stated, str):
        return _word(stated)
    tags = answer.get("tags")
    for tag in tags if isinstance(tags, list) else []:
        if isinstance(tag, str) and tag.startswith("license:"):
            return _word(tag.removeprefix("license:"))
    return None


def _chat_template(config: object) -> bool:
    found = _mapping(config)
    return bool(found.get("chat_template_jinja") or _mapping(found.get("tokenizer_config")).get("chat_template"))


def _faulty(status: object) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the files that the scans call unsafe, and the others that they find fault with."""
    rows = _mapping(status).get("filesWithIssues")
    found = [_mapping(row) for row in rows] if isinstance(rows, list) else []
    named = [
        (row["path"], row.get("level"))
        for row in found
        if isinstance(row.get("path"), str) and row.get("level") != _SAFE
    ]
    unsafe = tuple(path for path, level in named if not (isinstance(level, str) and level in _MILD))
    return unsafe, tuple(path for path, _ in named if path not in unsafe)
