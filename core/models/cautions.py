"""What a person should know of a model before deploying it, in sentences."""

from collections.abc import Collection
from typing import Final

from core.external_text import clean_line
from core.models import layout
from core.models.facts import ModelFacts
from core.models.memory import cache_of
from core.models.model_types import model_types
from core.models.packaged_files import listed
from core.models.tasks import generates
from core.models.weight_set import packaged_pickles

_MOST_NAMED: Final = 5
_VERDICTS: Final = {
    "safe": "the Hub's scans found nothing in them",
    "doubtful": "the Hub's scans are not sure of them",
    "unsafe": "the Hub's scans call some of them unsafe",
    "pending": "the Hub's scans are not through yet",
}


def cautions_about(facts: ModelFacts, *, faulty: Collection[str] = ()) -> tuple[str, ...]:
    """Return the warnings that a model's files and config give cause for.

    `faulty` are the files that the Hub's scans found fault with.
    """
    found: list[str] = []
    paths = {file.path for file in facts.files}
    only, pickles = _pickles_only(facts, paths), packaged_pickles(facts)
    if only or pickles:
        which = "The weights are there as pickle files (.bin) only"
        if not only:
            which = f"Some of the weights are there as pickle files only ({listed(list(pickles))})"
        verdict = f"; {_VERDICTS[facts.scan]}" if facts.scan else ""
        found.append(f"{which}: they can hold code, and load only with weights_only=True{verdict}. {_remedy(facts)}")
    if faulty:
        shown = ", ".join(clean_line(path)[:200] for path in sorted(faulty)[:_MOST_NAMED])
        more = f" and {len(faulty) - _MOST_NAMED} more" if len(faulty) > _MOST_NAMED else ""
        found.append(f"The Hub's scans found fault with {shown}{more}.")
    found += _of_code(facts)
    if "code/inference.py" in paths:
        found.append(
            "The model brings a handler of its own, code/inference.py: the template's takes its place, unless that "
            "folder is given as the template."
        )
    if facts.pipeline is not None and facts.pipeline.code:
        found.append(
            f"The pipeline names code of its own ({listed(list(facts.pipeline.code))}), which is not run: "
            "it may not load without it."
        )
    if facts.gated:
        found.append("The model is gated: its licence was agreed to for this token, and binds what is deployed.")
    if generates(facts) and cache_of(facts) is None:
        found.append("Its config does not tell what cache it keeps: what is said to fit leaves that out.")
    if facts.kind == "transformers" and not layout.has_tokenizer(paths):
        found.append("There is no tokenizer or processor among the files; the model may not load without one.")
    return tuple(found)


def _pickles_only(facts: ModelFacts, paths: Collection[str]) -> bool:
    """Return whether all weights are there as pickle files only, be they usable or not."""
    match facts.kind:
        case "peft":
            return "adapter_model.bin" in paths and "adapter_model.safetensors" not in paths
        case "diffusers":
            names = [name for path in paths if (name := layout.weight_name(path.rsplit("/", 1)[-1])) and "/" in path]
            return bool(names) and all(name.format == "pytorch" for name in names)
        case _:
            files = layout.available_format(paths)
            return files is not None and files.format == "pytorch"


def _remedy(facts: ModelFacts) -> str:
    if facts.kind == "peft":  # adapters are not packaged
        return "Prefer a model with safetensors."
    return "Prefer a model with safetensors, or turn them into safetensors while packaging (--convert-weights)."


def _of_code(facts: ModelFacts) -> list[str]:
    code = facts.remote_code
    if code is None:
        return []
    if code.elsewhere:
        where = ", ".join(code.elsewhere[:_MOST_NAMED])
        told = f"The model takes code from another repository ({where}, by auto_map), which is neither packaged nor run"
        return [f"{told}: it may not load without it."]
    if not code.named:  # only the names of files suggest it
        return [
            "Files of the model's own code may be wanted when it loads; --trust-remote-code packages and runs them."
        ]
    known = facts.model_type is not None and facts.model_type in model_types()
    needed = (
        f"transformers knows {clean_line(facts.model_type or '')[:60]} by itself, so that it is hardly needed."
        if known
        else "it may not load without it."
    )
    told = "The model brings code of its own (auto_map), which is not run unless --trust-remote-code is given"
    return [f"{told}: {needed}"]
