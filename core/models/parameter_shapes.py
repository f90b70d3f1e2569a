"""What formulas of parameters have in common: reading a config's numbers, and the size of one linear layer."""

from collections.abc import Mapping
from typing import Any, Final

from core.models.config_reading import whole_number

MOST_LAYERS: Final = 10_000

Config = Mapping[str, Any]
"""A config.json as `core.models.model_types.language_config` returns it."""
Flag = bool | str
"""Whether a family has something: always, never, or as the config's field of that name says."""


class UntoldError(Exception):
    """The config does not tell what a formula needs, or says something that the formula is not for."""


def number(config: Config, *names: str) -> int:
    """Return the first of the fields that holds a whole number above 0.

    Raises:
        UntoldError: none does.
    """
    found = whole_number(config, *names)
    if found is None:
        raise UntoldError(names[0])
    return found


def number_or_none(config: Config, name: str) -> int:
    """Return a field that may be 0, absent or null, each of which is 0."""
    return whole_number(config, name) or 0


def depth(config: Config, name: str = "num_hidden_layers") -> int:
    """Return a number of layers.

    Raises:
        UntoldError: it is not told, or is more than any model has.
    """
    layers = number(config, name)
    if layers > MOST_LAYERS:
        raise UntoldError(name)
    return layers


def holds(config: Config, flag: Flag) -> bool:
    """Whether a family's flag holds for this config."""
    return config.get(flag) is True if isinstance(flag, str) else flag


def linear(inputs: int, outputs: int, *, bias: bool = True) -> int:
    """Return the parameters of a linear layer."""
    return inputs * outputs + (outputs if bias else 0)


def head_size(config: Config) -> int:
    """Return the size of one attention head.

    Raises:
        UntoldError: the config does not tell it, and the heads do not divide the width.
    """
    stated = whole_number(config, "head_dim")
    if stated is not None:
        return stated
    hidden, heads = number(config, "hidden_size"), number(config, "num_attention_heads")
    if hidden % heads:
        raise UntoldError("head_dim")
    return hidden // heads


def label_count(config: Config, default: int = 2) -> int:
    """Return how many classes a classifier tells apart; `default` is that of the model's class in transformers."""
    labels = config.get("id2label")
    if isinstance(labels, dict) and labels:
        return len(labels)
    return whole_number(config, "num_labels") or default
