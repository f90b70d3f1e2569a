"""What the command line says about a session, before anything of it is opened."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AppContext:
    """Which account to work in, and how.

    `profile` and `region` are `None` where nothing was said. `readonly` turns off every key that changes anything.
    `debug` keeps the traces of errors in a file.
    """

    sandbox: bool
    profile: str | None
    region: str | None
    debug: bool
    readonly: bool = False
