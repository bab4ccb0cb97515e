"""Forked children inherit neither the listening port nor client connections."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

FORKING = """
import os, socket, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # this test forks beside threads on purpose
from mooq.server.listener import Listener, ListenerThread
from tests.unit.server.small_broker import SmallBroker

server = ListenerThread(Listener(SmallBroker()))
server.start()
client = socket.create_connection(("127.0.0.1", server.port))
client.settimeout(10)
client.sendall(b"AMQP\\0\\0\\x09\\1")
assert client.recv(1000)
read, write = os.pipe()
child = os.fork()
if not child:
    os.close(write)
    os.read(read, 1)  # wait until the parent has ended
    os._exit(0)
os.close(read)
client.sendall(b"\\x08\\0\\0\\0\\0\\0\\0\\xce")  # the parent's side stays open
server.close()
try:
    while client.recv(1000):
        pass
    print("hung up")
except ConnectionResetError:
    print("hung up")
try:
    socket.create_connection(("127.0.0.1", server.port)).close()
    print("accepted")
except ConnectionRefusedError:
    print("refused")
os.close(write)
os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_forked_child_keeps_no_socket() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout.split("\n")[:2], done.stderr) == (["hung up", "refused"], "")


def test_forked_child_can_serve_on_the_same_port() -> None:
    script = """
import os, socket, warnings
warnings.simplefilter("ignore", DeprecationWarning)
from mooq.server.listener import Listener, ListenerThread
from tests.unit.server.small_broker import SmallBroker

server = ListenerThread(Listener(SmallBroker()))
server.start()
port = server.port
read, write = os.pipe()
child = os.fork()
if child:
    server.close()
    os.close(write)
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
os.close(write)
os.read(read, 1)
server.close()  # belongs to the parent: does nothing
own = ListenerThread(Listener(SmallBroker(), port=port))
own.start()
socket.create_connection(("127.0.0.1", port)).close()
own.close()
os._exit(7)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (7, "")


def test_port_is_free_after_the_parent_dies() -> None:
    script = """
import os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
from mooq.server.listener import Listener, ListenerThread
from tests.unit.server.small_broker import SmallBroker

server = ListenerThread(Listener(SmallBroker()))
server.start()
if os.fork():
    os._exit(0)
print(server.port, flush=True)
os.read(0, 1)  # run until standard input is closed
os._exit(0)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        port = int(parent.stdout.readline())
        parent.wait(30)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
