"""Types of command-line arguments, checked before a command starts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import click

from mooq.basics.address import Address, check_host, parse_address
from mooq.client.recovery import check_timeout


def address(text: str) -> Address:
    """Parse ``amqp://user:password@host:port/virtual_host``, or a part of it."""
    try:
        return parse_address(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def host(text: str) -> str:
    """Parse the host to listen on."""
    try:
        return check_host(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def virtual_host(text: str) -> str:
    """Parse the name of a virtual host."""
    try:
        return Address(virtual_host=text).virtual_host
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def user(text: str) -> tuple[str, str]:
    """Parse NAME:PASSWORD; the password may contain colons."""
    name, colon, password = text.partition(":")
    if not colon:
        raise click.BadParameter("must be NAME:PASSWORD")
    try:
        checked = Address(username=name, password=password)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return checked.username, checked.password


def seconds(text: str) -> float:
    """Parse a positive number of seconds."""
    try:
        number = check_timeout(float(text))
    except ValueError:
        number = math.inf
    if math.isinf(number):
        raise click.BadParameter(f"must be a positive number of seconds, not {text!r}")
    return number


Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]

timeout_option: Decorator = click.option(
    "--timeout", type=seconds, default=60.0, show_default=True, help="The time limit in seconds."
)
json_option: Decorator = click.option(
    "--json", "as_json", is_flag=True, help="Print the result as JSON."
)
