"""`sagewizard invoke`: one raw request to an endpoint, its raw answer on stdout."""

import base64
import sys
from typing import Any, BinaryIO

import click

from core.errors import UsageError
from tui.command_line import Command, endpoint_argument
from tui.output import document
from tui.session import Session, pass_session


@click.command(cls=Command)
@endpoint_argument
@click.option("--input", "-i", "source", type=click.File("rb"), metavar="FILE|-", help="The body. [stdin]")
@click.option("--content-type", default="application/json", metavar="TYPE", help="What the body is. [application/json]")
@click.option("--accept", metavar="TYPE", help="What to answer in. [as the container likes]")
@click.option("--target-variant", metavar="NAME", help="Ask this variant of the endpoint.")
@click.option("--stream", is_flag=True, help="Ask for the answer in parts, and write each as it comes.")
@pass_session
def invoke(
    session: Session,
    /,
    name: str,
    source: BinaryIO | None,
    stream: bool,
    **options: Any,
) -> None:
    """Send one request to the endpoint NAME as it is, and write the answer's bytes to stdout."""
    from core.endpoints.invocation import invoke as invoke_endpoint
    from core.endpoints.invocation import invoke_stream

    if source is None and sys.stdin.isatty():
        raise UsageError("There is nothing to send.", fix="Name a file with --input, or pipe the body to stdin.")
    if stream and session.json:
        raise UsageError("--stream writes the answer as it is, which --json does not.", fix="Leave one of them out.")
    body = (source or sys.stdin.buffer).read()
    account = session.account()
    with session.politely():
        if stream:
            for part in invoke_stream(account, name, body, cancel=session.cancel, **options):
                sys.stdout.buffer.write(part)
                sys.stdout.buffer.flush()
            return
        result = invoke_endpoint(account, name, body, cancel=session.cancel, **options)
    if session.json:
        document(
            {
                "endpoint": name,
                "content_type": result.content_type,
                "variant": result.variant,
                "seconds": result.seconds,
                **_as_json(result.body),
            }
        )
    else:
        sys.stdout.buffer.write(result.body)
        sys.stdout.buffer.flush()


def _as_json(body: bytes) -> dict[str, str]:
    try:
        return {"body": body.decode("utf-8")}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode("ascii")}
