"""`mooq up --launcher process`: nodes that run as processes of this user."""

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
from mooq.launchers.owner import beginning_of
from mooq.launchers.ports import LOOPBACK, free_port
from mooq.launchers.process import SERVER_FOLDERS
from mooq.launchers.records import NodeRecord
from tests import command_line
from tests.command_line import LONGEST_COMMAND, running
from tests.shared_broker import leave_out
from tests.waiting import until

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
def alone() -> Iterator[dict[str, str]]:
    """An isolated environment for nodes and records; the test must leave none there."""
    with tempfile.TemporaryDirectory(prefix="mooq-test-") as folder:
        (Path(folder) / "tmp").mkdir()
        alone = {
            "TMPDIR": f"{folder}/tmp",
            "XDG_STATE_HOME": folder,
            "DOCKER_HOST": "unix:///nowhere/docker.sock",
        }
        yield alone
        if (left := recorded(alone)) is not None:
            command_line.mooq("down", **alone)
        assert left is None
        assert list(Path(alone["TMPDIR"]).iterdir()) == []


def recorded(alone: dict[str, str]) -> NodeRecord | None:
    for path in (Path(alone["XDG_STATE_HOME"]) / "mooq").glob("*.json"):
        return NodeRecord(**json.loads(path.read_text()))
    return None


def a_record(alone: dict[str, str]) -> NodeRecord:
    record = until(lambda: recorded(alone), "a record of the node")
    assert record is not None
    return record


async def test_up_starts_a_node_that_down_removes(
    alone: dict[str, str],
) -> None:
    up = command_line.mooq(*UP, 0, "--json", **alone)
    assert up.returncode == 0, up.stderr
    result = json.loads(up.stdout)
    port = result["port"]
    assert result.pop("seconds") > 0
    assert result.pop("management").startswith(f"{LOOPBACK}:")
    assert result == {
        "address": f"amqp://guest:guest@{LOOPBACK}:{port}",
        "host": LOOPBACK,
        "port": port,
        "launcher": "process",
    }
    async with await mooq.connect(url=result["address"]):
        pass
    record = a_record(alone)

    down = command_line.mooq("down", port, "--json", **alone)
    assert down.returncode == 0, down.stderr
    assert json.loads(down.stdout) == {
        "ended": [{"host": LOOPBACK, "port": port, "launcher": "process"}]
    }
    assert beginning_of(record.pid) is None


def test_ctrl_c_while_booting_leaves_no_process(alone: dict[str, str]) -> None:
    with running(*UP, free_port(), **alone) as up:
        record = a_record(alone)
        up.send_signal(signal.SIGINT)
        stdout, stderr = up.communicate(timeout=LONGEST_COMMAND)
    assert up.returncode == 130
    assert (stdout, stderr) == ("", "Stopped by SIGINT.\n")
    assert beginning_of(record.pid) is None


def test_down_without_address_stops_every_node(
    alone: dict[str, str],
) -> None:
    with running(*UP, free_port(), **alone) as up:
        record = a_record(alone)
        up.kill()
        up.wait(LONGEST_COMMAND)
    assert beginning_of(record.pid) == record.began
    elsewhere = command_line.mooq("down", record.port + 1, **alone)
    assert elsewhere.returncode == 1
    assert beginning_of(record.pid) == record.began
    down = command_line.mooq("down", **alone)
    assert down.returncode == 0, down.stderr
    assert down.stdout == f"Stopped RabbitMQ at {LOOPBACK}:{record.port} (process)\n"
    assert beginning_of(record.pid) is None


def test_up_stops_the_node_if_it_cannot_be_recorded(alone: dict[str, str]) -> None:
    file = Path(alone["XDG_STATE_HOME"]) / "file"
    file.touch()
    up = command_line.mooq(*UP, free_port(), **{**alone, "XDG_STATE_HOME": str(file)})
    assert up.returncode == 1
    assert up.stdout == ""
    assert "cannot write the file that `mooq down` needs" in up.stderr
    assert "set XDG_STATE_HOME to a folder that you may write to" in up.stderr


def test_up_timeout_stops_the_node(alone: dict[str, str]) -> None:
    up = command_line.mooq(*UP, free_port(), "--timeout", 0.3, **alone)
    assert up.returncode == 1
    assert up.stdout == ""
    assert "RabbitMQ did not complete an AMQP handshake within 0.3 s; it may still" in up.stderr
