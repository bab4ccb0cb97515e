"""`mooq serve`: the in-memory broker, for any AMQP client."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
import time
from errno import EADDRNOTAVAIL
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from mooq.basics.address import HIGHEST_PORT, LOOPBACK, host_and_port
from mooq.broker.versions import DEFAULT, VERSIONS
from mooq.cli import parameters
from mooq.cli.parameters import json_option
from mooq.cli.runner import Failed, heeded_signals, run

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command
@click.option(
    "--host",
    type=parameters.host,
    default=LOOPBACK,
    show_default=True,
    help="Where to listen.",
)
@click.option(
    "--port",
    type=click.IntRange(0, HIGHEST_PORT),
    default=5672,
    show_default=True,
    help="0 chooses a free port.",
)
@click.option(
    "--virtual-host",
    "virtual_hosts",
    type=parameters.virtual_host,
    multiple=True,
    default=("/",),
    help="May be repeated.  [default: /]",
)
@click.option(
    "--user",
    "users",
    type=parameters.user,
    multiple=True,
    default=("guest:guest",),
    help="NAME:PASSWORD; may be repeated.  [default: guest:guest]",
)
@click.option(
    "--version",
    type=click.Choice(list(VERSIONS)),
    default=DEFAULT,
    show_default=True,
    help="The RabbitMQ version to follow.",
)
@click.option("--certificate", type=FILE, help="Listen for amqps with this certificate (PEM).")
@click.option("--key", type=FILE, help="The certificate's private key (PEM), if in another file.")
@click.option(
    "--keep-silent-clients",
    is_flag=True,
    help="Keep clients that send no heartbeats, such as one stopped at a breakpoint.",
)
@json_option
def serve(
    host: str,
    port: int,
    virtual_hosts: tuple[str, ...],
    users: tuple[tuple[str, str], ...],
    version: str,
    certificate: Path | None,
    key: Path | None,
    keep_silent_clients: bool,
    as_json: bool,
) -> None:
    """Run the in-memory broker for any AMQP client. It behaves like RabbitMQ.

    It prints its URL when it is ready, and runs until Ctrl-C, SIGTERM or SIGHUP. Then it closes its
    clients' connections and exits with status 0. All data is in memory and is lost at the end.
    """
    if key is not None and certificate is None:
        raise click.UsageError("--key requires --certificate")
    passwords = dict(users)
    if len(passwords) < len(users):
        raise click.BadParameter(
            "names a user twice; name each user once, with one password", param_hint="--user"
        )
    options = {
        "host": host,
        "port": port,
        "ssl": None if certificate is None else _tls(certificate, key),
        "enforces_heartbeats": not keep_silent_clients,
    }
    from mooq.server.busy_wait import event_loop  # not needed for --help

    run(_serve(passwords, virtual_hosts, version, as_json, options), event_loop)


def _tls(certificate: Path, key: Path | None) -> ssl.SSLContext:
    _check_pem(certificate, "CERTIFICATE", "certificate", "--certificate")
    if key is None:
        _check_pem(certificate, "PRIVATE KEY", "private key", "--certificate", "; pass its --key")
    else:
        _check_pem(key, "PRIVATE KEY", "private key", "--key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise click.BadParameter(
            f"cannot be loaded: {error}", param_hint="--certificate"
        ) from error
    return context


def _check_pem(file: Path, label: str, what: str, option: str, advice: str = "") -> None:
    """Refuse a file without such a PEM block, for which OpenSSL has no clear error."""
    try:
        text = file.read_bytes()
    except OSError as error:
        raise click.BadParameter(
            f"cannot read {file}: {error.strerror}", param_hint=option
        ) from error
    if not re.search(rf"^-----BEGIN [\w ]*{label}-----".encode(), text, re.MULTILINE):
        raise click.BadParameter(f"{file} contains no PEM {what}{advice}", param_hint=option)


async def _serve(
    users: dict[str, str],
    virtual_hosts: tuple[str, ...],
    version: str,
    as_json: bool,
    options: dict[str, Any],
) -> None:
    from mooq.broker.broker import Broker  # not needed for --help
    from mooq.server.listener import Listener

    stopped = _signalled()
    broker = Broker(
        users, virtual_hosts, version=version, now=time.monotonic(), time_of_day=_time_of_day
    )
    listener = Listener(broker, **options)
    try:
        await listener.start()
    except OSError as error:
        raise Failed(_not_listening(listener.host, listener.port, error)) from error
    _print(listener, users, virtual_hosts, version, as_json, options["ssl"] is not None)
    await stopped.wait()
    await listener.close()


def _not_listening(host: str, port: int, error: OSError) -> str:
    """Return the error for a host and port on which the command cannot listen."""
    # Python from 3.13 sets no number if the host is not an address of this machine.
    is_host_wrong = isinstance(error, socket.gaierror) or error.errno in (EADDRNOTAVAIL, None)
    advice = (
        "choose another --host: a name or address of this machine"
        if is_host_wrong
        else "choose another --port, or --port 0 for a free one"
    )
    return f"cannot listen on {host}, port {port}: {error.strerror or error}; {advice}"


def _signalled() -> asyncio.Event:
    """Return an event that is set by the signals that stop the command."""
    stopped = asyncio.Event()
    for number in heeded_signals():
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


def _print(
    listener: Any,
    users: dict[str, str],
    virtual_hosts: tuple[str, ...],
    version: str,
    as_json: bool,
    is_tls: bool,
) -> None:
    username, password = next(iter(users.items()))
    login = f"{quote(username, safe='')}:{quote(password, safe='')}"
    path = quote(virtual_hosts[0], safe="")
    where = host_and_port(listener.host, listener.port)
    url = f"amqp{'s' if is_tls else ''}://{login}@{where}/{path}"
    result = {"url": url, "host": listener.host, "port": listener.port, "version": version}
    click.echo(json.dumps(result) if as_json else url)
    click.echo(
        f"In-memory broker behaving like RabbitMQ {version}. Press Ctrl-C to stop it.", err=True
    )


def _time_of_day() -> int:
    return int(time.time())
