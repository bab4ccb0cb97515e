"""The process launcher with a real rabbitmq-server."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from mooq.basics.address import Address
from mooq.errors import BrokerConnectionError
from mooq.launchers import RabbitMQBroker
from mooq.launchers.ports import LOOPBACK, check_free, free_port
from mooq.launchers.process import SERVER_FOLDERS, ProcessLauncher
from mooq.transports.rabbit import RabbitTransport
from tests.integration.inbox import LONGEST_WAIT
from tests.shared_broker import leave_out

NOBODY = 65534
LISTENING, LOOPBACK_IN_PROC = "0A", "0100007F"

pytestmark = pytest.mark.rabbit


def need_rabbitmq_server() -> None:
    """Skip the test if this machine has no RabbitMQ."""
    if shutil.which("rabbitmq-server", path=f"{SERVER_FOLDERS}:{os.environ['PATH']}") is None:
        leave_out(
            "the process launcher needs RabbitMQ on this machine; "
            "`apt-get install rabbitmq-server`, run as root, brings it in"
        )


@pytest.fixture(autouse=True)
def temporary_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for files of nodes; the test must leave no files and no processes."""
    need_rabbitmq_server()
    folder = Path(tempfile.mkdtemp(prefix="mooq-test-"))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    ended(folder)
    folder.rmdir()  # fails if it is not empty


def log_in(folder: Path) -> str:
    return (folder / "log").read_text(errors="replace")


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def processes_of(folder: Path) -> dict[Path, str]:
    """Return the commands of all processes whose environment names a folder (Linux only)."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (process / "environ").read_bytes():
                found[process] = (process / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue  # it has ended or belongs to another user
    return found


def listening(processes: Iterable[Path]) -> set[str]:
    """Return the addresses on which processes listen; see proc_net_tcp(5)."""
    sockets = set()
    for process in processes:
        with suppress(OSError):  # it has ended
            for file in (process / "fd").iterdir():
                with suppress(OSError):
                    sockets.add(str(file.readlink()))
    return {
        columns[1].partition(":")[0]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for columns in map(str.split, Path(table).read_text().splitlines()[1:])
        if columns[3] == LISTENING and f"socket:[{columns[9]}]" in sockets
    }


@retry(stop=stop_after_delay(LONGEST_WAIT), wait=wait_fixed(0.02), reraise=True)
def ended(folder: Path) -> None:
    """Check that no process is left; Erlang's helpers end shortly after their node."""
    assert not processes_of(folder)


def new_broker(timeout: float = 60) -> RabbitMQBroker:
    return RabbitMQBroker(host="localhost", port=free_port(), launcher="process", timeout=timeout)


async def test_concurrent_nodes_are_independent(
    temporary_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    address = Address("localhost", free_port(), "ann", "sesame", "/there")
    named = RabbitMQBroker(**address.where, launcher="process")
    other = new_broker()
    is_running = asyncio.get_running_loop().create_future()
    to_named, to_other = RabbitTransport(address), RabbitTransport(Address(port=other.port))
    named_ended = asyncio.Event()
    to_named.on_lost = named_ended.set
    async with AsyncExitStack() as at_the_end:
        for transport in (to_named, to_other):
            at_the_end.push_async_callback(transport.close)
        at_the_end.push_async_callback(named.close)
        await asyncio.gather(named.run(is_running), at_the_end.enter_async_context(other))
        assert is_running.result() is None
        assert "error" not in caplog.text  # a port that does not listen yet is not an error
        await to_named.open(LONGEST_WAIT)
        await to_other.open(LONGEST_WAIT)
        processes = processes_of(temporary_folder)
        assert listening(processes) == {LOOPBACK_IN_PROC}
        assert "sesame" not in str(processes)
        assert {folder.stat().st_mode & 0o777 for folder in files_in(temporary_folder)} == {0o700}
        assert not [folder for folder in files_in(temporary_folder) if "sesame" in log_in(folder)]

        await named.run()
        assert named_ended.is_set()
        assert not to_other.is_lost
        await to_named.open(LONGEST_WAIT)

        await named.close()
        assert not to_other.is_lost
        assert len(files_in(temporary_folder)) == 1
        with pytest.raises(BrokerConnectionError, match="nothing listens there"):
            await RabbitTransport(address).open(LONGEST_WAIT)
        assert not [one for one in processes_of(temporary_folder).values() if "/epmd " in one]


async def test_run_restarts_a_dead_node() -> None:
    async with new_broker() as broker:
        killed = broker._launcher
        assert isinstance(killed, ProcessLauncher)
        assert killed._process is not None
        killed._process.kill()
        assert "exited with status -9" in (await wait_for_death(killed) or "")
        await broker.run()
        transport = RabbitTransport(Address(port=broker.port))
        await transport.open(LONGEST_WAIT)
        await transport.close()


@retry(retry=retry_if_result(lambda death: death is None), stop=stop_after_delay(LONGEST_WAIT))
async def wait_for_death(launcher: ProcessLauncher) -> str | None:
    return await launcher.death()


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests run without root already")
def test_process_launcher_needs_no_root(temporary_folder: Path) -> None:
    os.chown(temporary_folder, NOBODY, NOBODY)
    script = f"""
import asyncio, os, tempfile
from mooq.launchers import RabbitMQBroker

async def attempt(timeout):
    port = {free_port()}
    async with RabbitMQBroker(host="localhost", port=port, launcher="process", timeout=timeout):
        print("ready as", os.getuid())

tempfile.tempdir = {str(temporary_folder)!r}
try:
    asyncio.run(attempt(0.1))
except ConnectionError:
    pass  # too short, but it imports modules that user nobody may be unable to read
os.setgroups([])
os.setgid({NOBODY})
os.setuid({NOBODY})
asyncio.run(attempt(60))
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ran.stdout == f"ready as {NOBODY}\n", ran.stderr


async def test_dead_node_is_reported_with_its_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/no/erlang/here")
    broker = new_broker()
    if shutil.which("rabbitmq-server", path=SERVER_FOLDERS) is None:
        pytest.skip("this rabbitmq-server is found by PATH alone, so PATH cannot break it")
    with pytest.raises(BrokerConnectionError) as raised:
        async with asyncio.timeout(LONGEST_WAIT):
            await broker.run()
    assert "RabbitMQ exited with status 127 before it answered" in str(raised.value)
    assert "The end of its log:\n" in str(raised.value)
    assert "not found" in str(raised.value)
    assert not raised.value.transient
    await broker.close()


async def test_slow_node_times_out() -> None:
    broker = new_broker(timeout=0.3)
    with pytest.raises(BrokerConnectionError, match=r"within 0.3 s; .*last error: ") as raised:
        await broker.run()
    assert f"cannot connect to localhost:{broker.port}: " in str(raised.value)
    await check_free(Address(port=broker.port))
    await broker.close()


async def test_cancelled_run_leaves_no_process(temporary_folder: Path) -> None:
    broker = new_broker()
    is_running = asyncio.get_running_loop().create_future()
    run = asyncio.create_task(broker.run(is_running))
    async with asyncio.timeout(LONGEST_WAIT):
        while not await asyncio.to_thread(processes_of, temporary_folder):
            assert not run.done()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert is_running.cancelled()
    await broker.close()


async def test_process_launcher_names_a_taken_port(temporary_folder: Path) -> None:
    broker = new_broker()
    server = await asyncio.start_server(lambda reader, writer: None, LOOPBACK, broker.port)
    async with server:
        with pytest.raises(BrokerConnectionError, match=f"port {broker.port} is already in use"):
            await broker.run()
    await broker.close()
