"""`sagewizard demo`: the whole way in the sandbox, with the bundled model, leaving nothing behind."""

from typing import TYPE_CHECKING

import click

from tui.command_line import Command
from tui.output import data, message
from tui.progress import shown_run
from tui.session import Session, pass_session

if TYPE_CHECKING:
    from core.endpoints.conversation import Answer


@click.command(cls=Command)
@pass_session
def demo(session: Session) -> None:
    """Deploy the bundled model in the sandbox, ask it three questions, and delete all that was made.

    Needs neither an AWS account nor the network. With --json each event is a line of JSON on stdout; each question
    with its answer is an event of the stage `ready` and the kind `log`.
    """
    from core.demo import run_demo

    session.stream_events()
    account = session.account(sandbox=True)
    write = message if session.json else data

    def say(question: str, answer: "Answer") -> None:
        if session.events:
            session.events.tell("ready", f"{question}\n{answer.text.strip()}")
        write(f"\n{question}\n  {answer.text.strip()}")

    with shown_run(session) as emit:
        run_demo(account, session.hub(), emit=emit, say=say, cancel=session.cancel)
    if not session.json:
        data("\nThe endpoint and all that was made for it are gone again.")
