"""A RabbitMQ that this process starts, restarts and ends.

::

    broker.py      RabbitMQBroker: run, restart, close
    choosing.py    which launcher, by argument or by TEST_DISTRIBUTION
    launcher.py    what a launcher does
    systemctl.py   … a systemd unit          service.py   … a System V service
    docker.py      … a container             process.py   … a throw-away node of this user
    engine.py      Docker's engine: its images, and its errors in mooq's terms
    readiness.py   when it is up, and proof that it was restarted
    commands.py    running a command as root
    ports.py       whether a port of this machine is free
    finishing.py   what a cancellation must not interrupt
"""

from mooq.launchers.broker import RabbitMQBroker

__all__ = ["RabbitMQBroker"]
