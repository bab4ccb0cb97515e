"""RabbitMQ's AMQP 0-9-1 model as a state machine: no asyncio, no clock, no bytes on a wire."""
