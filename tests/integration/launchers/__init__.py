"""Ways to start a RabbitMQ."""
