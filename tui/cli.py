"""The program `sagewizard`: its commands, and what any of them does with an error."""

import json
import os
import sys
from contextlib import suppress
from typing import Final, NoReturn

import click

from core.errors import SagewizardError, UsageError
from tui.command_line import HELP_NAMES, LazyGroup
from tui.interrupts import INTERRUPTED, end_on_sigterm
from tui.output import UNEXPECTED_FIX, OutputError, let_go, message, prepare_streams, report, unwritable
from tui.session import Session, pass_session

COMMANDS: Final = {
    "demo": "Deploy the bundled model in the sandbox, ask it three questions, delete it all.",
    "search": "Look for models on the Hub.",
    "fit": "Show which instance types a model fits on, and what they cost.",
    "plan": "Decide everything about a deployment and write it down; change nothing.",
    "package": "Build the artifact that SageMaker serves, on this machine.",
    "deploy": "Take a model, or a plan, to an endpoint in service.",
    "resume": "Go on with a deployment that was interrupted.",
    "rollback": "Remove what an interrupted deployment made.",
    "deployments": "List the deployments this machine made, and what is left of them.",
    "endpoints": "List, inspect, follow and delete endpoints.",
    "chat": "Talk to an endpoint.",
    "invoke": "Send one raw request to an endpoint.",
    "sandbox": "Start, stop and look at the local stand-in for an AWS account.",
}


@click.group(cls=LazyGroup, listing=COMMANDS, invoke_without_command=True, context_settings=HELP_NAMES)
@click.option("--readonly", is_flag=True, help="Open the full-screen program without the keys that change anything.")
@pass_session
@click.pass_context
def sagewizard(context: click.Context, session: Session, readonly: bool) -> None:
    """Take a Hugging Face model to a chat on your own SageMaker endpoint, and back to nothing.

    Without a command it opens the full-screen program. `sagewizard --sandbox` tries everything on this machine,
    without an AWS account.
    """
    if context.invoked_subcommand is None:
        context.exit(_open_screens(session, readonly=readonly))
    if readonly:
        raise UsageError(
            "--readonly is for the full-screen program alone.", fix="Leave it out, or leave the command out."
        )


def _open_screens(session: Session, *, readonly: bool) -> int:
    if session.json or not session.may_ask or os.environ.get("TERM") == "dumb":
        raise UsageError(
            "The full-screen program needs a terminal.",
            fix="Name a command: `sagewizard --help` lists them, and `sagewizard demo` shows the whole of it.",
        )
    from tui.app import run_app
    from tui.context import AppContext

    return run_app(
        AppContext(
            sandbox=session.sandbox,
            profile=session.setting("profile", option=session.options.profile),
            region=session.setting("region", option=session.options.region),
            debug=session.debug,
            readonly=readonly,
        )
    )


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code; nothing is raised, and no trace is shown without `--debug`."""
    session = Session()
    try:
        result = sagewizard.main(arguments, prog_name="sagewizard", obj=session, standalone_mode=False)
        sys.stdout.flush()
    except SagewizardError as error:
        return _failed(session, error)
    except click.UsageError as error:
        _show(error)
        session.options.json = session.json or "--json" in arguments  # it may stand behind what cannot be parsed
        return _answered(session, error.format_message(), "See the command's --help.", 2)
    except click.ClickException as error:
        _show(error)
        return _answered(session, error.format_message(), "", error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return _interrupted(session)
    except BrokenPipeError:
        let_go(sys.stdout)
        return 1
    except OutputError as error:
        let_go(sys.stdout)
        report(unwritable(error))
        _trace(session, error)
        return 1
    except Exception as error:  # noqa: BLE001 - the last line of defence: one sentence instead of a trace
        return _unexpected(session, error)
    return result if isinstance(result, int) else 0


def _failed(session: Session, error: SagewizardError) -> int:
    report(error)
    _trace(session, error)
    return _answered(session, error.message, error.fix, error.exit_code)


def _unexpected(session: Session, error: Exception) -> int:
    from core.external_text import clean_line

    text = f"Something unexpected happened: {type(error).__name__}: {clean_line(str(error))}"
    report(SagewizardError(text, fix=UNEXPECTED_FIX))
    _trace(session, error)
    return _answered(session, text, UNEXPECTED_FIX, 1)


def _interrupted(session: Session) -> int:
    message("sagewizard: Stopped.")
    return _answered(session, "Stopped.", "", INTERRUPTED)


def _answered(session: Session, text: str, fix: str, code: int) -> int:
    try:
        if session.events:
            session.events.end_with(SagewizardError(text, fix=fix))
        elif session.json:
            click.echo(json.dumps({"error": {"message": text, "fix": fix, "code": code}}))
    except (BrokenPipeError, OutputError):
        let_go(sys.stdout)  # stderr has told why the program ends
    return code


def _trace(session: Session, error: BaseException) -> None:
    if session.debug:
        import traceback

        from core.external_text import clean

        message(clean("".join(traceback.format_exception(error))))


def _show(error: click.ClickException) -> None:
    with suppress(OSError):
        error.show()


def main() -> NoReturn:
    """Run the program with the arguments of this process, and end it."""
    prepare_streams()
    end_on_sigterm()
    code = run(sys.argv[1:])
    if code == INTERRUPTED:
        # Threads that upload or wait would keep the process alive until they notice; a person asked it to end.
        with suppress(OSError):
            sys.stderr.flush()
        os._exit(code)
    try:
        sys.stderr.flush()
    except OSError:
        let_go(sys.stderr)
    sys.exit(code)
