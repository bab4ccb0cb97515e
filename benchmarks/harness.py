"""Cost of the test harness: readiness, isolation of a test, tests in memory, and xdist workers.

``python -m benchmarks.harness IMAGE [ready boots isolation in-memory workers]``. The image must
have the management plugin. Comparisons alternate between both sides. ``workers`` takes a quarter of
an hour, and needs everything that the integration tests need.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

import aiormq
import aiormq.exceptions

import mooq
from mooq.basics.address import Address
from mooq.launchers import RabbitMQBroker
from mooq.launchers.docker import DockerLauncher
from mooq.launchers.ports import LOOPBACK, free_port
from mooq.testing.lease import Lease, VirtualHost
from mooq.testing.rabbitmq_settings import RabbitMQSettings
from mooq.testing.run_owner import RunOwner
from mooq.testing.server import DATA_FOLDER

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

ROOT = Path(__file__).parents[1]
BOOTS = 4
INTERVAL = 0.02  # seconds between attempts of the raw poller
TESTS = 200
SUITE = "tests/integration"
ONE_TEST = """
@pytest.mark.parametrize("number", range({count}))
async def test_it(mooq_channel, mooq_broker, number):
    heard = []

    async def hear(message):
        heard.append(message["msg"])

    await mooq_channel.register_consumer(
        "q", exchange_name="e", exchange_type="fanout", callback=hear
    )
    await mooq_channel.publish(exchange_name="e", msg=number)
    await mooq_broker.idle()
    assert heard == [number]
"""

# RabbitMQ's defaults for Erlang's schedulers, which mooq replaces (docs/launchers.md).
AS_THE_IMAGE_IS = {
    "RABBITMQ_SCHEDULER_BIND_TYPE": "db",
    "RABBITMQ_SCHEDULER_BUSY_WAIT_THRESHOLD": "none",
}
IN_MEMORY = {"RABBITMQ_MNESIA_BASE": DATA_FOLDER}
MANAGEMENT = {
    "RABBITMQ_ENABLED_PLUGINS_FILE": f"{DATA_FOLDER}/enabled_plugins",
    "RABBITMQ_ENABLED_PLUGINS": "rabbitmq_management",
}
NO_PLUGINS = {**MANAGEMENT, "RABBITMQ_ENABLED_PLUGINS": ""}
ONE_THREAD = {"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +SDcpu 1:1 +SDio 1"}


class Variant(DockerLauncher):
    """A container with a modified environment."""

    def __init__(self, address: Address, image: str, environment: dict[str, str]) -> None:
        super().__init__(address, image)
        self._environment = environment

    def _describe(self) -> DockerContainer:
        container = super()._describe().with_tmpfs_mount(DATA_FOLDER, "mode=1777")
        return container.with_envs(**self._environment)


async def raw_poller(port: int) -> float:
    """Return the time at which a client that tries every 20 ms first gets an AMQP channel."""
    while True:
        try:
            connection = await aiormq.connect(f"amqp://guest:guest@{LOOPBACK}:{port}/")
            await connection.channel()
        except (OSError, aiormq.exceptions.AMQPError):
            await asyncio.sleep(INTERVAL)
        else:
            ready = perf_counter()
            await connection.close()
            return ready


async def boot(image: str, environment: dict[str, str]) -> tuple[float, float]:
    """Boot; return the duration of ``run()``, and its delay compared with a raw poller."""
    address = Address(LOOPBACK, free_port())
    launcher = Variant(address, image, environment)
    async with asyncio.TaskGroup() as tasks:
        polling = tasks.create_task(raw_poller(address.port))
        broker = RabbitMQBroker(host=address.host, port=address.port, launcher=launcher)
        began = perf_counter()
        try:
            await broker.run()
            ready = perf_counter()
            first = await polling
        finally:
            await broker.close()
    return ready - began, ready - first


def ready(image: str) -> None:
    """Compare ``run()`` with a raw poller during the same boots."""
    later = [asyncio.run(boot(image, IN_MEMORY | MANAGEMENT))[1] for _ in range(BOOTS * 2)]
    print(
        f"run() after a raw 20 ms poller: median {median(later):.3f} s, "
        f"worst {max(later):.3f} s of {len(later)} boots (wanted: 0.1 s)"
    )


def boots(image: str) -> None:
    """Compare boots without optional parts."""
    variants = {
        "as the image is, management plugin": AS_THE_IMAGE_IS | MANAGEMENT,
        "Erlang's threads unbound, spinning shortly": MANAGEMENT,
        "… data in memory: the harness": MANAGEMENT | IN_MEMORY,
        "… and one thread": MANAGEMENT | IN_MEMORY | ONE_THREAD,
        "… and no plugins": NO_PLUGINS | IN_MEMORY | ONE_THREAD,
        "no plugins, on disk": NO_PLUGINS,
        "no plugins, data in memory": NO_PLUGINS | IN_MEMORY,
    }
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(BOOTS):
        for name, environment in variants.items():
            seconds[name].append(asyncio.run(boot(image, environment))[0])
    slowest = median(next(iter(seconds.values())))
    for name, some in seconds.items():
        print(f"{name}: median {median(some):.2f} s, {slowest / median(some):.2f} x")


@contextmanager
def lease_of(image: str) -> Iterator[Lease]:
    """Return a claim on a run's RabbitMQ."""
    owner = RunOwner(RabbitMQSettings(images=(image,)))
    try:
        with closing(Lease(owner.offer)) as lease:
            lease.answer()
            yield lease
    finally:
        owner.end()


def isolation(image: str) -> None:
    """Measure the cost of a separate virtual host per test."""
    with lease_of(image) as lease:
        answer = lease.answer()
        assert isinstance(answer, dict)

        async def work(virtual_host: str) -> None:
            async with await mooq.connect(
                host=answer["host"], port=answer["port"], virtual_host=virtual_host
            ) as connection:
                channel = await connection.create_channel()
                await channel.register_producer(exchange_name="e", exchange_type="fanout")
                await channel.publish(exchange_name="e", msg="hello")

        def isolate(*, is_working: bool) -> float:
            began = perf_counter()
            found = lease.virtual_host()
            assert isinstance(found, VirtualHost)
            virtual_host = found.name
            seconds = perf_counter() - began
            if is_working:
                asyncio.run(work(virtual_host))
            began = perf_counter()
            lease.release(virtual_host)
            return seconds + perf_counter() - began

        for is_working, what in ((True, "tests that connect and publish"), (False, "empty tests")):
            costs = sorted(isolate(is_working=is_working) for _ in range(TESTS))
            print(
                f"isolation of {what}: median {median(costs) * 1e3:.1f} ms, "
                f"90 % within {costs[int(0.9 * TESTS)] * 1e3:.1f} ms (wanted: 20 ms)"
            )


def in_memory(image: str) -> None:
    """Measure tests that connect, consume and publish, including all fixtures."""
    count = 2000
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pytest.ini").write_text(
            "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
        )
        (Path(folder) / "test_it.py").write_text("import pytest\n" + ONE_TEST.format(count=count))
        seconds = pytest_seconds(folder, "--mooq-backend=in_memory", "-p", "no:cacheprovider")
    print(f"tests in memory: {count / seconds:.0f} a second (wanted: 200)")


def workers(image: str) -> None:
    """Compare a run of all of mooq's integration tests without xdist and with two workers."""
    seconds: dict[str, float] = {}
    for option in ("-n2", "-n0"):
        before = processor_seconds()
        seconds[option] = pytest_seconds(str(ROOT), option, f"--mooq-image={image}", SUITE)
        busy = processor_seconds() - before
        print(
            f"{option}: {seconds[option]:.0f} s, {busy:.0f} s of processors in Python", flush=True
        )
    ratio = seconds["-n0"] / seconds["-n2"]
    print(f"{SUITE} with -n 2: {ratio:.2f} x (wanted: 1.6)")


def processor_seconds() -> float:
    """Return the CPU time of ended child processes and their descendants."""
    used = os.times()
    return used.children_user + used.children_system


def pytest_seconds(folder: str, *options: str) -> float:
    """Return the duration that pytest reports for a run, in which all tests must pass."""
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout[-5000:]
    said = re.search(r"passed.* in ([\d.]+)s", ran.stdout)
    assert said is not None
    return float(said[1])


SECTIONS: dict[str, Callable[[str], None]] = {
    "ready": ready,
    "boots": boots,
    "isolation": isolation,
    "in-memory": in_memory,
    "workers": workers,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", metavar="IMAGE")
    parser.add_argument("sections", nargs="*", metavar="SECTION", choices=[[], *SECTIONS])
    options = parser.parse_args()
    for section in options.sections or SECTIONS:
        SECTIONS[section](options.image)


if __name__ == "__main__":
    main()
