"""What a person should know of a model before deploying it, in sentences."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from core.external_text import clean_line
from core.models import layout

_MOST_NAMED: Final = 5


def cautions_about(
    paths: Collection[str], config: Mapping[str, Any], *, faulty: Collection[str] = (), gated: str | None = None
) -> tuple[str, ...]:
    """Return the warnings that a model's file names and config give cause for.

    `faulty` are the files that the Hub's scans found fault with; `gated` is the Hub's word for how access is given.
    """
    found: list[str] = []
    files = layout.available_format(paths)
    if files is not None and files.format == "pytorch":
        found.append(
            "The weights are there as pickle files (.bin) only: they can hold code, and load only with "
            "weights_only=True. Prefer a model with safetensors."
        )
    if faulty:
        shown = ", ".join(clean_line(path)[:200] for path in sorted(faulty)[:_MOST_NAMED])
        more = f" and {len(faulty) - _MOST_NAMED} more" if len(faulty) > _MOST_NAMED else ""
        found.append(f"The Hub's scans found fault with {shown}{more}.")
    if isinstance(config.get("auto_map"), dict):
        found.append("The model brings code of its own (auto_map), which is not run: it may not load without it.")
    if "code/inference.py" in paths:
        found.append(
            "The model brings a handler of its own, code/inference.py: the template's takes its place, unless that "
            "folder is given as the template."
        )
    if gated:
        found.append("The model is gated: its licence was agreed to for this token, and binds what is deployed.")
    if layout.library_of(paths) == "transformers" and not layout.has_tokenizer(paths):
        found.append("There is no tokenizer or processor among the files; the model may not load without one.")
    return tuple(found)
