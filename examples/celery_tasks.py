"""Celery tasks."""

from celery import Celery


def application(url: str) -> Celery:
    """Return an application for the RabbitMQ at a URL."""
    app = Celery("shop", broker=url, backend="rpc://", set_as_current=False)
    app.conf.task_acks_late = True  # acknowledge when done: no task is lost, and tests can wait

    @app.task(name="total", shared=False)
    def total(prices: list[int]) -> int:
        return sum(prices)

    return app
