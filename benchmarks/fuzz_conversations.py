"""Fuzzing of `mooq serve` with damaged AMQP conversations, while another client uses it.

``python -m benchmarks.fuzz_conversations [CONVERSATIONS] [SEED]``

The broker must end each conversation within the deadline, with a close or by disconnecting, and
keep serving the other client. Exits with 1 if a conversation does not end, if an answer is not a
frame, or if memory grows by more than the bound.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import Counter
from urllib.parse import urlsplit

import aio_pika

from benchmarks.serve_command import SERVE, resident
from tests.conversations.damage import damaged
from tests.raw_amqp import answers

AT_ONCE = 20
DEADLINE = 30.0  # seconds for one conversation
MOST_GROWTH = 64 << 20  # bytes
WARMING = 2000  # conversations before the first measurement of memory


async def converse(host: str, port: int, data: bytes) -> str:
    """Send all the data; return how the broker ended the conversation."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(data)
        if writer.can_write_eof():
            writer.write_eof()
        received = await asyncio.wait_for(reader.read(), DEADLINE)
    except TimeoutError:
        raise
    except OSError:
        return "hung up"
    finally:
        writer.close()
    lines = list(answers(received))
    return lines[-1] if lines else "hung up"


async def bystander(url: str, ended: asyncio.Event) -> int:
    """Publish and get until told to end; return the number of messages. Errors are raised."""
    served = 0
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("bystander")
        while not ended.is_set():
            body = b"%d" % served
            await channel.default_exchange.publish(aio_pika.Message(body), queue.name)
            message = await queue.get(no_ack=True)
            assert message is not None
            assert message.body == body
            served += 1
            await asyncio.sleep(0)
    return served


async def main(wanted: int, seed: int) -> int:
    """Run the conversations; return the exit status."""
    server = await asyncio.create_subprocess_exec(*SERVE, stdout=asyncio.subprocess.PIPE)
    assert server.stdout is not None
    url = json.loads(await server.stdout.readline())["url"]
    where = urlsplit(url)
    assert where.hostname is not None
    assert where.port is not None
    rng = random.Random(seed)
    words: Counter[str] = Counter()
    ended = asyncio.Event()
    other = asyncio.create_task(bystander(url, ended))
    before = peak = 0
    for done in range(0, wanted, AT_ONCE):
        said = await asyncio.gather(
            *(converse(where.hostname, where.port, damaged(rng)) for _ in range(AT_ONCE))
        )
        words.update(said)
        if other.done():
            break
        if done % 1000 == 0:
            used = resident(server.pid)
            before = before or (used if done >= min(WARMING, wanted // 2) else 0)
            peak = max(peak, used)
    ended.set()
    served = await other
    server.terminate()
    code = await server.wait()
    grown = peak - before
    for text, count in words.most_common(15):
        print(f"{count:>8,}  {text[:100]}")
    print(
        f"{words.total():,} conversations, seed {seed}; "
        f"the other client was served {served:,} times; "
        f"{before / 1e6:.0f} MB became at most {peak / 1e6:.0f}; exit status {code}"
    )
    return int(bool(code) or grown > MOST_GROWTH)


if __name__ == "__main__":
    arguments = [int(text) for text in sys.argv[1:]]
    sys.exit(asyncio.run(main(*(arguments + [100_000, 1][len(arguments) :]))))
