"""Tests of a web application on both brokers: with httpx2 in the test's loop, or TestClient."""

import httpx2
from fastapi.testclient import TestClient
from fastapi_orders import application


async def test_order_is_published(mooq_broker):
    app = application(mooq_broker.url)
    transport = httpx2.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),  # httpx does not run it
        httpx2.AsyncClient(transport=transport, base_url="http://shop") as client,
    ):
        answer = await client.post("/orders", json={"drink": "tea"})
        assert answer.status_code == 202
        await mooq_broker.idle()
    assert mooq_broker.recorded.published.msgs == [{"drink": "tea"}]


def test_order_is_published_for_plain_functions(mooq_broker):
    with TestClient(application(mooq_broker.url)) as client:
        assert client.post("/orders", json={"drink": "tea"}).status_code == 202
        mooq_broker.idle()
    assert mooq_broker.recorded.published.msgs == [{"drink": "tea"}]
