"""The Hub's record of a model (`GET /api/models/{id}?blobs=true&securityStatus=true`), read with suspicion.

Fields are those of huggingface_hub's `ModelInfo`. What is needed and malformed is refused; what is merely useful and
malformed counts as absent.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from core.errors import RefusedError
from core.models.facts import ModelFile
from core.models.hub_failures import nonsense
from core.models.hub_fields import count, gate, items, mapping, moment, repository_name, word
from core.models.safetensors_header import LARGEST_COUNT, StoredParameters, parameters_from_counts

Scan = Literal["safe", "unsafe", "doubtful", "pending"]
"""What the Hub's scans say of a repository: the worst that they say of any file, or that they have not ended."""

_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_SHA1: Final = re.compile(r"[0-9a-f]{40}")
_MOST_FILES: Final = 100_000
_MOST_BASES: Final = 20
_WAITING: Final = frozenset({"queued", "unscanned"})
_MILD: Final = _WAITING | {"suspicious", "caution", "error"}
"""Levels of the Hub's scans that say less than `unsafe`. What they say beyond these, or leave out, counts as unsafe."""
_SAFE: Final = "safe"
_BASE_TAG: Final = "base_model:"
_RELATIONS: Final = frozenset({"adapter", "finetune", "merge", "quantized"})
"""https://huggingface.co/docs/hub/model-cards#specifying-a-base-model"""


@dataclass(frozen=True, slots=True)
class GgufSummary:
    """What the Hub read in the header of a repository's GGUF file (it looks into one of them).

    `parameters` counts elements, `context_length` tokens; `architecture` is llama.cpp's name of it (`llama`).
    """

    parameters: int | None
    architecture: str | None
    context_length: int | None
    chat_template: bool = False


@dataclass(frozen=True, slots=True)
class HubRecord:
    """What the Hub says of one model at one commit; file names are as they came and not yet checked."""

    commit: str
    files: tuple[ModelFile, ...]
    task: str | None
    library: str | None
    license: str | None
    gated: str | None
    private: bool
    chat_template: bool
    parameters: StoredParameters | None
    unsafe_files: tuple[str, ...]
    """Files that the Hub's scans call unsafe."""
    doubtful_files: tuple[str, ...]
    """Files that the Hub's scans find fault with, but do not call unsafe."""
    scan: Scan | None
    """The scans' verdict; `None` when the Hub says nothing of them."""
    downloads: int | None
    """Downloads of the last 30 days."""
    likes: int | None
    last_modified: datetime | None
    """When the repository was last changed, in UTC."""
    base_models: tuple[str, ...]
    """Repositories that this model was made from, by its card or its tags."""
    base_relation: str | None
    """How it was made from them: `adapter`, `finetune`, `merge` or `quantized`."""
    config: Mapping[str, Any]
    """What the Hub keeps of the model's configs, as it came: `quantization_config`, `auto_map`, `tokenizer_config`."""
    gguf: GgufSummary | None
    pipeline_class: str | None
    """The class of a diffusers pipeline: `StableDiffusionXLPipeline`."""

    @classmethod
    def read(cls, repository: str, answer: Mapping[str, Any]) -> "HubRecord":
        """Return the record that the Hub's answer holds.

        Raises:
            RefusedError: there are more than 100,000 files.
            SagewizardError: the answer has no commit, or no listing that can be understood.
        """
        commit = answer.get("sha")
        if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
            raise nonsense(repository, "it names no commit")
        siblings = answer.get("siblings")
        if not isinstance(siblings, list):
            raise nonsense(repository, "it has no list of files")
        if len(siblings) > _MOST_FILES:
            raise RefusedError(
                f"{repository} has {len(siblings):,} files; more than {_MOST_FILES:,} are not looked at.",
                fix="Name a repository that holds one model, or a local folder with the files of it.",
            )
        config = mapping(answer.get("config"))
        unsafe, doubtful = _faulty(answer.get("securityRepoStatus"))
        bases, relation = _bases(answer)
        return cls(
            commit=commit,
            files=tuple(sorted((_file(repository, row) for row in siblings), key=lambda file: file.path)),
            task=word(answer.get("pipeline_tag")),
            library=word(answer.get("library_name")),
            license=_license(answer),
            gated=gate(answer.get("gated")),
            private=answer.get("private") is True,
            chat_template=_chat_template(config),
            parameters=parameters_from_counts(mapping(answer.get("safetensors")).get("parameters")),
            unsafe_files=unsafe,
            doubtful_files=doubtful,
            scan=_scan(answer.get("securityRepoStatus")),
            downloads=count(answer.get("downloads")),
            likes=count(answer.get("likes")),
            last_modified=moment(answer.get("lastModified")),
            base_models=bases,
            base_relation=relation,
            config=config,
            gguf=_gguf(answer.get("gguf")),
            pipeline_class=word(mapping(config.get("diffusers")).get("_class_name")),
        )


def _file(repository: str, row: object) -> ModelFile:
    found = mapping(row)
    path, lfs = found.get("rfilename"), mapping(found.get("lfs"))
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


def _license(answer: Mapping[str, Any]) -> str | None:
    stated = mapping(answer.get("cardData")).get("license")
    if isinstance(stated, list):
        stated = ", ".join(str(each) for each in stated)
    if isinstance(stated, str):
        return word(stated)
    for tag in items(answer.get("tags")):
        if isinstance(tag, str) and tag.startswith("license:"):
            return word(tag.removeprefix("license:"))
    return None


def _chat_template(config: Mapping[str, Any]) -> bool:
    return bool(config.get("chat_template_jinja") or mapping(config.get("tokenizer_config")).get("chat_template"))


def _bases(answer: Mapping[str, Any]) -> tuple[tuple[str, ...], str | None]:
    """Return the models that this one was made from, and how.

    The card says so in `base_model` (one or a list) and `base_model_relation`; the Hub, which also guesses, in tags:
    `base_model:org/name` and `base_model:quantized:org/name`.
    """
    card = mapping(answer.get("cardData"))
    stated = card.get("base_model")
    named = stated if isinstance(stated, list) else [stated]
    tagged, relations = [], [card.get("base_model_relation")]
    for tag in items(answer.get("tags")):
        if isinstance(tag, str) and tag.startswith(_BASE_TAG):
            relation, _, name = tag.removeprefix(_BASE_TAG).rpartition(":")
            tagged.append(name)
            relations.append(relation)
    found = _repositories(named) or _repositories(tagged)
    known = [each for each in relations if isinstance(each, str) and each in _RELATIONS]
    return found, known[0] if found and known else None


def _repositories(values: list[Any]) -> tuple[str, ...]:
    found = (repository_name(value) for value in values)
    return tuple(dict.fromkeys(name for name in found if name))[:_MOST_BASES]


def _gguf(value: object) -> GgufSummary | None:
    found = mapping(value)
    template = found.get("chat_template")
    summary = GgufSummary(
        parameters=count(found.get("total")),
        architecture=word(found.get("architecture")),
        context_length=count(found.get("context_length")),
        chat_template=isinstance(template, str) and bool(template),
    )
    return None if summary == GgufSummary(None, None, None) else summary


def _issues(status: object) -> list[tuple[str, object]]:
    """Return the files that the scans say something of, and at which level, save those that they call safe."""
    found = [mapping(row) for row in items(mapping(status).get("filesWithIssues"))]
    return [
        (row["path"], row.get("level"))
        for row in found
        if isinstance(row.get("path"), str) and row.get("level") != _SAFE
    ]


def _faulty(status: object) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the files that the scans call unsafe, and the others that they find fault with."""
    named = _issues(status)
    unsafe = tuple(path for path, level in named if not (isinstance(level, str) and level in _MILD))
    return unsafe, tuple(path for path, _ in named if path not in unsafe)


def _scan(status: object) -> Scan | None:
    """Return the verdict on all files; only a status that is whole can call them safe."""
    levels = [level for _, level in _issues(status)]
    if any(not (isinstance(level, str) and level in _MILD) for level in levels):
        return "unsafe"
    if any(level not in _WAITING for level in levels):
        return "doubtful"
    done, rows = mapping(status).get("scansDone"), mapping(status).get("filesWithIssues")
    if levels or done is False:
        return "pending"
    understood = isinstance(rows, list) and all(isinstance(mapping(row).get("path"), str) for row in rows)
    return "safe" if done is True and understood else None
