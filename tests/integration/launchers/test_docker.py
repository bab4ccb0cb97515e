"""The docker launcher with a real engine: starts, restarts, failures and errors."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from io import BytesIO
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

import mooq
from mooq.basics.address import Address
from mooq.errors import BrokerConnectionError
from mooq.launchers import RabbitMQBroker
from mooq.launchers.docker import DockerLauncher
from mooq.launchers.engine import fetch_reaper_image
from mooq.launchers.owner import Owner
from mooq.launchers.ports import LOOPBACK, check_free, free_port
from mooq.launchers.readiness import prove_restart
from mooq.testing.lease import RunningRabbitMQ
from mooq.transports.rabbit import RabbitTransport
from tests.integration.inbox import LONGEST_WAIT
from tests.shared_broker import leave_out

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

IMAGE = os.environ.get("MOOQ_RABBITMQ_IMAGE") or "mooq-rabbitmq:4.0"

ImageThat = Callable[[str], str]

pytestmark = pytest.mark.rabbit


@pytest.fixture(scope="module")
def engine() -> Iterator[DockerClient]:
    try:
        import docker

        client = docker.from_env()
        if not client.images.list(IMAGE):
            client.images.pull(IMAGE)
    except Exception as error:  # noqa: BLE001 - any error means that there is no engine
        leave_out(
            f"the docker launcher needs Docker's engine and the image {IMAGE!r} ({error}); "
            "`.ci/images.sh`, run as root, brings in both"
        )
    from testcontainers.core.config import testcontainers_config as config

    with closing(client), pytest.MonkeyPatch.context() as patch:
        if not client.images.list(config.ryuk_image):
            patch.setattr(config, "_ryuk_disabled", True)
        yield client


@pytest.fixture
def image_that(engine: DockerClient) -> Iterator[ImageThat]:
    """Build an image that runs a shell command instead of RabbitMQ."""
    built: list[str] = []

    def build(line: str) -> str:
        name = f"mooq-test:{uuid4().hex}"
        file = f'FROM {IMAGE}\nENTRYPOINT []\nCMD ["sh", "-c", "{line}"]\n'
        engine.images.build(fileobj=BytesIO(file.encode()), tag=name, rm=True)
        built.append(name)
        return name

    yield build
    for name in built:
        engine.images.remove(name, force=True)


def broker_of(image: str, timeout: float = 60) -> RabbitMQBroker:
    return RabbitMQBroker(
        host="localhost", port=free_port(), launcher="docker", image=image, timeout=timeout
    )


def containers_of(engine: DockerClient, broker: RabbitMQBroker) -> list[Container]:
    filters = {"label": f"mooq={broker.name}"}
    found: list[Container] = engine.containers.list(all=True, filters=filters, ignore_removed=True)
    return found


def hosts_bound(container: Container) -> set[str]:
    """Return the local addresses on which a container publishes ports."""
    return {
        binding["HostIp"] for bindings in container.ports.values() for binding in bindings or ()
    }


def test_run_container_is_published_on_loopback_only(
    engine: DockerClient, mooq_rabbitmq: RunningRabbitMQ
) -> None:
    if not mooq_rabbitmq["how"].startswith("by docker"):
        pytest.skip("this run's RabbitMQ was not started by docker")
    ports = {str(mooq_rabbitmq["port"]), mooq_rabbitmq["management"].rpartition(":")[2]}
    (container,) = (
        container
        for container in engine.containers.list(filters={"publish": str(mooq_rabbitmq["port"])})
    )
    bindings = [one for some in container.ports.values() for one in some or ()]
    assert {binding["HostPort"] for binding in bindings} == ports
    assert hosts_bound(container) == {LOOPBACK}


async def test_docker_broker_starts_restarts_and_closes(
    engine: DockerClient,
) -> None:
    address = Address("localhost", free_port(), "ann", "sesame", "/there")
    broker = RabbitMQBroker(**address.where, launcher="docker", image=IMAGE)
    is_running = asyncio.get_running_loop().create_future()
    ended = asyncio.Event()
    before = RabbitTransport(address)
    before.on_lost = ended.set

    try:
        await broker.run(is_running)
        assert is_running.result() is None
        (container,) = containers_of(engine, broker)
        assert Owner.read(container.labels["mooq.owner"]) == Owner.this_process()
        assert container.ports["5672/tcp"] == [{"HostIp": LOOPBACK, "HostPort": str(address.port)}]
        assert hosts_bound(container) == {LOOPBACK}
        assert "sesame" not in str(container.top(ps_args="-eo pid,args")["Processes"])

        async with await connect(address) as conn:
            chan = await conn.create_channel()
            await chan.register_producer(exchange_name="durable", exchange_type="fanout")
        with pytest.raises(BrokerConnectionError, match="a connection from before is still open"):
            async with prove_restart(RabbitTransport(address), timeout=0.2):
                pass  # the broker is not restarted

        await before.open(LONGEST_WAIT)
        await broker.run()
        assert ended.is_set()
        assert containers_of(engine, broker) == [container]
        async with await connect(address) as conn:
            chan = await conn.create_channel()
            await chan.publish(exchange_name="durable", msg="known since before the restart")
    finally:
        await before.close()
        await broker.close()
    assert containers_of(engine, broker) == []
    await check_free(address)


async def connect(address: Address) -> mooq.Connection:
    return await mooq.connect(**address.where)


async def test_unavailable_image_is_named_in_the_error(engine: DockerClient) -> None:
    broker = broker_of("mooq-no-such-image:1.2")
    is_running = asyncio.get_running_loop().create_future()
    with pytest.raises(BrokerConnectionError, match=r"'mooq-no-such-image:1.2'") as raised:
        await broker.run(is_running)
    assert "pull or build it" in str(raised.value)
    assert "MOOQ_RABBITMQ_IMAGE" in str(raised.value)
    assert is_running.exception() is raised.value
    assert containers_of(engine, broker) == []
    await broker.close()


async def test_image_is_read_from_the_environment(
    engine: DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOOQ_RABBITMQ_IMAGE", "mooq-no-such-image:of-the-environment")
    broker = RabbitMQBroker(host="localhost", port=free_port(), launcher="docker")
    with pytest.raises(BrokerConnectionError, match="'mooq-no-such-image:of-the-environment'"):
        await broker.run()
    await broker.close()


async def test_dead_container_is_reported_with_its_log(
    engine: DockerClient, image_that: ImageThat
) -> None:
    broker = broker_of(image_that("echo the disk is full; exit 3"))
    with pytest.raises(BrokerConnectionError) as raised:
        await broker.run()
    assert "exited with status 3 before it answered" in str(raised.value)
    assert str(raised.value).endswith("The end of its log:\nthe disk is full")
    assert not raised.value.transient
    assert containers_of(engine, broker) == []
    await broker.close()


async def test_silent_container_times_out_with_its_log(
    engine: DockerClient, image_that: ImageThat
) -> None:
    broker = broker_of(image_that("echo not RabbitMQ; exec sleep 60"), timeout=1)
    with pytest.raises(BrokerConnectionError, match=r"within 1 s; .*last error: ") as raised:
        await broker.run()
    assert str(broker.port) in str(raised.value)
    assert str(raised.value).endswith("The end of its log:\nnot RabbitMQ")
    assert containers_of(engine, broker) == []
    await broker.close()


async def test_unstartable_container_is_removed(
    engine: DockerClient, image_that: ImageThat
) -> None:
    image = image_that("true")
    unstartable = f"{image}-unstartable"
    file = f'FROM {image}\nENTRYPOINT ["/no-such-program"]\n'
    engine.images.build(fileobj=BytesIO(file.encode()), tag=unstartable, rm=True)
    try:
        broker = broker_of(unstartable)
        with pytest.raises(
            BrokerConnectionError, match=r"cannot start the container.*no-such-prog"
        ):
            await broker.run()
        assert containers_of(engine, broker) == []
        await broker.close()
    finally:
        engine.images.remove(unstartable, force=True)


async def test_removed_container_is_reported(engine: DockerClient, image_that: ImageThat) -> None:
    launcher = DockerLauncher(Address("localhost", free_port()), image_that("exec sleep 60"))
    await launcher.prepare()
    await launcher.start()
    assert await launcher.death() is None
    launcher._prepared().get_wrapped_container().remove(force=True)
    assert "was removed" in (await launcher.death() or "")
    assert await launcher.log() == ""
    with pytest.raises(BrokerConnectionError, match=r"cannot restart the container.*No such"):
        await launcher.restart()
    await launcher.stop()


async def test_docker_launcher_names_a_taken_port(engine: DockerClient) -> None:
    broker = broker_of(IMAGE)
    server = await asyncio.start_server(lambda reader, writer: None, LOOPBACK, broker.port)
    async with server:
        with pytest.raises(BrokerConnectionError, match=f"port {broker.port} is already in use"):
            await broker.run()
    assert containers_of(engine, broker) == []
    await broker.close()


async def test_cancelled_run_leaves_no_container(
    engine: DockerClient, image_that: ImageThat
) -> None:
    broker = broker_of(image_that("exec sleep 60"))
    is_running = asyncio.get_running_loop().create_future()
    run = asyncio.create_task(broker.run(is_running))
    async with asyncio.timeout(LONGEST_WAIT):
        while not await asyncio.to_thread(containers_of, engine, broker):
            assert not run.done()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert is_running.cancelled()
    assert containers_of(engine, broker) == []
    await broker.close()


ATTEMPT = f"""
import asyncio, os
from mooq.launchers import RabbitMQBroker

def attempt():
    broker = RabbitMQBroker(host="localhost", port={free_port()}, launcher="docker")
    try:
        asyncio.run(broker.run())
    except ConnectionError as error:
        return error

host = os.environ.pop("DOCKER_HOST", "")
os.environ["DOCKER_HOST"] = "unix:///no/such/socket"
print(attempt())
"""
AS_NOBODY = """
os.environ["DOCKER_HOST"] = host
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
print(attempt())  # the first attempt imported modules that user nobody may be unable to read
"""


def said_by(script: str) -> str:
    """Run a script in another process: docker-py leaks its socket when it cannot connect."""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    return ran.stdout + ran.stderr


def test_missing_engine_is_explained(engine: DockerClient) -> None:
    said = said_by(ATTEMPT)
    assert "Docker's engine does not answer ([Errno 2] No such file or directory; DOCKER_" in said
    assert "install Docker, start its engine, or choose another launcher" in said


async def test_invalid_engine_address_error_names_the_variable(
    engine: DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "http://no-port/")
    broker = broker_of(IMAGE)
    with pytest.raises(BrokerConnectionError, match="DOCKER_HOST is 'http://no-port/', which is"):
        await broker.run()
    await broker.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without permission")
def test_missing_socket_permission_is_explained(
    engine: DockerClient,
) -> None:
    said = said_by(ATTEMPT + AS_NOBODY)
    assert "this user may not use the socket of Docker's engine; add the user to the group" in said
    assert "'docker' and log in again, run Docker rootless, or choose another launcher" in said


def test_unavailable_ryuk_image_error_has_a_remedy(
    engine: DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from testcontainers.core.config import testcontainers_config

    monkeypatch.setattr(testcontainers_config, "_ryuk_disabled", False)
    monkeypatch.setattr(testcontainers_config, "ryuk_image", "mooq-no-such-ryuk:1")
    with pytest.raises(BrokerConnectionError, match=r"mooq-no-such-ryuk.*RYUK_DISABLED=true"):
        fetch_reaper_image(engine)
    monkeypatch.setattr(testcontainers_config, "_ryuk_disabled", True)
    fetch_reaper_image(engine)
