"""Fixtures of a container, which aiormq's archive lacks; copied to the root of a suite."""

import pytest
from tests.docker_client import ContainerInfo
from yarl import URL


@pytest.fixture(scope="session")
def rabbitmq_container():
    return ContainerInfo()


@pytest.fixture(scope="session")
def amqp_direct_url(rabbitmq_container):
    return URL.build(
        scheme="amqp",
        user="guest",
        password="guest",
        path="//",
        host=rabbitmq_container.host,
        port=rabbitmq_container.ports["5672/tcp"],
    )
