"""Requests checked against the service model that botocore ships: required members, types, lengths, ranges, enums.

The same model tells boto3 what to refuse; a service checks more of it, and says so in words of its own ("Constraint
traits", smithy.io, and the messages that AWS's JSON services answer with). Members that the model does not have are
dropped, as AWS does.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from core.sandbox.hosting.errors import ApiError, invalid

_CLASSES: Final = {r"\p{L}": r"\w", r"\p{N}": r"\d", r"\p{Z}": r"\s"}
"""Java's classes in Python's words. `\\w` also has digits and `_`: the model names those beside letters everywhere."""
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float, str),
    "list": (list,),
    "map": (dict,),
    "structure": (dict,),
}


def validate(shape: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request as botocore's `shape` has it: known members only, moments as `datetime`, no nulls.

    Raises:
        ApiError: SerializationException where a member has another type; ValidationException with all other faults.
    """
    faults: list[str] = []
    accepted: dict[str, Any] = _value(shape, dict(request), "", faults)
    if faults:
        many = f"{len(faults)} validation error{'s' if len(faults) > 1 else ''} detected: "
        raise invalid(many + "; ".join(faults))
    return accepted


def _value(shape: Any, value: Any, path: str, faults: list[str]) -> Any:
    kind: str = shape.type_name
    if not _has_type(value, kind):
        raise ApiError("SerializationException", f"{_said_type(value)} can not be converted to {_wanted_type(kind)}")
    faults += [
        f"Value {_shown(value)} at '{path}' failed to satisfy constraint: {fault}" for fault in _faults(shape, value)
    ]
    if kind == "structure":
        return _structure(shape, value, path, faults)
    if kind == "list":
        return [
            _value(shape.member, item, f"{path}.{index}.member", faults) for index, item in enumerate(value, start=1)
        ]
    if kind == "map":
        return _map(shape, value, path, faults)
    return _moment(value) if kind == "timestamp" else value


def _has_type(value: object, kind: str) -> bool:
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _structure(shape: Any, value: Mapping[str, Any], path: str, faults: list[str]) -> dict[str, Any]:
    accepted = {}
    for name, member in shape.members.items():
        inner = f"{path}.{name[0].lower()}{name[1:]}".lstrip(".")
        if value.get(name) is not None:
            accepted[name] = _value(member, value[name], inner, faults)
        elif name in shape.required_members:
            faults.append(f"Value null at '{inner}' failed to satisfy constraint: Member must not be null")
    return accepted


def _map(shape: Any, value: Mapping[str, Any], path: str, faults: list[str]) -> dict[str, Any]:
    """Entries are judged together: the message shows the whole map."""
    for part, told in ((shape.key, "Map keys"), (shape.value, "Map value")):
        entries = value.keys() if part is shape.key else value.values()
        wrong = {fault: None for entry in entries if isinstance(entry, str) for fault in _faults(part, entry)}
        if wrong:
            shown = "{" + ", ".join(f"{name}={entry}" for name, entry in value.items()) + "}"
            faults.append(
                f"Value '{shown}' at '{path}' failed to satisfy constraint: {told} must satisfy constraint: "
                f"[{', '.join(wrong)}]"
            )
    for entry in value.values():
        if not _has_type(entry, shape.value.type_name):
            raise ApiError(
                "SerializationException",
                f"{_said_type(entry)} can not be converted to {_wanted_type(shape.value.type_name)}",
            )
    return dict(value)


def _faults(shape: Any, value: Any) -> Iterator[str]:
    """Yield which constraints of its own shape a value breaks."""
    limits = shape.metadata
    if isinstance(value, str | list | dict) and shape.type_name != "timestamp":
        if len(value) < limits.get("min", 0):
            yield f"Member must have length greater than or equal to {limits['min']}"
        if len(value) > limits.get("max", len(value)):
            yield f"Member must have length less than or equal to {limits['max']}"
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if value < limits.get("min", value):
            yield f"Member must have value greater than or equal to {limits['min']}"
        if value > limits.get("max", value):
            yield f"Member must have value less than or equal to {limits['max']}"
    if isinstance(value, str):
        if (pattern := limits.get("pattern")) and not _compiled(pattern).fullmatch(value):
            yield f"Member must satisfy regular expression pattern: {pattern}"
        if (names := limits.get("enum")) and value not in names:
            yield f"Member must satisfy enum value set: [{', '.join(names)}]"


@cache
def _compiled(pattern: str) -> "re.Pattern[str]":
    """Compile a pattern of the model, which is written for Java."""
    for java, python in _CLASSES.items():
        pattern = pattern.replace(java, python)
    return re.compile(pattern, re.DOTALL)


def _moment(value: float | str) -> datetime:
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value)
            return found if found.tzinfo else found.replace(tzinfo=UTC)
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise ApiError("SerializationException", f"{value} is not a timestamp") from error


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return "'[" + ", ".join(str(item) for item in value) + "]'"
    return f"'{value}'"


def _said_type(value: object) -> str:
    names = {str: "STRING_VALUE", bool: "TRUE_VALUE", int: "NUMBER_VALUE", float: "DECIMAL_VALUE", list: "START_ARRAY"}
    return names.get(type(value), "START_OBJECT")


def _wanted_type(kind: str) -> str:
    names = {"string": "a String", "boolean": "a Boolean", "list": "a List", "map": "a Map", "structure": "an Object"}
    return names.get(kind, f"a {kind.capitalize()}")
