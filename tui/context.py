"""What the command line says about a session, before anything of it is opened."""

from dataclasses import dataclass

from core.own_commands import own_command


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

    def command(self, *words: str) -> str:
        """Return the command line that goes on in the same account: `sagewizard --sandbox chat NAME`."""
        return own_command(*words, sandbox=self.sandbox, profile=self.profile, region=self.region)
