"""Settings of the plugin, from options, the environment and the ini file."""

from __future__ import annotations

import pytest

from tests.integration.inner_run import ONE_TEST, Run, run

__all__ = ["run"]  # a fixture


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--mooq-backend=kafka", "mooq_backend must be one of in_memory, rabbit, all, not 'kafka'"),
        ("--mooq-launcher=podman", "mooq_launcher must be one of docker, process, systemctl, serv"),
        ("--mooq-timeout=soon", "mooq_timeout: must be a positive number of seconds, not 'soon'"),
        ("--mooq-timeout=-1", "mooq_timeout: must be a positive number of seconds, not '-1'"),
        ("--mooq-address=http://h", "mooq_address: url must begin with amqp:// or amqps://"),
        ("--mooq-address=amqps://h", "mooq_address: must not be amqps://, because the harness"),
        (
            "--mooq-timeline-html=pytest.ini",
            "mooq_timeline_html: cannot create folder 'pytest.ini'",
        ),
        ("--mooq-management=host:port", "mooq_management: must be host:port, not 'host:port'"),
    ],
)
def test_invalid_setting_is_a_usage_error(run: Run, option: str, said: str) -> None:
    status, printed = run(ONE_TEST, option)

    assert status == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: {said}" in printed


MARKS = ["mooq_allow_failures", "mooq_allow_leftovers", "mooq_redeliver"]
MARKED = """
    import pytest

    @pytest.mark.{mark}
    async def test_it(mooq_channel):
        pass
"""


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("arguments", ["'q'", "1", "0", "None", "True, False", "reason='x'"])
def test_mark_with_a_wrong_argument_fails_the_test(run: Run, mark: str, arguments: str) -> None:
    marked = MARKED.format(mark=f"{mark}({arguments})")
    status, printed = run(marked, "--mooq-backend=in_memory")

    assert status == pytest.ExitCode.TESTS_FAILED
    assert f"@pytest.mark.{mark} takes no argument, or True, or False to switch it off" in printed
    assert f"not {arguments}" in printed


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("arguments", ["", "()", "(True)", "(False)"])
def test_mark_can_be_switched(run: Run, mark: str, arguments: str) -> None:
    marked = MARKED.format(mark=mark + arguments)
    status, printed = run(marked, "--mooq-backend=in_memory")

    assert status == pytest.ExitCode.OK, printed


@pytest.mark.parametrize(
    "switch", ["mooq_strict", "mooq_redeliver", "mooq_timeline", "mooq_parity"]
)
def test_switch_that_is_neither_true_nor_false_is_named(run: Run, switch: str) -> None:
    status, printed = run(ONE_TEST, "-o", f"{switch}=maybe")

    assert status == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: {switch} must be true or false: invalid truth value 'maybe'" in printed


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("MOOQ_RABBITMQ_URL", "http://h", "url must begin with amqp:// or amqps://, not 'http'"),
        ("MOOQ_RABBITMQ_URL", "amqp://me:secret@h:port", "url has a bad host or port"),
        ("MOOQ_RABBITMQ_MANAGEMENT", "h:port", "must be host:port, not 'h:port'"),
    ],
)
def test_invalid_setting_names_its_variable(run: Run, variable: str, value: str, said: str) -> None:
    status, printed = run(ONE_TEST, **{variable: value})

    assert status == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: {variable}: {said}" in printed
    assert "secret" not in printed


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("127.0.0.1:1", "127.0.0.1:1"),
        ("1", "127.0.0.1:1"),
        ("[::1]:1", "[::1]:1"),
        ("amqp://ann:secret@127.0.0.1:1", "127.0.0.1:1"),
    ],
)
@pytest.mark.parametrize("is_option", [True, False])
def test_address_may_be_shorter_than_a_url(
    run: Run, value: str, place: str, is_option: bool
) -> None:
    options = [f"--mooq-address={value}"] if is_option else []
    variables = {} if is_option else {"MOOQ_RABBITMQ_URL": value}
    _, printed = run(ONE_TEST, "--collect-only", *options, **variables)

    assert f"mooq: in_memory and rabbit; RabbitMQ at {place}" in printed
