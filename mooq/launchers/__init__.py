"""Starting, restarting and stopping a RabbitMQ from this process.

::

    broker.py        RabbitMQBroker: run, restart, close
    selection.py     choosing a launcher, by argument or by TEST_DISTRIBUTION
    launcher.py      the interface of launchers
    systemctl.py     … a systemd unit        service.py   … a System V service
    docker.py        … a container           process.py   … a temporary node of this user
    engine.py        Docker's engine: its images, and mooq's errors for its failures
    docker_host.py   the host of containers' ports
    readiness.py     whether it is ready, and whether it was restarted
    commands.py      running a command as root
    ports.py         whether a port of this machine is free
    cancellation.py  work that a cancellation must not interrupt
"""

from mooq.launchers.broker import RabbitMQBroker

__all__ = ["RabbitMQBroker"]
