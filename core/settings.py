"""Which value counts when several places give one: option > environment > plan file > config file > default.

The environment variable of a setting is `SAGEWIZARD_` and its name in capitals; region and profile also have AWS's own.
The config file is TOML, its keys the settings' names.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from core.errors import UsageError
from core.folders import config_file

ENVIRONMENT_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "region": ("SAGEWIZARD_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"),
    "profile": ("SAGEWIZARD_PROFILE", "AWS_PROFILE"),
}
CONFIG_KEYS: Final[Mapping[str, type]] = {
    "sandbox": bool,
    "profile": str,
    "region": str,
    "instance_type": str,
    "instance_count": int,
    "role": str,
    "bucket": str,
    "kms_key": str,
    "context": int,
}
"""What the config file may set, and to what."""
_IN_WORDS: Final[Mapping[type, str]] = {bool: "true or false", str: "text in quotes", int: "a whole number"}


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and the place it came from: `option`, a variable's name, `plan`, `config file` or `default`."""

    name: str
    value: Any
    source: str


def load_config(path: Path | None = None) -> Mapping[str, Any]:
    """Return the settings in the config file, empty when there is no such file.

    Raises:
        UsageError: the file is no TOML, or has a key that is no setting, or a value of the wrong kind.
    """
    path = path or config_file()
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(
            f"The config file {path} cannot be read: {reason}.", fix="Correct it, or move it away."
        ) from error
    if unknown := sorted(set(found) - CONFIG_KEYS.keys()):
        raise UsageError(
            f"The config file {path} sets {', '.join(unknown)}, which sagewizard does not know.",
            fix=f"Keys are: {', '.join(sorted(CONFIG_KEYS))}.",
        )
    for name, value in found.items():
        wanted = CONFIG_KEYS[name]
        if type(value) is not wanted:  # not `isinstance`: a truth value is an `int` too
            raise UsageError(
                f"The config file {path} sets {name} to {value!r}, which is not {_IN_WORDS[wanted]}.", fix="Correct it."
            )
    return found


def resolve(
    name: str,
    *,
    option: Any = None,
    plan: Any = None,
    default: Any = None,
    config: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Setting:
    """Return the value of the setting `name` that counts, with its source; `None` means a place says nothing.

    Raises:
        UsageError: the config file cannot be read.
    """
    if option is not None:
        return Setting(name, option, "option")
    environment = os.environ if environment is None else environment
    for variable in ENVIRONMENT_NAMES.get(name, (f"SAGEWIZARD_{name.upper()}",)):
        if text := environment.get(variable):
            return Setting(name, text, variable)
    if plan is not None:
        return Setting(name, plan, "plan")
    config = load_config() if config is None else config
    if (value := config.get(name)) is not None:
        return Setting(name, value, "config file")
    return Setting(name, default, "default")


def is_true(setting: str, value: object) -> bool:
    """Return whether the value of `setting` means yes; what means neither is not taken for no.

    Raises:
        UsageError: it is none of `1`, `true`, `yes`, `on`, `0`, `false`, `no`, `off`, in any case.
    """
    text = str(value).strip().lower()
    if text in {"1", "true", "yes", "on"}:
        return True
    if text in {"0", "false", "no", "off"}:
        return False
    raise UsageError(f"The setting {setting} must be yes or no, not “{value}”.", fix="Set it to 1 or 0.")
