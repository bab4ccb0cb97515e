"""The command line without RabbitMQ: arguments, errors, signals and the live line."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mooq.cli.commands import COMMANDS
from mooq.cli.live_line import live_line
from mooq.launchers.owner import beginning_of
from mooq.launchers.ports import LOOPBACK
from mooq.launchers.records import NodeRecord, records
from tests.command_line import LONGEST_COMMAND, MOOQ, ask, environment, mooq, running

NO_DOCKER = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
unix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the test's node records apart from the developer's."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port with a listener that never sends anything."""
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bogus"], "No such command 'bogus'"),
        (["wait", "5672", "--tiemout", "3"], "No such option '--tiemout'"),
        (["wait", "5672", "5673"], "unexpected extra argument (5673)"),
        (["wait", "http://localhost"], "url must begin with amqp:// or amqps://, not 'http'"),
        (["wait", "amqp://localhost/?heartbeat=3"], "url contains options, which mooq does"),
        (["wait", "localhost:amqp"], "port"),
        (["wait", "70000"], "port"),
        (["wait", ""], "the address is empty; write host:port"),
        (["wait", " "], "the address is empty; write host:port"),
        (["down", ""], "the address is empty; write host:port"),
        (["down", "5672", ""], "the address is empty; write host:port"),
        (["demo", "--address", ""], "the address is empty; write host:port"),
        (["parity", "--against", ""], "the address is empty; write host:port"),
        (["wait", "70000/vhost"], "port"),
        (["wait", "0"], "port"),
        (["wait", "5672", "--timeout", "soon"], "must be a positive number of seconds, not 'soon'"),
        (["wait", "5672", "--timeout", "0"], "must be a positive number of seconds, not '0'"),
        (["wait", "5672", "--timeout", "-1"], "must be a positive number of seconds, not '-1'"),
        (["wait", "5672", "--timeout", "nan"], "must be a positive number of seconds, not 'nan'"),
        (["wait", "5672", "--timeout", "inf"], "must be a positive number of seconds, not 'inf'"),
        (["up", "--launcher", "podman"], "'podman' is not one of 'docker', 'process'"),
        (["up", "--port", "amqp"], "'amqp' is not a valid integer"),
        (["up", "--port", "65536"], "65536 is not in the range 0<=x<=65535"),
        (["up", "--host", ""], "host is empty; name a host"),
        (["up", "--host", "192.0.2.1", "--launcher", "process"], "host must be 'localhost'"),
        (["up", "--image", ""], "'--image': must not be empty".replace("'--image'", "--image")),
        (
            ["up", "--image", "rabbitmq:4", "--launcher", "process"],
            "--image requires --launcher d",
        ),
        (["up", "--unit", "a.service"], "--unit requires --launcher systemctl, not docker"),
        (["up", "--port", "0", "--launcher", "service"], "on the port in its configuration"),
        (["up", "5672"], "unexpected extra argument (5672)"),
        (
            ["up", "--management-port", "15672", "--launcher", "service", "--port", "5672"],
            "service uses the port in RabbitMQ's configuration",
        ),
        (
            ["up", "--port", "7777", "--management-port", "7777"],
            "--port and --management-port are both 7777",
        ),
        (["up", "--management-port", "5672"], "--port and --management-port are both 5672"),
        (["down", "amqp://host:port"], "port"),
        (["demo", "--address", "ftp://localhost"], "url must begin with amqp://"),
    ],
)
def test_invalid_argument_exits_with_status_2(arguments: list[str], said: str) -> None:
    result = ask(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert f"Try 'mooq{' ' * (arguments != ['bogus'])}" in result.stderr
    assert result.stdout == ""


def test_wait_requires_an_address() -> None:
    ended = mooq("wait")
    assert ended.returncode == 2
    assert "Missing argument 'ADDRESS'" in ended.stderr


def test_error_does_not_show_the_password() -> None:
    result = ask("wait", "amqp://me:secret@localhost:port")
    assert result.exit_code == 2
    assert "secret" not in result.output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    result = ask(command, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: mooq {command}")
    assert command in ask("--help").stdout


@pytest.mark.parametrize("start", [(Path(sys.executable).parent / "mooq",), MOOQ])
def test_command_and_module_behave_the_same(start: tuple[str, ...]) -> None:
    shown = subprocess.run([*start, "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout.startswith("mooq 1.")


def test_importing_mooq_does_not_load_the_cli() -> None:
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import mooq, sys; mooq.connect; "
            "assert not {'click', 'rich', 'mooq.cli', 'mooq.__main__'} & set(sys.modules)",
        ],
        check=True,
    )


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_missing_cli_library_is_named_with_the_extra(missing: str) -> None:
    program = (
        f"import sys; sys.modules[{missing!r}] = None; sys.stderr.isatty = lambda: True; "
        "sys.argv[1:] = ['wait', '127.0.0.1:1', '--timeout', '0.1']; "
        "from mooq.__main__ import main; main()"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr == (
        f"Error: the command line of mooq needs {missing}; pip install 'mooq[cli]'\n"
    )


def test_other_missing_module_does_not_name_the_extra() -> None:
    program = (
        "import sys; sys.modules['tenacity'] = None; "
        "sys.argv[1:] = ['wait', '127.0.0.1:1', '--timeout', '0.1']; "
        "from mooq.__main__ import main; main()"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 1
    assert "mooq[cli]" not in ended.stderr
    assert "tenacity" in ended.stderr


def test_wait_timeout_reports_the_last_error(
    closed_port: int,
) -> None:
    result = ask("wait", str(closed_port), "--timeout", "0.7")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == (
        "Error: RabbitMQ did not complete an AMQP handshake within 0.7 s; last error: cannot "
        f"connect to {LOOPBACK}:{closed_port}: nothing listens there; start the broker, or check "
        "host and port\n"
    )


@pytest.mark.parametrize(
    "command", [("wait", "--timeout", "0.3"), ("demo", "--address"), ("down",)]
)
def test_error_shows_an_ipv6_address_in_brackets(command: tuple[str, ...]) -> None:
    ended = mooq(*command, "[::1]:1", **NO_DOCKER)
    assert ended.returncode == 1
    assert " [::1]:1" in ended.stderr


def test_status_shows_an_ipv6_address_in_brackets() -> None:
    NodeRecord("process", "::1", 5001, pid=1, began="2", management_port=15001).save()
    assert "amqp://guest:guest@[::1]:5001 (process, management at [::1]:15001)" in (
        mooq("status", **NO_DOCKER).stdout
    )


def test_wait_times_out_on_a_silent_port(silent_port: int) -> None:
    result = ask("wait", f"{LOOPBACK}:{silent_port}", "--timeout", "0.3")
    assert result.exit_code == 1
    assert "handshake within 0.3 s" in result.stderr
    assert "no answer within" in result.stderr


def test_wait_reads_its_address_from_the_environment(closed_port: int) -> None:
    ended = mooq("wait", "--timeout", 1, MOOQ_RABBITMQ_URL=f"amqp://{LOOPBACK}:{closed_port}")
    # The cause is not checked: on a busy machine the last attempt may time out instead.
    assert f"cannot connect to {LOOPBACK}:{closed_port}: " in ended.stderr


def test_wait_prints_no_progress_without_a_terminal(closed_port: int) -> None:
    ended = mooq("wait", closed_port, "--timeout", "0.3")
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1


@unix
def test_wait_shows_a_live_line_on_a_terminal(
    closed_port: int,
) -> None:
    import pty

    terminal, its_end = pty.openpty()
    with subprocess.Popen(
        [*MOOQ, "wait", str(closed_port), "--timeout", "2"],
        env=environment(TERM="xterm", COLUMNS="100"),
        stdout=subprocess.PIPE,
        stderr=its_end,
    ) as process:
        os.close(its_end)
        shown = b""
        try:
            while piece := os.read(terminal, 4096):
                shown += piece
        except OSError:  # Linux raises this when the other end is closed
            pass
        os.close(terminal)
        assert process.communicate()[0] == b""
    text = shown.decode()
    assert f"waiting up to 2 s for RabbitMQ at {LOOPBACK}:{closed_port} to answer" in text
    assert re.search(r"m(0\.[1-9]|1\.\d) s", text), text  # the elapsed time advances
    before_the_error = text[: text.index("Error: RabbitMQ did not complete")]
    assert before_the_error.count("\n") == 1  # a single line …
    assert before_the_error.endswith("\n\x1b[?25h\r\x1b[1A\x1b[2K")  # … which is erased at the end


def test_live_line_shows_log_messages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    log = logging.getLogger("mooq")
    before = log.level, list(log.handlers)
    with live_line("starting RabbitMQ"):
        log.info("downloading the image %r", "[bold]")
    shown = terminal.getvalue()
    assert shown.index("starting RabbitMQ") < shown.index("downloading the image '[bold]'")
    assert (log.level, log.handlers) == before


@unix
@pytest.mark.parametrize(("number", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_signal_stops_a_command_with_its_exit_status(
    silent_port: int, number: str, status: int
) -> None:
    # A command started with SIGHUP ignored, as by nohup, keeps ignoring it.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with socket.create_server((LOOPBACK, 0)) as server:
        server.settimeout(LONGEST_COMMAND)
        with running("wait", server.getsockname()[1]) as process:
            connected, _ = server.accept()  # the command is waiting now
            process.send_signal(signal.Signals[number])
            stdout, stderr = process.communicate(timeout=LONGEST_COMMAND)
            connected.close()
    signal.signal(signal.SIGHUP, before)
    assert process.returncode == status
    assert stdout == ""
    assert stderr == f"Stopped by {number}.\n"


@unix
def test_ignored_signal_stays_ignored() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        server.settimeout(LONGEST_COMMAND)
        port = server.getsockname()[1]
        command = ["nohup", *MOOQ, "wait", str(port), "--timeout", "2"]
        with subprocess.Popen(
            command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            connected, _ = server.accept()
            process.send_signal(signal.SIGHUP)
            _, stderr = process.communicate(timeout=LONGEST_COMMAND)
            connected.close()
    assert process.returncode == 1
    assert "handshake within 2 s" in stderr


@unix
def test_signal_interrupts_a_hanging_docker_engine(tmp_path: Path) -> None:
    engine = tmp_path / "engine"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(engine))
        server.listen()
        server.settimeout(LONGEST_COMMAND)
        with running("up", "--port", 0, DOCKER_HOST=f"unix://{engine}") as process:
            connected, _ = server.accept()
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=LONGEST_COMMAND)
            connected.close()
    assert process.returncode == 130
    assert stderr == "Stopped by SIGINT.\n"


def test_up_without_a_docker_engine_explains() -> None:
    ended = mooq("up", "--port", 0, **NO_DOCKER)
    assert ended.returncode == 1
    assert "Docker's engine does not answer" in ended.stderr
    assert f"; DOCKER_HOST is {NO_DOCKER['DOCKER_HOST']!r}" in ended.stderr
    assert "or choose another launcher" in ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize("value", ["junk", "tcp://h:port", "unix//x", "tcp://ann:secret@h:port"])
@pytest.mark.parametrize("command", [("up", "--port", "0"), ("down",), ("status",)])
def test_wrong_docker_host_is_named(command: tuple[str, ...], value: str) -> None:
    ended = mooq(*command, DOCKER_HOST=value)
    assert ended.returncode == 1
    shown = value.replace("ann:secret", "***")
    assert f"the environment variable DOCKER_HOST is {shown!r}, which is not" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_up_names_the_missing_docker_extra() -> None:
    program = (
        "import sys; sys.modules['testcontainers'] = None; sys.argv[1:] = ['up', '--port', '0']; "
        "from mooq.__main__ import main; main()"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 1
    assert "pip install 'mooq[docker]'" in ended.stderr


def test_up_names_a_taken_port(silent_port: int) -> None:
    result = ask("up", "--port", str(silent_port))
    assert result.exit_code == 1
    assert f"port {silent_port} is already in use" in result.stderr


def test_down_fails_if_docker_does_not_answer() -> None:
    ended = mooq("down", **NO_DOCKER)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert (
        "Error: cannot tell whether a container is running: cannot look for containers of `mooq "
        "up`: Docker's engine does not answer"
    ) in ended.stderr


def test_down_with_nothing_running_prints_json() -> None:
    ended = mooq("down", "5001", "localhost:5002", "--json", **NO_DOCKER)
    assert ended.returncode == 1
    assert json.loads(ended.stdout) == {"ended": []}
    assert "a container is running at 127.0.0.1:5001, localhost:5002" in ended.stderr


def test_status_lists_recorded_nodes() -> None:
    NodeRecord("process", LOOPBACK, 5001, pid=1, began="2", management_port=15001).save()
    NodeRecord("service", LOOPBACK, 5002).save()
    listed = mooq("status", **NO_DOCKER)
    assert listed.returncode == 1
    assert listed.stdout == (
        "amqp://guest:guest@127.0.0.1:5001 (process, management at 127.0.0.1:15001)\n"
        "amqp://guest:guest@127.0.0.1:5002 (service)\n"
    )
    assert "cannot list running containers" in listed.stderr
    found = json.loads(mooq("status", "--json", **NO_DOCKER).stdout)["running"]
    assert found[0] == {
        "address": "amqp://guest:guest@127.0.0.1:5001",
        "host": LOOPBACK,
        "port": 5001,
        "launcher": "process",
        "management": "127.0.0.1:15001",
    }


def test_up_recognises_a_port_used_by_mooq(silent_port: int) -> None:
    NodeRecord("process", LOOPBACK, silent_port, pid=1, began="2").save()
    result = ask("up", "--port", str(silent_port))
    assert result.exit_code == 1
    assert f"`mooq up` has already started a RabbitMQ on port {silent_port}" in result.stderr
    assert f"amqp://guest:guest@{LOOPBACK}:{silent_port}" in result.stderr


def test_up_names_a_taken_management_port(silent_port: int, closed_port: int) -> None:
    result = ask("up", "--port", str(closed_port), "--management-port", str(silent_port))
    assert result.exit_code == 1
    assert f"port {silent_port} is already in use" in result.stderr
    assert "--management-port" in result.stderr


@pytest.mark.parametrize("option", ["--launcher", "--port", "--timeout"])
def test_invalid_argument_does_not_show_a_password(option: str) -> None:
    result = ask("up", option, "amqp://svc:S3cret@mq.example")
    assert result.exit_code == 2
    assert "S3cret" not in result.stderr
    assert "***@mq.example" in result.stderr


def test_damaged_record_is_named_and_kept(own_state: Path) -> None:
    damaged = own_state / "mooq" / "process-5672-1.json"
    damaged.parent.mkdir()
    damaged.write_text('{"launcher": "process"')
    result = ask("down")
    assert result.exit_code == 1
    assert str(damaged) in result.stderr
    assert damaged.exists()


def test_node_record_round_trips() -> None:
    record = NodeRecord("process", LOOPBACK, 5672, pid=7, began="8", folder="/nowhere")
    record.save()
    assert list(records()) == [record]
    record.forget()
    assert list(records()) == []


@unix
def test_process_with_a_reused_pid_is_not_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        NodeRecord(
            "process", LOOPBACK, 5672, pid=stranger.pid, began="then", folder="/nowhere"
        ).save()
        ended = mooq("down", "5672", "--json", **NO_DOCKER)
        assert json.loads(ended.stdout)["ended"] == [
            {"host": LOOPBACK, "port": 5672, "launcher": "process"}
        ]
        assert stranger.poll() is None
        stranger.communicate(b"\n")
    assert stranger.returncode == 0
    assert list(records()) == []


@unix
def test_process_start_time_identifies_a_process() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        began = beginning_of(process.pid)
        assert began
        assert beginning_of(process.pid) == began != beginning_of(1)
        process.kill()
    assert beginning_of(process.pid) is None


def test_demo_runs_two_services_in_memory() -> None:
    result = ask("demo")
    assert result.exit_code == 0
    assert "capitals heard 'hello, Grace' with routing key hello.grace" in result.stdout
    assert result.stdout.count("greeter heard") == 3


def test_demo_prints_received_messages_as_json() -> None:
    result = ask("demo", "--json")
    said = json.loads(result.stdout)
    assert said["over"] == "memory"
    assert {"service": "greeter", "msg": "HELLO, ADA"} in said["heard"]
    assert len(said["heard"]) == 6


def test_demo_fails_without_a_broker(closed_port: int) -> None:
    result = ask("demo", "--address", str(closed_port))
    assert result.exit_code == 1
    assert "nothing listens there" in result.stderr
