"""The plugin in a user's project: fixtures, options, output and imports."""

from __future__ import annotations

import re

import pytest

from mooq.testing.lease import RunningRabbitMQ
from tests.integration.inner_run import NOWHERE, ONE_TEST, Run, named, run

__all__ = ["run"]  # a fixture

IN_MEMORY = "--mooq-backend=in_memory"
A_PROJECT = """
    import pytest
    import mooq

    pytestmark = pytest.mark.asyncio

    async def test_service(mooq_backend, mooq_broker, mooq_connection, mooq_channel,
                           mooq_connect, mooq_recorder):
        assert mooq_backend == mooq_broker.backend == "in_memory"
        heard = []

        async def hear(message):
            heard.append(message["msg"])

        await mooq_channel.register_consumer(
            "orders", exchange_name="shop", exchange_type="fanout", callback=hear
        )
        other = await (await mooq_connect()).create_channel()
        await other.publish(exchange_name="shop", msg="tea")
        async with await mooq.connect(**mooq_broker.arguments) as third:
            await (await third.create_channel()).publish(exchange_name="shop", msg="milk")
        await mooq_connection.process_events(num_cycles=1)
        assert heard == mooq_recorder.published.msgs == ["tea", "milk"]

    async def test_queues_of_the_previous_test_are_gone(mooq_channel):
        with pytest.raises(mooq.ConsumerQueueNotFound):
            await mooq_channel.get("orders")
"""


@pytest.mark.parametrize("mode", ["auto", "strict"])
@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_project_gets_a_broker_for_each_test(run: Run, mode: str, workers: str) -> None:
    run.ini(f"asyncio_mode = {mode}", "asyncio_default_fixture_loop_scope = function")

    status, printed = run(A_PROJECT, IN_MEMORY, workers, DOCKER_HOST=NOWHERE)

    assert status == 0, printed
    assert "2 passed" in printed


def test_session_loop_is_shared_with_the_fixtures(run: Run) -> None:
    run.ini(
        "asyncio_mode = auto",
        "asyncio_default_fixture_loop_scope = session",
        "asyncio_default_test_loop_scope = session",
    )

    status, printed = run(A_PROJECT, IN_MEMORY)

    assert status == 0, printed


def test_test_may_select_a_single_backend(run: Run) -> None:
    status, printed = run(
        f"""
    import pytest

    @pytest.mark.parametrize("mooq_backend", ["in_memory"])
    {ONE_TEST.strip()}

    def test_of_something_else():
        pass
""",
        "--collect-only",
        "-q",
    )

    assert status == 0, printed
    assert "test_it[in_memory]" in printed
    assert "test_it[rabbit]" not in printed
    assert "2 tests collected" in printed


@pytest.mark.parametrize(
    ("choice", "kept"),
    [("in_memory", "test_it[in_memory]"), ("rabbit", "test_it[rabbit]")],
)
def test_backend_option_deselects_the_other_backend(run: Run, choice: str, kept: str) -> None:
    _, printed = run(ONE_TEST, "--collect-only", "-q", f"--mooq-backend={choice}")

    assert kept in printed
    assert "1/2 tests collected (1 deselected)" in printed


def test_in_memory_tests_run_first(run: Run) -> None:
    _, printed = run(f"{ONE_TEST}\n    def test_last():\n        pass\n", "--collect-only", "-qq")

    lines = [line for line in printed.splitlines() if "::" in line]
    assert [line.partition("::")[2] for line in lines] == [
        "test_it[in_memory]",
        "test_last",
        "test_it[rabbit]",
    ]


@pytest.mark.parametrize("choice", [IN_MEMORY, "-knot rabbit", "-mnot rabbit", "--collect-only"])
def test_in_memory_run_loads_no_rabbitmq_modules(run: Run, choice: str) -> None:
    (run.folder / "conftest.py").write_text(
        "def pytest_sessionfinish():\n"
        "    import sys, threading\n"
        "    loaded = {'docker', 'testcontainers', 'aio_pika', 'aiormq'} & set(sys.modules)\n"
        "    print('loaded:', loaded, 'threads:', threading.active_count())\n"
    )

    status, printed = run(ONE_TEST, choice, "-s", DOCKER_HOST=NOWHERE)

    assert status == 0, printed
    assert "loaded: set() threads: 1" in printed


def test_worker_process_does_not_load_docker(run: Run, mooq_rabbitmq: RunningRabbitMQ) -> None:
    (run.folder / "conftest.py").write_text(
        "def pytest_sessionfinish():\n"
        "    import sys\n"
        "    print('loaded:', {'docker', 'testcontainers'} & set(sys.modules))\n"
    )

    status, printed = run(ONE_TEST, "--mooq-backend=rabbit", "-s")

    assert status == 0, printed
    assert "loaded: set()" in printed


def test_project_without_mooq_loads_few_modules(run: Run) -> None:
    status, printed = run(
        """
    import sys

    def test_it():
        print(sorted(name for name in sys.modules if name.startswith("mooq.")))
""",
        "-s",
    )

    assert status == 0, printed
    loaded = (
        *("backends", "fixtures", "harness", "plugin", "rabbitmq_settings", "settings"),
        "wide_fixtures",
    )
    modules = ["mooq.testing", *(f"mooq.testing.{name}" for name in loaded)]
    assert str(modules) in printed


def test_missing_docker_skips_rabbitmq_tests(run: Run) -> None:
    status, printed = run(ONE_TEST, "-rs", DOCKER_HOST=NOWHERE)

    assert status == 0, printed
    assert "test_it[in_memory] PASSED" in printed
    assert "1 passed, 1 skipped" in printed
    skipped = next(line for line in printed.splitlines() if line.startswith("SKIPPED"))
    assert "Docker's engine does not answer" in skipped
    assert "You can also use --mooq-launcher=process" in skipped


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
@pytest.mark.parametrize(
    ("option", "environment"),
    [("--mooq-launcher=docker", {}), ("--mooq-backend=all", {"MOOQ_REQUIRE_RABBITMQ": "1"})],
)
def test_missing_docker_fails_required_rabbitmq_tests(
    run: Run, option: str, environment: dict[str, str], workers: str
) -> None:
    status, printed = run(ONE_TEST, option, workers, DOCKER_HOST=NOWHERE, **environment)

    assert status == pytest.ExitCode.TESTS_FAILED
    assert "1 passed, 1 error" in printed
    assert "Docker's engine does not answer" in printed
    said = "MOOQ_REQUIRE_RABBITMQ is set, but" if environment else "no RabbitMQ for this test:"
    assert said in printed


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ((IN_MEMORY,), "mooq: in_memory\n"),
        (("--mooq-launcher=process",), "mooq: in_memory and rabbit; RabbitMQ by process, started"),
        (("--mooq-image=some:image",), "RabbitMQ by docker, image some:image, started when"),
        (("--mooq-address=amqp://ann:secret@host:1234",), "; RabbitMQ at host:1234\n"),
    ],
)
def test_header_names_the_brokers(run: Run, options: tuple[str, ...], line: str) -> None:
    _, printed = run(ONE_TEST, "--collect-only", *options)

    assert line in printed
    assert "secret" not in printed


FAILING = """
    import asyncio
    import pytest
    {mark}
    async def test_it(mooq_connection, mooq_channel, mooq_broker):
        heard = asyncio.Event()

        async def fail(message):
            heard.set()
            raise ValueError("the callback's own")

        await mooq_channel.register_consumer(
            "q", exchange_name="e", exchange_type="fanout", callback=fail
        )
        serving = asyncio.create_task(mooq_connection.process_events())
        await mooq_channel.publish(exchange_name="e", msg="hello")
        {then}
        serving.cancel()
"""


@pytest.mark.parametrize(
    ("mark", "then", "outcome"),
    [
        ("", "await heard.wait()", "1 failed"),
        ("", "await mooq_broker.idle()", "1 failed"),
        ("", "pass", "1 passed"),  # the callback is never called
        ("@pytest.mark.mooq_allow_failures", "await heard.wait()", "1 passed"),
        ("@pytest.mark.mooq_allow_failures", "await mooq_broker.idle()", "1 passed"),
        (
            "",
            "\n        with pytest.raises(ValueError):\n            await mooq_broker.idle()",
            "1 passed",
        ),
    ],
)
def test_failing_callback_fails_its_test(run: Run, mark: str, then: str, outcome: str) -> None:
    _, printed = run(FAILING.format(mark=mark, then=then), IN_MEMORY)

    assert outcome in printed
    if "failed" in outcome:
        assert re.search(r">\s+raise ValueError\(.the callback's own.\)", printed), printed


def test_error_raised_by_process_events_may_be_handled(run: Run) -> None:
    status, printed = run(
        """
    import pytest

    @pytest.mark.parametrize("messages", [1, 2])
    async def test_it(mooq_connection, mooq_channel, messages):
        async def fail(message):
            raise ValueError(message["msg"])

        await mooq_channel.register_consumer(
            "q", exchange_name="e", exchange_type="fanout", callback=fail
        )
        for number in range(messages):
            await mooq_channel.publish(exchange_name="e", msg=number)
        for attempt in range(2):
            with pytest.raises(ValueError if messages == 1 else ExceptionGroup):
                await mooq_connection.process_events(num_cycles=1)
""",
        IN_MEMORY,
    )

    assert status == 0, printed
    assert "2 passed" in printed


def test_callback_failing_at_teardown_fails_the_test(run: Run) -> None:
    status, printed = run(
        """
    import asyncio
    import pytest

    @pytest.fixture
    def end_of_test(mooq_channel):
        event = asyncio.Event()
        yield event
        event.set()

    async def test_it(mooq_connection, mooq_channel, end_of_test):
        begun = asyncio.Event()

        async def fail_late(message):
            begun.set()
            await end_of_test.wait()
            raise ValueError("late")

        await mooq_channel.register_consumer(
            "q", exchange_name="e", exchange_type="fanout", callback=fail_late
        )
        serving = asyncio.create_task(mooq_connection.process_events())
        await mooq_channel.publish(exchange_name="e", msg="hello")
        await begun.wait()
        serving.cancel()
""",
        IN_MEMORY,
    )

    assert status == pytest.ExitCode.TESTS_FAILED
    assert "1 passed, 1 deselected, 1 error" in printed
    assert "ValueError: late" in printed


def test_all_failing_callbacks_are_shown(run: Run) -> None:
    status, printed = run(
        """
    async def test_it(mooq_channel, mooq_broker):
        async def fail(message):
            raise ValueError(f"no to {message['msg']}")

        await mooq_channel.register_consumer(
            "q", exchange_name="e", exchange_type="fanout", callback=fail
        )
        for drink in ("tea", "milk"):
            await mooq_channel.publish(exchange_name="e", msg=drink)
        await mooq_broker.idle()
""",
        IN_MEMORY,
    )

    assert status == pytest.ExitCode.TESTS_FAILED
    assert "ExceptionGroup: 2 callbacks failed (2 sub-exceptions)" in printed
    assert "ValueError: no to tea" in printed
    assert "ValueError: no to milk" in printed


OWN_BACKEND = """
    import pytest

    @pytest.fixture
    def mooq_backend():
        return {backend!r}

    async def test_it(mooq_channel):
        pass
"""


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        (IN_MEMORY, "mooq_backend is 'rabbit', but --mooq-backend selects 'in_memory'"),
        ("-mnot rabbit", "mooq_backend is 'rabbit', which -m 'not rabbit' deselects"),
    ],
)
def test_backend_fixture_cannot_override_the_option(run: Run, option: str, reason: str) -> None:
    status, printed = run(OWN_BACKEND.format(backend="rabbit"), option, "-rs", DOCKER_HOST=NOWHERE)

    assert status == 0, printed
    assert "1 skipped" in printed
    assert reason in printed


def test_backend_fixture_must_name_a_broker(run: Run) -> None:
    status, printed = run(OWN_BACKEND.format(backend="redis"))

    assert status == 1, printed
    assert "mooq_backend must be 'in_memory' or 'rabbit', not 'redis'" in printed


SCOPES = """
    import pytest

    @pytest.fixture(scope="session")
    async def application(mooq_session_broker):
        heard = []

        async def hear(message):
            heard.append(message["msg"])

        connection = await mooq_session_broker.connect()
        channel = await connection.create_channel()
        await channel.register_consumer(
            "q", exchange_name="log", exchange_type="fanout", callback=hear
        )
        return channel, heard

    @pytest.mark.parametrize("number", range(3))
    async def test_shared(application, mooq_session_broker, number):
        channel, heard = application
        await channel.publish(exchange_name="log", msg=number)
        await mooq_session_broker.idle()
        assert heard == list(range(number + 1))

    class TestScopes:
        async def test_each_has_its_own(
            self, mooq_broker, mooq_class_broker, mooq_module_broker, mooq_package_broker,
            mooq_session_broker,
        ):
            brokers = [mooq_broker, mooq_class_broker, mooq_module_broker, mooq_package_broker,
                       mooq_session_broker]
            assert len({broker.virtual_host for broker in brokers}) == len(brokers)
            for broker in brokers:
                await broker.connect()

    async def test_failure_is_reported(mooq_module_broker):
        async def fail(message):
            raise ValueError("on purpose")

        channel = await (await mooq_module_broker.connect()).create_channel()
        await channel.register_consumer(
            "bad", exchange_name="bad", exchange_type="fanout", callback=fail
        )
        await channel.publish(exchange_name="bad", msg=1)
        with pytest.raises(ValueError):
            await mooq_module_broker.idle()
"""


def test_brokers_of_wider_scopes_keep_their_state(run: Run, mooq_rabbitmq: RunningRabbitMQ) -> None:
    run.ini(
        "asyncio_mode = auto",
        "asyncio_default_fixture_loop_scope = session",
        "asyncio_default_test_loop_scope = session",
    )

    status, printed = run(SCOPES, *named(mooq_rabbitmq))

    assert status == 0, printed
    assert "10 passed" in printed
