"""LocalStack's process listens only on the loopback address, whatever it would open to every address."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from local.localstack import GATEWAY
from local.sockets import free_port

LISTENERS = """
import json, socket
def listen(family, host):
    with socket.socket(family) as one:
        one.bind((host, 0))
        one.listen()
        return one.getsockname()[0]
places = [(socket.AF_INET, ""), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET, "127.0.0.2")]
if socket.has_ipv6:
    places += [(socket.AF_INET6, ""), (socket.AF_INET6, "::")]
print(json.dumps([listen(*place) for place in places]))
"""
GATEWAY_PORT = """
import os, socket
try:
    socket.create_server(("", int(os.environ["GATEWAY_LISTEN"].split(":")[1])))
except OSError:
    print("it went on")
"""


def run(folder: Path, source: str, port: int) -> subprocess.CompletedProcess[str]:
    (folder / "served.py").write_text(source)
    environment = {**os.environ, "PYTHONPATH": str(folder), "GATEWAY_LISTEN": f"127.0.0.1:{port}"}
    command = [sys.executable, str(GATEWAY), "served"]
    return subprocess.run(command, env=environment, text=True, capture_output=True, timeout=30, check=False)


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
def test_every_address_becomes_the_loopback_one(tmp_path: Path) -> None:
    done = run(tmp_path, LISTENERS, free_port())
    assert json.loads(done.stdout) == ["127.0.0.1", "127.0.0.1", "127.0.0.2", "::1", "::1"], done.stderr


def test_it_ends_where_its_port_is_another_servers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(tmp_path, GATEWAY_PORT, port)
    assert done.returncode == 1 and not done.stdout
    assert f"port {port} is in use by another server" in done.stderr
