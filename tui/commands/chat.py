"""`sagewizard chat`: a conversation with an endpoint."""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from core.cancellation import CancelToken
from core.errors import CancelledByUser, SagewizardError, UsageError
from tui.command_line import Command, endpoint_argument
from tui.interrupts import stopping_politely
from tui.output import document, message, report
from tui.session import Session, pass_session

if TYPE_CHECKING:
    from core.endpoints.conversation import Answer, Conversation

_STOPPING = "Stopping the answer."


@click.command(cls=Command)
@endpoint_argument
@click.option("--message", "-m", "messages", multiple=True, metavar="TEXT", help="Say this; repeatable.")
@pass_session
def chat(session: Session, name: str, messages: tuple[str, ...]) -> None:
    """Talk to the endpoint NAME. With -m it answers each message in turn, in one conversation.

    Without -m it asks for messages in a terminal (Ctrl+C stops an answer, Ctrl+D ends), and takes each line of stdin
    as one elsewhere.
    """
    if not messages and session.json and sys.stdin.isatty():
        raise UsageError("--json needs something to say.", fix="Give it with -m, or on stdin.")
    conversation = _conversation(session, name)
    if not messages and session.may_ask:
        _talk(conversation, name)
        return
    said = messages or (line for line in map(str.strip, sys.stdin) if line)
    answers = list(_answers(session, conversation, said))
    if session.json:
        shown = [{"text": each.text, "seconds": each.seconds, "streamed": each.streamed} for each in answers]
        document({"endpoint": name, "answers": shown})


def _conversation(session: Session, name: str) -> "Conversation":
    from core.endpoints.conversation import Conversation
    from core.endpoints.desk import show_endpoint
    from core.endpoints.dialects import dialect_of

    account = session.account()
    return Conversation(account, name, dialect_of(show_endpoint(account, name, metrics_hours=None)))


def _answers(session: Session, conversation: "Conversation", said: Iterable[str]) -> "Iterator[Answer]":
    for text in said:
        with stopping_politely(session.cancel, notice=_STOPPING):
            yield _one(conversation, text, session.cancel, _nothing if session.json else _write)


def _talk(conversation: "Conversation", name: str) -> None:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.output import create_output

    asking: PromptSession[str] = PromptSession(output=create_output(stdout=sys.stderr))
    message(f"Talking to {name}. Ctrl+C stops an answer, Ctrl+D ends.")
    while True:
        try:
            text = asking.prompt("> ").strip()
        except EOFError:
            return
        if not text:
            continue
        cancel = CancelToken()
        try:
            with stopping_politely(cancel, notice=_STOPPING):
                _one(conversation, text, cancel, _write)
        except CancelledByUser:
            _write("\n")
        except SagewizardError as error:
            report(error)


def _one(conversation: "Conversation", text: str, cancel: CancelToken, write: Callable[[str], Any]) -> "Answer":
    answer = conversation.ask(text, cancel=cancel, on_text=write)
    if not answer.text.endswith("\n"):
        write("\n")
    if answer.forgotten:
        message(f"(The model holds no more: what was asked first is forgotten; {answer.forgotten} left out.)")
    return answer


def _write(text: str) -> None:
    click.echo(text, nl=False)


def _nothing(_text: str) -> None:
    """Leave stdout to the document at the end."""
