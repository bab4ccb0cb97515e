"""The list of commands. Each is loaded only when it is used, so that `mooq wait` starts fast."""

from __future__ import annotations

from importlib import import_module

import click

from mooq.basics.address import mask

COMMANDS = ("up", "wait", "status", "down", "serve", "demo", "parity")
"""The modules in this package that define a command of the same name."""


class Commands(click.Group):
    """The commands of :data:`COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the order of the help text."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Return the command with this name, or None."""
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"mooq.cli.{name}"), name)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; keep passwords out of errors about arguments."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise click.UsageError(mask(error.format_message()), error.ctx) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mooq", message="%(prog)s %(version)s")
def mooq() -> None:
    """Start, await and stop a RabbitMQ for development and tests."""
