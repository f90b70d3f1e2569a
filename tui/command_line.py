"""The shape of every command: common options before or after its name, and modules loaded only when they are run."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import click

from tui.session import Session


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value is not None:
        setattr(context.ensure_object(Session).options, str(parameter.name), value)  # the one nearest to its end counts


def _version(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if not value or context.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version("sagewizard")
    except PackageNotFoundError:
        found = "unknown (not installed)"
    click.echo(f"sagewizard {found}")
    context.exit()


def _common_options() -> list[click.Option]:
    shared: dict[str, Any] = {"default": None, "expose_value": False, "callback": _remember}
    return [
        click.Option(
            ["--sandbox/--no-sandbox"],
            help="Work in the local stand-in for an AWS account. [SAGEWIZARD_SANDBOX=1]",
            **shared,
        ),
        click.Option(["--profile"], metavar="NAME", help="The AWS profile to use.", **shared),
        click.Option(["--region"], metavar="REGION", help="The AWS region to work in.", **shared),
        # Eager, that is, looked at before the command's own arguments: these say how an error in those is told.
        click.Option(["--json"], is_flag=True, is_eager=True, help="Write JSON to stdout.", **shared),
        click.Option(
            ["--debug"],
            is_flag=True,
            is_eager=True,
            help="Show where each setting came from, and the trace of an error.",
            **shared,
        ),
        click.Option(
            ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version."
        ),
    ]


def _endpoint_name(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    from core.deployments.names import check_endpoint_name
    from core.errors import UsageError

    try:
        return check_endpoint_name(value)
    except UsageError as error:  # its fix is for who gives a name, not for who looks one up
        raise UsageError(error.message, fix="`sagewizard endpoints` lists those that exist.") from error


endpoint_argument: Final = click.argument("name", callback=_endpoint_name)
"""Gives a command the name of an endpoint; AWS is not asked about one that no endpoint can have."""


COMMON: Final = tuple(_common_options())
HELP_NAMES: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class _Common(click.Command):
    """A command that takes the common options, and shows them under a heading of their own."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own parameters, then the common options."""
        return [*super().get_params(ctx), *COMMON]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options, then the common ones."""
        own: list[tuple[str, str]] = []
        common: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            if isinstance(parameter, click.Option) and (record := parameter.get_help_record(ctx)):
                (common if parameter in COMMON else own).append(record)
        for title, records in (("Options", own), ("Common options, before or after the command", common)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class Command(_Common):
    """A command of the program."""


class Group(_Common, click.Group):
    """A command with commands of its own."""

    command_class = Command
    group_class = type

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands first: they are what is looked for."""
        self.format_commands(ctx, formatter)
        super().format_options(ctx, formatter)


class LazyGroup(Group):
    """A group whose commands are modules of `tui.commands`, imported when one of them is run.

    `listing` maps each command's name to what the group's help says of it; module and function have that name.
    """

    def __init__(self, *arguments: Any, listing: Mapping[str, str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.listing = listing

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the names of the commands, in the order of the listing."""
        return list(self.listing)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, importing its module; `None` where there is no such command."""
        if cmd_name not in self.listing:
            return None
        found: click.Command = getattr(import_module(f"tui.commands.{cmd_name}"), cmd_name)
        return found

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the listing, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.listing.items()))
