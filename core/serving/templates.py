"""Inference templates: the folders whose `inference.py` and `requirements.txt` become an artifact's `code/`.

Those that come with the program lie in `inference_templates/`, one folder each, described by `template.toml`. A person
can point at a folder of their own instead; there the description may be absent.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import core
from core.errors import NotFoundError, RefusedError, UsageError
from core.external_text import clean_line

PROGRAM = "inference.py"
"""The file that the container's toolkit imports."""
_DESCRIPTION = "template.toml"
_STAYS_BEHIND = {_DESCRIPTION, "README.md", "samples"}  # about the template, not of it
_LARGEST_FILE = 5 * 2**20


@dataclass(frozen=True, slots=True)
class TemplateFile:
    """One file of a template: its path below `code/` (`/` between parts) and what it holds."""

    path: str
    content: bytes


@dataclass(frozen=True, slots=True)
class InferenceTemplate:
    """One way to answer requests with a model.

    `dialects` are the request formats it takes, the preferred one first. `sample_answer` is a JSON Schema (as text) of
    the answer to `sample_request`; both are empty for a template without a description. `sha256` is a digest of
    `files`, so that a plan can tell whether the template changed under it.
    """

    name: str
    title: str
    folder: Path
    files: tuple[TemplateFile, ...]
    sha256: str
    tasks: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    content_types: tuple[str, ...] = ("application/json",)
    answer_types: tuple[str, ...] = ("application/json",)
    dialects: tuple[str, ...] = ()
    streams: bool = False
    sample_request: str = ""
    sample_content_type: str = "application/json"
    sample_answer: str = ""


@cache
def all_templates() -> tuple[InferenceTemplate, ...]:
    """Return the templates that come with the program, by name. Read once."""
    root = Path(core.__file__).parent.parent / "inference_templates"
    return tuple(read_template(found.parent) for found in sorted(root.glob(f"*/{_DESCRIPTION}")))


def template_for(task: str | None, library: str | None) -> InferenceTemplate:
    """Return the template that serves models of `task` made with `library`.

    Raises:
        RefusedError: there is none.
    """
    for template in all_templates():
        if task in template.tasks and (library in template.libraries or library is None):
            return template
    known = sorted({served for template in all_templates() for served in template.tasks})
    raise RefusedError(
        f"There is no inference template for {task or 'an unknown task'} with {library or 'an unknown library'}.",
        fix=f"Templates exist for {', '.join(known)}; for anything else give a folder of your own with --template.",
    )


def find_template(name_or_path: str) -> InferenceTemplate:
    """Return the template called `name_or_path`, or the one in that folder.

    Raises:
        NotFoundError: there is neither.
        UsageError: the folder holds no template.
    """
    for template in all_templates():
        if template.name == name_or_path:
            return template
    folder = Path(name_or_path).expanduser()
    if folder.is_dir():
        return read_template(folder.absolute())
    names = ", ".join(template.name for template in all_templates())
    raise NotFoundError(
        f"“{clean_line(name_or_path)}” is neither an inference template nor a folder.",
        fix=f"Templates are {names}; a folder must hold an {PROGRAM}.",
    )


def read_template(folder: Path) -> InferenceTemplate:
    """Return the template in `folder`.

    Raises:
        UsageError: it has no `inference.py`, or its description or a file of it cannot be read.
    """
    if not (folder / PROGRAM).is_file():  # before all else in it is read
        raise UsageError(
            f"The folder {folder} is no inference template: it has no {PROGRAM}.",
            fix=f"Write an {PROGRAM} with model_fn, input_fn, predict_fn and output_fn into it.",
        )
    try:
        files = tuple(_read_files(folder))
        described = (
            tomllib.loads((folder / _DESCRIPTION).read_text("utf-8")) if (folder / _DESCRIPTION).exists() else {}
        )
    except (OSError, ValueError) as error:
        raise UsageError(f"The inference template in {folder} cannot be read: {clean_line(str(error))}.") from error
    return _from_description(folder, files, described)


def _from_description(folder: Path, files: tuple[TemplateFile, ...], data: Mapping[str, Any]) -> InferenceTemplate:
    def words(key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        found = data.get(key, list(default))
        if not isinstance(found, list) or not all(isinstance(word, str) for word in found):
            raise UsageError(f"In {folder / _DESCRIPTION}, `{key}` must be a list of texts.")
        return tuple(found)

    sample = data.get("sample", {})
    if not isinstance(sample, dict):
        raise UsageError(f"In {folder / _DESCRIPTION}, `sample` must be a table.")
    json_only = ("application/json",)
    return InferenceTemplate(
        name=clean_line(str(data.get("name", folder.name))),
        title=clean_line(str(data.get("title", "An inference template of your own"))),
        folder=folder,
        files=files,
        sha256=_digest(files),
        tasks=words("tasks"),
        libraries=words("libraries"),
        content_types=words("content_types", json_only),
        answer_types=words("answer_types", json_only),
        dialects=words("dialects"),
        streams=data.get("streams") is True,
        sample_request=str(sample.get("request", "")),
        sample_content_type=str(sample.get("content_type", "application/json")),
        sample_answer=str(sample.get("answer", "")),
    )


def _read_files(folder: Path) -> list[TemplateFile]:
    found = []
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if parts[0] in _STAYS_BEHIND or any(part.startswith(".") or part == "__pycache__" for part in parts):
            continue
        if not path.is_file():
            continue
        if path.stat().st_size > _LARGEST_FILE:
            raise ValueError(f"{path.name} is larger than 5 MB; weights belong to the model, not to its code")
        found.append(TemplateFile("/".join(parts), path.read_bytes()))
    return found


def _digest(files: tuple[TemplateFile, ...]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{hashlib.sha256(file.content).hexdigest()}  {file.path}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
