"""RabbitMQ as a process of the current user: a temporary node. Several can run side by side.

It shares nothing with a RabbitMQ of the machine: its node name, ports, cookie, data and log are its
own, in a temporary folder. It needs neither root nor epmd, Erlang's port mapper, which would
outlive it. RabbitMQ does not start epmd if the node's name is set on Erlang's command line
(rabbit_prelaunch_dist), and Erlang does not ask epmd if it is told the port.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from mooq.basics.address import Address
from mooq.errors import BrokerConnectionError
from mooq.launchers.cancellation import finish
from mooq.launchers.launcher import Launcher, last_lines, node_settings
from mooq.launchers.ports import LOOPBACK, check_free, free_port

# First the packages' own folders: the script that they put on PATH requires root.
SERVER_FOLDERS = "/usr/lib/rabbitmq/bin"
LONGEST_SHUTDOWN = 10.0  # seconds


class ProcessLauncher(Launcher):
    """A node of an installed rabbitmq-server, with one folder for everything that belongs to it."""

    def __init__(self, address: Address, management_port: int = 0) -> None:
        self._address = address
        self._management_port = management_port
        self._server = "rabbitmq-server"
        self._distribution_port = 0
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    async def prepare(self) -> None:
        await check_free(self._address)
        path = f"{SERVER_FOLDERS}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        server = shutil.which("rabbitmq-server", path=path)
        if server is None:
            raise BrokerConnectionError(
                "cannot start RabbitMQ: command 'rabbitmq-server' was not found; install RabbitMQ "
                "(on Debian and Ubuntu: apt-get install rabbitmq-server), or choose another "
                "launcher",
                transient=False,
            )
        self._server = server
        self._distribution_port = free_port()

    async def start(self) -> None:
        await finish(asyncio.to_thread(self._start))

    def _start(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix=f"mooq-{self._address.port}-"))
        cookie = self._folder / ".erlang.cookie"
        cookie.write_text(secrets.token_hex())
        cookie.chmod(0o400)  # otherwise Erlang refuses it
        settings = f"listeners.tcp.1 = {LOOPBACK}:{self._address.port}\n"
        if self._management_port:
            settings += (
                f"management.tcp.ip = {LOOPBACK}\nmanagement.tcp.port = {self._management_port}\n"
            )
        (self._folder / "rabbitmq.conf").write_text(settings)
        plugins = "rabbitmq_management" if self._management_port else ""
        (self._folder / "enabled_plugins").write_text(f"[{plugins}].\n")
        self._launch(self._folder)

    def _launch(self, folder: Path) -> None:
        with (folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 — the path is from which()
                [self._server],
                cwd=folder,
                env=self._environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C on a terminal must not reach it
            )

    def _environment(self, folder: Path) -> dict[str, str]:
        """Return the node's environment; it inherits nothing meant for another node."""
        node = f"mooq_{self._address.port}@localhost"
        return node_settings(self._address) | {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(folder),
            "ERL_FLAGS": "-start_epmd false",  # otherwise RabbitMQ tries to start epmd every minute
            "ERL_CRASH_DUMP_SECONDS": "0",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"-sname {node} "
            f"-erl_epmd_port {self._distribution_port} "
            "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_NODENAME": node,
            "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_LOG_BASE": str(folder),
            "RABBITMQ_LOGS": "-",
            "RUNNING_UNDER_SYSTEMD": "true",  # the script then becomes the node, not its parent
        }

    async def restart(self) -> None:
        await finish(asyncio.to_thread(self._restart))

    def _restart(self) -> None:
        assert self._process is not None
        assert self._folder is not None
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(LONGEST_SHUTDOWN)
        self._kill()
        self._launch(self._folder)

    async def stop(self) -> None:
        await asyncio.to_thread(self._stop)

    def _stop(self) -> None:
        self._kill()
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder)

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # its helpers end when their pipes close
            process.wait()

    async def death(self) -> str | None:
        status = None if self._process is None else self._process.poll()
        return None if status is None else f"RabbitMQ exited with status {status}"

    async def log(self) -> str:
        assert self._folder is not None
        return last_lines((self._folder / "log").read_text(errors="replace"))
