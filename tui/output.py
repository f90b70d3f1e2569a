"""What the commands write: data on stdout, everything else on stderr."""

import json
import os
import sys
from contextlib import suppress
from io import BufferedWriter, FileIO, RawIOBase, TextIOWrapper
from typing import Any, Final, TextIO

import click

from core.errors import SagewizardError
from core.external_text import clean, clean_line

UNEXPECTED_FIX: Final = "Run it again with --debug to see where, and please report it."


class OutputError(OSError):
    """Stdout cannot be written: its disk is full, say. A reader that went away is a `BrokenPipeError`, as ever."""


def unwritable(error: OutputError) -> SagewizardError:
    """Return what to tell a person whose output is lost."""
    return SagewizardError(
        f"The output could not be written: {error.strerror}.", fix="Make room where it goes to, or send it elsewhere."
    )


def prepare_streams() -> None:
    """Make stdin, stdout and stderr fit for all that follows: there, and stdout's failures told from other files'."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout = _guarded(sys.stdout)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # Closed by whoever started us (`2>&-`). This takes its number, the lowest that is free: a file or a socket
            # that took it later would get what is written to stderr.
            descriptor = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(descriptor, True)
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8"))


def let_go(stream: TextIO) -> None:
    """Send what is left for a stream that cannot be written nowhere, or Python complains of it while it ends."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


class _Stdout(FileIO):
    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(error.errno, error.strerror) from error


def _guarded(stdout: TextIOWrapper) -> TextIOWrapper:
    raw = _Stdout(stdout.fileno(), "wb", closefd=False)
    unbuffered = isinstance(stdout.buffer, RawIOBase)  # python -u
    return TextIOWrapper(
        raw if unbuffered else BufferedWriter(raw),
        encoding=stdout.encoding,
        errors="backslashreplace",  # a letter that its encoding lacks is no reason to fail
        line_buffering=stdout.line_buffering,
        write_through=stdout.write_through,
    )


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
