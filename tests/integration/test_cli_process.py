"""`mooq up --launcher process`: a node of this user's that outlives the command, or does not."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import mooq
from mooq.cli.records import Record, beginning_of
from mooq.rabbitmq_broker.process import SERVER_FOLDERS
from tests import command_line
from tests.command_line import LOOPBACK, free_port, running, until
from tests.shared_broker import leave_out

pytestmark = pytest.mark.rabbit

UP = ("up", "--launcher", "process", "--port")


@pytest.fixture(scope="module", autouse=True)
def _rabbitmq_of_this_machine() -> None:
    if shutil.which("rabbitmq-server", path=f"{SERVER_FOLDERS}:{os.environ['PATH']}") is None:
        leave_out(
            "`mooq up --launcher process` needs RabbitMQ on this machine; "
            "`apt-get install rabbitmq-server`, run as root, brings it in"
        )


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a node and its record are; nothing may be left there, nor in Docker be looked for."""
    with tempfile.TemporaryDirectory(prefix="mooq-test-") as folder:
        place = Path(folder)
        (place / "tmp").mkdir()
        monkeypatch.setenv("TMPDIR", str(place / "tmp"))
        monkeypatch.setenv("XDG_STATE_HOME", str(place))
        monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
        yield place
        if (left := recorded(place)) is not None:
            command_line.mooq("down")
        assert left is None
        assert list((place / "tmp").iterdir()) == []


def recorded(place: Path) -> Record | None:
    for path in (place / "mooq").glob("*.json"):
        return Record(**json.loads(path.read_text()))
    return None


def a_record(place: Path) -> Record:
    record = until(lambda: recorded(place), "a record of the node")
    assert record is not None
    return record


async def test_up_leaves_a_node_running_until_down_removes_it_with_its_data(place: Path) -> None:
    up = command_line.mooq(*UP, 0, "--json")
    assert up.returncode == 0, up.stderr
    result = json.loads(up.stdout)
    port = result["port"]
    assert 0 < result.pop("seconds") < 60
    assert result == {
        "address": f"amqp://guest:guest@{LOOPBACK}:{port}",
        "host": LOOPBACK,
        "port": port,
        "launcher": "process",
    }
    async with await mooq.connect(url=result["address"]):
        pass
    record = a_record(place)

    down = command_line.mooq("down", port, "--json")
    assert down.returncode == 0, down.stderr
    assert json.loads(down.stdout) == {
        "ended": [{"host": LOOPBACK, "port": port, "launcher": "process"}]
    }
    assert beginning_of(record.pid) is None


def test_ctrl_c_while_it_boots_leaves_no_process(place: Path) -> None:
    with running(*UP, free_port()) as up:
        record = a_record(place)
        up.send_signal(signal.SIGINT)
        stdout, stderr = up.communicate(timeout=20)
    assert up.returncode == 130
    assert (stdout, stderr) == ("", "Ended by SIGINT.\n")
    assert beginning_of(record.pid) is None


def test_what_a_killed_up_leaves_is_found_by_down_which_without_an_address_ends_all(
    place: Path,
) -> None:
    with running(*UP, free_port()) as up:
        record = a_record(place)
        up.kill()
        up.wait(20)
    assert beginning_of(record.pid) == record.began
    elsewhere = command_line.mooq("down", record.port + 1)
    assert elsewhere.returncode == 3
    assert beginning_of(record.pid) == record.began
    down = command_line.mooq("down")
    assert down.returncode == 0, down.stderr
    assert down.stdout == f"ended RabbitMQ at {LOOPBACK}:{record.port} (process)\n"
    assert beginning_of(record.pid) is None


def test_a_node_that_is_not_ready_in_time_is_ended(place: Path) -> None:
    up = command_line.mooq(*UP, free_port(), "--timeout", 0.3)
    assert up.returncode == 1
    assert up.stdout == ""
    assert "s for RabbitMQ to complete an AMQP handshake" in up.stderr
