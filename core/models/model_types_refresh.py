"""Makes the table of model types anew: `python -m core.models.model_types_refresh`.

What a `config.json` leaves out is the default of the class that transformers reads it with, and each class has its own
names for the same thing. Both are taken from the classes of the installed transformers. The same transformers makes the
same file.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from core.errors import NotFoundError, RefusedError, SagewizardError
from core.models.model_types import ALIASES, BOOLEANS, INTEGERS, LISTS, OF_THE_WHOLE, STATE_SIZE

DATA_FILE: Final = Path(__file__).parent / "data" / "model_types.json"
"""The file that `core.models.model_types` reads."""
_ABOUT: Final = (
    "Configuration classes of transformers by model_type. names: the class's own name of a field, by the common name. "
    "defaults: what a field is where a config.json is silent. part, part_type: where the language model is described, "
    "and of which model_type that part is. layers: the kinds of layers of a class that reckons them: the first ones, "
    "then a repeated row, then the last; or a row counted backwards from the last."
)
_LEAST_TYPES: Final = 100
_LONG: Final = 60
_SHORT: Final = 37
"""Depths at which a class is asked for its kinds of layers; no row of kinds fits into both by chance."""
_LONGEST_ROW: Final = 12
_LONGEST_HEAD: Final = 4

Row = dict[str, Any]
"""What the data file says of one model type."""


def data_document() -> Mapping[str, Any]:
    """Return what the data file holds for the installed transformers.

    Raises:
        NotFoundError: transformers is not installed.
        RefusedError: it has hardly any model types.
    """
    try:
        import transformers
        from transformers.models.auto.configuration_auto import CONFIG_MAPPING, CONFIG_MAPPING_NAMES
    except ImportError as error:
        raise NotFoundError("transformers is not installed.", fix="Install `sagewizard[sandbox]`.") from error
    transformers.logging.set_verbosity_error()
    types: dict[str, Row] = {}
    for name in CONFIG_MAPPING_NAMES:
        try:
            config_class = CONFIG_MAPPING[name]
        except ImportError:  # a class that needs another package
            continue
        types[name] = row_of(config_class)
        part_type = types[name].get("part_type")
        if part_type is not None and part_type not in CONFIG_MAPPING_NAMES:
            types[part_type] = row_of(type(_language_part(config_class())))
    if len(types) < _LEAST_TYPES:
        raise RefusedError(f"transformers has only {len(types)} model types; nothing is written.")
    return {
        "about": _ABOUT,
        "transformers": transformers.__version__,
        "types": {name: row for name, row in sorted(types.items()) if row},
    }


def row_of(config_class: type[Any]) -> Row:
    """Return what is worth knowing of a configuration class; empty for a class with nothing of interest."""
    fields = _fields(config_class)
    instance = _instance(config_class)
    names = _names(config_class, fields, instance)
    canonical = (*INTEGERS, *BOOLEANS, *LISTS)
    defaults = {}
    for name in canonical:
        # Some classes have a field and keep it under another name as well (`num_experts` of Qwen3-MoE).
        value = fields.get(name, fields.get(names.get(name, name)))
        if _worth(name, value):
            defaults[name] = value
    tied = getattr(instance, "tie_word_embeddings", None)
    if isinstance(tied, bool) and "tie_word_embeddings" not in defaults:
        defaults["tie_word_embeddings"] = tied
    if instance is not None and (path := _path(instance, _language_part(instance))):
        row = {"part": path, "part_type": type(_language_part(instance)).model_type}
        whole = {name: value for name, value in sorted(defaults.items()) if name in OF_THE_WHOLE}
        return {**row, "defaults": whole} if whole else row
    if "vocab_size" not in fields and "vocab_size" not in names:
        return {}  # it does not write
    # With `use_sliding_window` or `max_window_layers` it is those that tell, not the default.
    windowed = "sliding_window" in fields and not {"use_sliding_window", "max_window_layers"} & set(fields)
    row = {"names": names, "defaults": defaults, "layers": _layers(config_class, windowed=windowed)}
    return {name: value for name, value in row.items() if value}


def document_text(document: Mapping[str, Any]) -> str:
    """Return the data file's very text: JSON with one model type a line, so that a change is a line of a diff."""
    head = {name: value for name, value in document.items() if name != "types"}
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in head.items()]
    rows = [
        f"{json.dumps(name)}: {json.dumps(row, separators=(',', ':'), sort_keys=True)}"
        for name, row in document["types"].items()
    ]
    return "{\n" + ",\n".join([*lines, '"types": {\n' + ",\n".join(rows) + "\n}"]) + "\n}\n"


def _fields(config_class: type[Any]) -> Mapping[str, Any]:
    """Return the class's fields and their defaults, as written: what `__post_init__` makes of them is not the class's
    default but depends on the other fields."""
    from dataclasses import MISSING, fields

    found: dict[str, Any] = {}
    for field in fields(config_class):
        value = field.default
        if value is MISSING:
            value = field.default_factory() if field.default_factory is not MISSING else None
        found[field.name] = list(value) if isinstance(value, tuple) else value
    return found


def _worth(name: str, value: object) -> bool:
    if name in INTEGERS:
        return type(value) is int and value >= 0
    if name in BOOLEANS:
        return isinstance(value, bool) and (value or name in {"use_sliding_window", "tie_word_embeddings"})
    return isinstance(value, list) and bool(value) and all(isinstance(each, str | int) for each in value)


def _names(config_class: type[Any], fields: Mapping[str, Any], instance: Any) -> dict[str, str]:
    """Return the class's own names of the common names that it has no field for."""
    mapped = getattr(config_class, "attribute_map", {})
    names = {}
    for name in (*INTEGERS, *BOOLEANS, *LISTS):
        if name in mapped:
            names[name] = mapped[name]
        elif name not in fields:
            # State-space models have heads that attend to nothing.
            spellings = () if name == "num_attention_heads" and STATE_SIZE in fields else ALIASES.get(name, ())
            own = next((spelling for spelling in spellings if spelling in fields), None)
            # A class may reckon one from the other instead (LongCat has two layers in each of its `num_layers`).
            if own is not None and getattr(instance, name, None) in (None, getattr(instance, own, None)):
                names[name] = own
    return names


def _instance(config_class: type[Any], **settings: Any) -> Any:
    try:
        return config_class(**settings)
    except Exception:  # noqa: BLE001 - each of 800 classes refuses its own defaults, or this depth, in its own way
        return None


def _language_part(instance: Any) -> Any:
    try:
        return instance.get_text_config(decoder=True)
    except ValueError:  # several would do
        return instance


def _path(instance: Any, part: Any, depth: int = 3) -> list[str]:
    """Return the names that lead from a configuration to its part; empty where that is no part of it."""
    for name in getattr(type(instance), "sub_configs", {}):
        found = getattr(instance, name, None)
        if found is part:
            return [name]
        if depth and found is not None and (rest := _path(found, part, depth - 1)):
            return [name, *rest]
    return []


def _layers(config_class: type[Any], *, windowed: bool) -> dict[str, list[str]] | None:
    """Return how the class reckons the kinds of its layers, at any depth.

    `None` where it has no kinds, or one that goes without saying: all attend to everything, and could to nothing less
    (not `windowed`).
    """
    long, short = (_kinds(_instance(config_class, num_hidden_layers=depth)) for depth in (_LONG, _SHORT))
    if long is None or short is None or (len(long), len(short)) != (_LONG, _SHORT):
        return None
    if set(long) == {"full_attention"} and not windowed:
        return None
    if long[:_SHORT] == short:
        return _row_of_kinds(long)
    if long[-_SHORT:] == short:  # counted from the last layer
        found = _row_of_kinds(long[::-1])
        return {"backwards": found["row"]} if found is not None and set(found) == {"row"} else None
    if long[: _SHORT - 1] == short[:-1] and long[-1] == short[-1]:
        found = _row_of_kinds(long[:-1])
        return {**found, "last": [long[-1]]} if found is not None else None
    return None


def _row_of_kinds(kinds: Sequence[str]) -> dict[str, list[str]] | None:
    """Return the row that `kinds` repeat, and what comes first; `None` where they repeat none."""
    for head in range(_LONGEST_HEAD + 1):
        for size in range(1, _LONGEST_ROW + 1):
            if all(kinds[number] == kinds[number - size] for number in range(head + size, len(kinds))):
                row = list(kinds[head : head + size])
                return {"first": list(kinds[:head]), "row": row} if head else {"row": row}
    return None


def _kinds(instance: Any) -> Sequence[str] | None:
    for name in ("layer_types", "layers_block_type"):
        try:
            found = getattr(instance, name, None)
        except (TypeError, AttributeError):  # a property of a part that is not there
            continue
        if isinstance(found, list | tuple) and all(isinstance(each, str) for each in found):
            return list(found)
    return None


def main() -> int:
    """Write the data file; return the exit status."""
    try:
        document = data_document()
    except SagewizardError as error:
        sys.stderr.write(f"{error}\n{error.fix}\n" if error.fix else f"{error}\n")
        return error.exit_code
    DATA_FILE.write_text(document_text(document), encoding="utf-8")
    sys.stdout.write(f"{len(document['types'])} model types of transformers {document['transformers']}: {DATA_FILE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
