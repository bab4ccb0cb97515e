"""--mooq-strict: a test that leaves messages or exceptions behind fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.inner_run import AUTO, Run, named, run

__all__ = ["run"]  # a fixture

SETUP = f"""
    import asyncio
    import pytest
    import sys

    ROOT = {str(Path(__file__).parents[3])!r}

    async def ignore(message):
        pass

    async def fail(message):
        raise ValueError("the callback's own")
"""
TEST = """
    @pytest.mark.parametrize("leaving", [True, False])
    {mark}
    async def test_{name}(mooq_broker, mooq_connect, mooq_connection, mooq_channel, leaving):
        async def consume(queue, **arguments):
            await mooq_channel.register_consumer(
                queue, **{{
                    "exchange_name": "e", "exchange_type": "fanout", "callback": ignore, **arguments
                }}
            )

        {body}
"""
# Test bodies that leave something behind if ``leaving`` is true.
UNCONSUMED = """
        await consume("orders")
        await (await mooq_connect()).close()
        for number in range(3 if leaving else 0):
            await mooq_channel.publish(exchange_name="e", msg=number)
"""
UNCONSUMED_OF_A_CLOSED_CONNECTION = f"""
{UNCONSUMED}
        await mooq_connection.close()
"""
HELD_BACK = """
        await consume(None, prefetch_count=1)
        for number in range(3 if leaving else 0):
            await mooq_channel.publish(exchange_name="e", msg=number)
"""
NOT_GOT = """
        await consume("orders")
        await mooq_channel.close()
        channel = await mooq_connection.create_channel()
        for number in range(3):
            await channel.publish(exchange_name="e", msg=number)
        for number in range(0 if leaving else 3):
            await channel.get("orders")
"""
DEAD_LETTERS = """
        mooq_broker.allows_failures = True
        await consume("graves", exchange_name="graveyard")
        other = await (await mooq_connect()).create_channel()
        await other.register_consumer(
            "orders", exchange_name="e", exchange_type="fanout",
            callback=fail if leaving else ignore, dead_letter_exchange="graveyard",
        )
        await mooq_channel.close()
        for number in range(3):
            await other.publish(exchange_name="e", msg=number)
        await mooq_broker.idle()
"""
DROPPED_DEAD_LETTERS = """
        sys.path.insert(0, ROOT)
        from tests.integration.foreign import foreigner

        mooq_broker.allows_failures = True
        await mooq_channel.register_producer(exchange_name="graveyard", exchange_type="fanout")
        await mooq_channel.register_consumer(
            "orders", exchange_name="e", exchange_type="fanout",
            callback=fail if leaving else ignore, dead_letter_exchange="graveyard",
        )
        async with foreigner(mooq_broker.arguments) as foreign:
            await foreign.delete_exchange("graveyard")
        for number in range(3):
            await mooq_channel.publish(exchange_name="e", msg=number)
        await mooq_broker.idle()
"""
UNAWAITED_TASK = """
        async def vanish():
            raise KeyError("swallowed")

        task = asyncio.ensure_future(vanish())
        if not leaving:
            with pytest.raises(KeyError):
                await task
        await asyncio.sleep(0)
        del task
"""


LEAVING = {
    "unconsumed": (UNCONSUMED, "3 messages in queue 'orders'"),
    "closed": (UNCONSUMED_OF_A_CLOSED_CONNECTION, "3 messages in queue 'orders'"),
    "held_back": (HELD_BACK, "3 messages in queue '"),
    "not_got": (NOT_GOT, "3 messages in queue 'orders'"),
    "dead_letters": (DEAD_LETTERS, "3 messages in queue 'graves'"),
    "dropped": (
        DROPPED_DEAD_LETTERS,
        "3 messages of queue 'orders' dropped, since the dead-letter exchange 'graveyard' does",
    ),
    "swallowed": (UNAWAITED_TASK, "an unhandled KeyError: 'swallowed'"),
}


def project(*names: str, mark: str = "") -> str:
    """Return tests that leave something behind, each with a variant that does not."""
    tests = [TEST.format(name=name, mark=mark, body=LEAVING[name][0].strip()) for name in names]
    return "\n".join([SETUP, *tests])


@pytest.mark.parametrize("backend", ["in_memory", pytest.param("rabbit", marks=pytest.mark.rabbit)])
def test_leftovers_fail_the_test(run: Run, request: pytest.FixtureRequest, backend: str) -> None:
    options = ["--mooq-strict", f"--mooq-backend={backend}", "-p", "no:logging"]
    if backend == "rabbit":
        options += named(request.getfixturevalue("mooq_rabbitmq"))

    status, printed = run(project(*LEAVING), *options)

    assert status == pytest.ExitCode.TESTS_FAILED, printed
    summary = printed.partition("short test summary")[2]
    for name, (_, left) in LEAVING.items():
        error = f"test_{name}[{backend}-True] - Failed: the test left"
        assert f"{error} behind {left}" in summary, printed
    # The tests passed; the errors are from their teardown.
    assert "14 passed, 14 deselected, 7 errors" in summary


def test_mark_allows_leftovers(run: Run) -> None:
    tests = project("unconsumed", mark="@pytest.mark.mooq_allow_leftovers")

    status, printed = run(tests, "--mooq-strict", "--mooq-backend=in_memory")

    assert status == 0, printed


def test_strict_mode_is_off_by_default(run: Run) -> None:
    status, printed = run(project("unconsumed"), "--mooq-backend=in_memory")

    assert status == 0, printed


def test_ini_setting_enables_strict_mode(run: Run) -> None:
    run.ini(*AUTO, "mooq_strict = true", "mooq_backend = in_memory")

    status, printed = run(project("unconsumed"))

    assert status == pytest.ExitCode.TESTS_FAILED, printed
    assert "Consume and await them, or mark the test with mooq_allow_leftovers" in printed
