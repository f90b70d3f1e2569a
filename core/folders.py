"""Where the program keeps its files on this machine.

`SAGEWIZARD_HOME` puts everything under one folder (tests and portable installs do this); without it the platform's own
places are used. Folders are made readable by their owner only.
"""

import os
from pathlib import Path

HOME_VARIABLE = "SAGEWIZARD_HOME"
_APP = "sagewizard"


def _own(path: Path) -> Path:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def data_folder() -> Path:
    """Return the folder of what must be kept: ledgers, plans, the sandbox's state."""
    if home := os.environ.get(HOME_VARIABLE):
        return _own(Path(home).expanduser().absolute() / "data")
    from platformdirs import user_data_path

    return _own(user_data_path(_APP, appauthor=False))


def cache_folder() -> Path:
    """Return the folder of what can be made again: staged archives, prices."""
    if home := os.environ.get(HOME_VARIABLE):
        return _own(Path(home).expanduser().absolute() / "cache")
    from platformdirs import user_cache_path

    return _own(user_cache_path(_APP, appauthor=False))


def config_file() -> Path:
    """Return the path of the person's settings (TOML); it need not exist."""
    if home := os.environ.get(HOME_VARIABLE):
        return Path(home).expanduser().absolute() / "config.toml"
    from platformdirs import user_config_path

    return user_config_path(_APP, appauthor=False) / "config.toml"
