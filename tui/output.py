"""What the commands write: data on stdout, everything else on stderr."""

import json
import os
import sys
from typing import Any, Final, TextIO

import click

from core.errors import SagewizardError
from core.external_text import clean, clean_line

UNEXPECTED_FIX: Final = "Run it again with --debug to see where, and please report it."


def message(text: str) -> None:
    """Write a line for the person to stderr; a terminal that went away is no reason to stop."""
    try:
        click.echo(clean(text), err=True)
    except (OSError, ValueError):
        return


def data(text: str) -> None:
    """Write a line of the result to stdout."""
    click.echo(clean(text))


def document(value: Any) -> None:
    """Write the result as one JSON document to stdout, in ASCII: it must be JSON whatever the locale is."""
    click.echo(json.dumps(value, indent=2))


def report(error: SagewizardError) -> None:
    """Tell a person what went wrong and what to do: `sagewizard: <message>`, then the fix."""
    message(f"sagewizard: {clean_line(error.message)}")
    if error.fix:
        message(f"  {clean_line(error.fix)}")


def colours(stream: TextIO | None = None) -> bool:
    """Return whether colours may be written to `stream` (stdout): it is a terminal and `NO_COLOR` is not set."""
    stream = stream or sys.stdout
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def styled(text: str, stream: TextIO | None = None, **style: Any) -> str:
    """Return `text` in a style of `click.style`, or as it is where colours may not be written."""
    return click.style(text, **style) if colours(stream) else text
