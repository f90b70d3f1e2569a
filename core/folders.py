"""Where the program keeps its files on this machine.

`SAGEWIZARD_HOME` puts everything under one folder (tests and portable installs do this); without it the platform's own
places are used. Folders are made readable by their owner only.
"""

import os
from pathlib import Path

from core.errors import SagewizardError

HOME_VARIABLE = "SAGEWIZARD_HOME"
_APP = "sagewizard"


def own_folder(path: Path) -> Path:
    """Return `path`, a folder for its owner only, made if need be.

    Raises:
        SagewizardError: it cannot be made.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SagewizardError(
            f"The folder {path}, where sagewizard keeps its files, cannot be made: {error.strerror}.",
            fix=f"Set {HOME_VARIABLE} to a folder you may write to.",
        ) from error
    return path


def data_folder() -> Path:
    """Return the folder of what must be kept: ledgers, plans, the sandbox's state."""
    if home := os.environ.get(HOME_VARIABLE):
        return own_folder(Path(home).expanduser().absolute() / "data")
    from platformdirs import user_data_path

    return own_folder(user_data_path(_APP, appauthor=False))


def cache_folder() -> Path:
    """Return the folder of what can be made again: staged archives, prices."""
    if home := os.environ.get(HOME_VARIABLE):
        return own_folder(Path(home).expanduser().absolute() / "cache")
    from platformdirs import user_cache_path

    return own_folder(user_cache_path(_APP, appauthor=False))


def config_file() -> Path:
    """Return the path of the person's settings (TOML); it need not exist."""
    if home := os.environ.get(HOME_VARIABLE):
        return Path(home).expanduser().absolute() / "config.toml"
    from platformdirs import user_config_path

    return user_config_path(_APP, appauthor=False) / "config.toml"
