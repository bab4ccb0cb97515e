"""The commands there are. Each is loaded when it is used: `mooq wait` is about starting fast."""

from __future__ import annotations

from importlib import import_module

import click

from mooq.basics.address import mask

COMMANDS = ("up", "wait", "status", "down", "serve", "demo", "parity")
"""Names of modules beside this one; each has the command under the same name."""


class Commands(click.Group):
    """The commands of :data:`COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the order that help has them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Return the command of this name; None when there is none."""
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"mooq.cli.{name}"), name)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; an error about an argument does not repeat a password in it."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise click.UsageError(mask(error.format_message()), error.ctx) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mooq", message="%(prog)s %(version)s")
def mooq() -> None:
    """Start, await and end a RabbitMQ for development and tests."""
