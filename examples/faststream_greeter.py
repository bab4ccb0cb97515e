"""A FastStream service that greets."""

from faststream.rabbit import RabbitBroker


def service(url: str) -> RabbitBroker:
    """Return the service, not yet started."""
    broker = RabbitBroker(url, logger=None)

    @broker.subscriber("names")
    @broker.publisher("greetings")
    async def greet(name: str) -> str:
        return f"Hello, {name}!"

    @broker.subscriber("lengths")
    async def length(name: str) -> int:
        return len(name)

    return broker
