"""The program's own command lines, as a person is told them."""

import shlex


def own_command(*words: str, sandbox: bool = False, profile: str | None = None, region: str | None = None) -> str:
    """Return the command line that does `words` in an account: `sagewizard --sandbox chat NAME`."""
    same = ["--sandbox"] if sandbox else []
    for option, value in (("--profile", profile), ("--region", region)):
        if value:
            same += [option, value]
    return shlex.join(["sagewizard", *same, *words])
