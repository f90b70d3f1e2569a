"""Code that a model brings with it: which files it is, and what of it lies in other repositories.

transformers imports the module that `auto_map` names, and what that module imports relatively; an entry of the form
`owner/name--module.Class` takes the module from another repository. As `transformers.dynamic_module_utils` has it, such
a module is one file, and what it imports relatively lies beside it: `from .sub.helper import x` is looked for as
`sub.helper.py` and not found. So other folders' code is never imported.

A tokenizer and a processor have an `auto_map` of their own, in configs that inspection does not read; that their code
is there is seen by the names that transformers' own modules have.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.external_text import clean_line
from core.models.layout import kind_of

_OF_TOKENIZERS: Final = re.compile(
    r"(?:tokenization|processing|image_processing|video_processing|feature_extraction)_\w+\.py", re.ASCII
)


@dataclass(frozen=True, slots=True)
class RemoteCode:
    """Code that loading the model would run, if it were allowed to.

    `files` are the Python files at the model's top, and those beside a module that is named in a folder; any of them
    may be imported by another. `elsewhere` are other repositories that code is taken from: it would have to be fetched
    when the endpoint starts. `missing` are modules that are named and not there. `named` is false where the model's
    config names none of it, so that only a tokenizer or a processor may ask for it.
    """

    files: tuple[str, ...]
    elsewhere: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    named: bool = True


def remote_code_of(config: Mapping[str, Any], paths: Collection[str]) -> RemoteCode | None:
    """Return the code that loading a model may run, by its config and its files; `None` when there is none."""
    named = sorted(set(_named(config.get("auto_map"))))
    if not named:
        return _of_a_tokenizer(paths)
    wanted = [f"{entry.rsplit('.', 1)[0]}.py" for entry in named if "--" not in entry]
    return RemoteCode(
        files=_beside({"", *(path.rpartition("/")[0] for path in wanted)}, paths),
        elsewhere=tuple(sorted({clean_line(entry.split("--", 1)[0])[:100] for entry in named if "--" in entry})),
        missing=tuple(sorted({clean_line(path)[:100] for path in wanted if path not in paths})),
    )


def _of_a_tokenizer(paths: Collection[str]) -> RemoteCode | None:
    if kind_of(paths) in {"diffusers", "gguf"} or not any(_OF_TOKENIZERS.fullmatch(path) for path in paths):
        return None
    return RemoteCode(files=_beside({""}, paths), named=False)


def _beside(folders: Collection[str], paths: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted(path for path in paths if path.endswith(".py") and path.rpartition("/")[0] in folders))


def _named(auto_map: object) -> Iterator[str]:
    """Yield the entries of an `auto_map`: each a text, or for tokenizers a list of a slow and a fast one."""
    for value in auto_map.values() if isinstance(auto_map, dict) else ():
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(entry, str) and entry:
                yield entry
