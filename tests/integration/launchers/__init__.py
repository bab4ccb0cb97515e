"""Tests of the launchers that start RabbitMQ."""
