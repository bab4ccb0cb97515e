"""One RabbitMQ for a whole run: who starts it, who shares it, and that nothing of it stays."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

import mooq
from tests.conftest import BrokerAddress
from tests.shared_broker import Answer, answer_to, ask, leave_out, owned
from tests.virtual_hosts import Management, virtual_hosts

if TYPE_CHECKING:
    from docker import DockerClient

ROOT = Path(__file__).parents[2]
NOWHERE = "tcp://127.0.0.1:1"

ONE_TEST = """
    async def test_it(chan):
        await chan.register_producer(exchange_name="log", exchange_type="fanout")
        await chan.publish(exchange_name="log", msg="hello")
"""
TESTS_THAT_REPORT = """
    import json, os
    from pathlib import Path

    import docker
    import pytest
    import socket

    @pytest.mark.parametrize("number", range(6))
    async def test_it(number, chan, broker_address):
        if broker_address["broker"] == "rabbit":
            mine = f"mooq.owner={socket.gethostname()}:{os.getppid()}"
            client = docker.from_env()
            containers = client.containers.list(filters={"label": mine})
            client.close()
            seen = {**broker_address, "containers": [one.id for one in containers]}
            worker = os.environ["PYTEST_XDIST_WORKER"]
            with Path(__file__).with_name(worker).open("a") as report:
                print(json.dumps(seen), file=report)
"""


class Run:
    """A run of pytest in a process of its own, with the fixtures that these tests have."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, tests: str, *options: str, **environment: str) -> subprocess.Popen[str]:
        lines = [line.removeprefix("    ") for line in tests.splitlines()]
        (self.folder / "test_inner.py").write_text("\n".join(lines))
        mine = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTEST_", "MOOQ_RE", "MOOQ_RABBITMQ_URL"))
        }
        command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "-v"]
        plugins = ["-p", "tests.conftest", "-p", "no:cacheprovider"]
        return subprocess.Popen(
            [*command, *plugins, *options, str(self.folder / "test_inner.py")],
            cwd=self.folder,
            env={**mine, "PYTHONPATH": str(ROOT), "COLUMNS": "400", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __call__(self, tests: str, *options: str, **environment: str) -> tuple[int, str]:
        """Return its exit status and what it printed."""
        with self.start(tests, *options, **environment) as process:
            printed, _ = process.communicate(timeout=100)
        return process.returncode, printed


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


@pytest.fixture
def engine() -> Iterator[DockerClient]:
    from docker import from_env
    from docker.errors import DockerException

    try:
        client = from_env()
    except DockerException as error:
        leave_out(f"Docker's engine does not answer: {error}")
    with closing(client):
        yield client


def containers_of(engine: DockerClient, pid: int) -> list[Any]:
    """The containers that a process of this machine owns, running or not."""
    owner = f"mooq.owner={socket.gethostname()}:{pid}"
    return list(engine.containers.list(all=True, filters={"label": owner}))


def named(rabbitmq: Answer) -> dict[str, str]:
    """The environment of a run that is to use a RabbitMQ that runs already."""
    return {
        "MOOQ_RABBITMQ_URL": f"amqp://{rabbitmq['username']}:{rabbitmq['password']}"
        f"@{rabbitmq['host']}:{rabbitmq['port']}",
        "MOOQ_RABBITMQ_MANAGEMENT": f"{rabbitmq['management_host']}:{rabbitmq['management_port']}",
    }


def at(address: BrokerAddress, virtual_host: str) -> BrokerAddress:
    """The same broker's other virtual host."""
    return {**address, "virtual_host": virtual_host}


@pytest.mark.rabbit
def test_all_workers_share_one_container_which_is_gone_when_the_run_ends(
    run: Run, engine: DockerClient, tmp_path: Path
) -> None:
    with run.start(TESTS_THAT_REPORT, "-n2") as process:
        printed, _ = process.communicate(timeout=100)

    assert process.returncode == 0, printed
    reports = sorted(tmp_path.glob("gw*"))
    assert [report.name for report in reports] == ["gw0", "gw1"], printed
    seen = [json.loads(line) for report in reports for line in report.read_text().splitlines()]
    assert len(seen) == 6
    assert len({one["port"] for one in seen}) == 1
    assert len({one["virtual_host"] for one in seen}) == 6
    assert {len(one["containers"]) for one in seen} == {1}
    assert containers_of(engine, process.pid) == []


@pytest.mark.rabbit
@pytest.mark.parametrize("workers", ["-n0", "-n1"])
def test_a_run_stopped_while_rabbitmq_boots_leaves_no_container(
    run: Run, engine: DockerClient, workers: str
) -> None:
    with run.start(ONE_TEST, workers) as process:
        appeared = Retrying(
            retry=retry_if_result(lambda found: not found),
            wait=wait_fixed(0.05),
            stop=stop_after_delay(60),
        )
        assert appeared(containers_of, engine, process.pid)
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=60)

    assert process.returncode == pytest.ExitCode.INTERRUPTED, printed
    assert containers_of(engine, process.pid) == []


@pytest.mark.rabbit
def test_a_run_that_stops_at_its_first_failure_leaves_no_container(
    run: Run, engine: DockerClient
) -> None:
    failing = f"{ONE_TEST}        assert False\n"
    with run.start(failing, "-x", "-k", "rabbit") as process:
        printed, _ = process.communicate(timeout=100)

    assert "assert False" in printed
    assert process.returncode == pytest.ExitCode.TESTS_FAILED
    assert containers_of(engine, process.pid) == []


def test_without_docker_the_rabbit_half_is_skipped_and_says_what_brings_it_in(run: Run) -> None:
    status, printed = run(ONE_TEST, DOCKER_HOST=NOWHERE)

    assert status == 0, printed
    assert "test_it[in_memory] PASSED" in printed
    assert "test_it[rabbit] SKIPPED" in printed
    assert "Docker's engine does not answer" in printed
    assert ".ci/images.sh" in printed
    assert "1 passed, 1 skipped" in printed


def test_without_docker_the_rabbit_half_fails_where_rabbitmq_is_required(run: Run) -> None:
    status, printed = run(ONE_TEST, DOCKER_HOST=NOWHERE, MOOQ_REQUIRE_RABBITMQ="1")

    assert status == pytest.ExitCode.TESTS_FAILED
    assert "MOOQ_REQUIRE_RABBITMQ is set, but" in printed
    assert "Docker's engine does not answer" in printed
    assert "1 passed, 1 error" in printed


@pytest.mark.rabbit
def test_a_named_broker_that_cannot_be_used_is_an_error_and_never_skipped(
    run: Run, rabbitmq: Answer
) -> None:
    status, printed = run(ONE_TEST, **named({**rabbitmq, "password": "wrong"}))

    assert status == pytest.ExitCode.TESTS_FAILED
    assert "1 passed, 1 error" in printed
    assert f"cannot connect to 127.0.0.1:{rabbitmq['port']}: it refused the login" in printed


@pytest.mark.parametrize("choice", ["-knot rabbit", "-mnot rabbit"])
def test_a_run_in_memory_loads_nothing_that_starts_or_reaches_rabbitmq(
    run: Run, choice: str
) -> None:
    tests = f"""{ONE_TEST}
        import sys
        assert {{"docker", "testcontainers", "aio_pika"}}.isdisjoint(sys.modules)
"""

    status, printed = run(tests, choice)

    assert status == 0, printed
    assert "1 passed, 1 deselected" in printed


@pytest.mark.rabbit
def test_a_broker_that_runs_already_is_used_as_it_is(run: Run, rabbitmq: Answer) -> None:
    status, printed = run(ONE_TEST, "-n2", DOCKER_HOST=NOWHERE, **named(rabbitmq))

    assert status == 0, printed
    assert "2 passed" in printed


@pytest.mark.rabbit
def test_everybody_who_asks_gets_one_answer_and_no_thread_stays(
    rabbitmq: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in named(rabbitmq).items():
        monkeypatch.setenv(name, value)
    before = set(threading.enumerate())

    with owned() as offer:
        assert answer_to(ask(offer)) == answer_to(ask(offer)) == rabbitmq

    assert set(threading.enumerate()) <= before
    with pytest.raises(ConnectionRefusedError):
        ask(offer)


def test_who_has_not_the_token_gets_no_answer() -> None:
    with owned() as (port, _):
        assert "failed" in answer_to(ask((port, "guessed")))


@pytest.mark.rabbit
async def test_virtual_hosts_are_new_ones_and_are_deleted(
    rabbitmq: Answer, rabbit_address: BrokerAddress
) -> None:
    management = Management(
        rabbitmq["management_host"],
        rabbitmq["management_port"],
        rabbitmq["username"],
        rabbitmq["password"],
    )
    with closing(virtual_hosts(management)) as hosts:
        given = [next(hosts), next(hosts)]
        assert len({*given, rabbit_address["virtual_host"]}) == 3
        await (await mooq.connect(**at(rabbit_address, given[1]))).close()

    for gone in given:
        with pytest.raises(mooq.BrokerConnectionError, match=gone):
            await mooq.connect(**at(rabbit_address, gone))


async def ignore(message: mooq.IncomingMessage) -> None:
    pass


@pytest.mark.parametrize("exchange_type", ["direct", "fanout", "topic"])
async def test_tests_may_use_the_same_names_for_different_things(
    chan: mooq.Channel, exchange_type: str
) -> None:
    with pytest.raises(mooq.ConsumerQueueNotFound):
        await chan.get("same queue")

    await chan.register_consumer(
        "same queue", exchange_name="same exchange", exchange_type=exchange_type, callback=ignore
    )
    await chan.publish(exchange_name="same exchange", msg="left behind by one test")
