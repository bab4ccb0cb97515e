"""Memory of a waiting message in the in-memory broker, in addition to its JSON.

``python -m benchmarks.memory``
"""

from __future__ import annotations

import asyncio
import json
import tracemalloc

import mooq

MESSAGES = 20_000


async def main() -> None:
    async with (
        mooq.InMemoryBroker(host="benchmark", port=1),
        await mooq.connect("benchmark", 1, "in_memory") as conn,
    ):
        chan = await conn.create_channel()

        async def wait(message: mooq.IncomingMessage) -> None: ...

        await chan.register_consumer(
            "q", ["k"], exchange_name="e", exchange_type="direct", callback=wait, prefetch_count=1
        )
        await chan.publish(exchange_name="e", msg="the one that is delivered", routing_key="k")
        tracemalloc.start()
        text = 0
        for number in range(MESSAGES):
            message = {"id": number, "name": "a message like many"}
            text += len(json.dumps(message, separators=(",", ":")))
            await chan.publish(exchange_name="e", msg=message, routing_key="k")
        used = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
    beyond = (used - text) / MESSAGES
    print(f"a waiting message: {text / MESSAGES:.0f} bytes of JSON + {beyond:.0f} (at most 300)")


if __name__ == "__main__":
    asyncio.run(main())
