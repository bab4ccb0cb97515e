"""A fixture with a service on each client library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from mooq.testing.sync_broker import SyncBroker
from tests.integration.harness.services import SERVICES, Service


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest, mooq_broker: SyncBroker) -> Iterator[Service]:
    with ExitStack() as at_the_end:
        service = SERVICES[request.param](mooq_broker)
        service.start(at_the_end)
        yield service
        service.may_go_on.set()
