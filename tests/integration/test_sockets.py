"""Servers listen only on the loopback address, and a local run uses only servers that it started."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from benchmarks.floor import running_localstack
from benchmarks.turn import running_valkey as benchmarks_valkey
from local import valkey
from local.processes import ROOT, NotReady, spawn, stop, wait_ready
from local.sockets import free_port, is_served, is_server
from tests.support.doors import listeners, open_doors
from tests.support.harness import wait_until
from tests.support.stack import RunningStack, running_stack

HELD = ("REDIS_URL", "AWS_ENDPOINT_URL", "QUEUE_URL", "DEAD_LETTER_QUEUE_URL")


def ports(root: int) -> set[int]:
    return {port for _, port in listeners(root)}


def port_of(url: str) -> int:
    return urlsplit(url).port or 0


def refused(data_dir: Path, **settings: str) -> str:
    """Return the output of a run that must refuse to start."""
    environment = {name: value for name, value in os.environ.items() if name not in HELD}
    environment |= {"DATA_DIR": str(data_dir), "PORT": str(free_port())} | settings
    done = subprocess.run(
        [sys.executable, "-m", "local"], cwd=ROOT, env=environment, text=True, capture_output=True, timeout=60
    )
    assert done.returncode in (1, 2) and "Ready" not in done.stdout, done.stdout
    return done.stdout


def test_no_other_machine_reaches_a_run(stack: RunningStack) -> None:
    ours = {port_of(stack.url), port_of(stack.exported("REDIS_URL")), port_of(stack.exported("AWS_ENDPOINT_URL"))}
    assert ours <= ports(stack.process.pid)  # so the test can see open doors
    assert open_doors(stack.process.pid) == {}


def test_no_other_machine_reaches_chalice_local(stack: RunningStack) -> None:
    """`make local-http` runs next to the stack, by its own recipe."""
    port = free_port()
    names = ("MAKEFLAGS", "MAKELEVEL", "HOST")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    command = ["make", "local-http", f"DATA_DIR={stack.log.parent}", f"PORT={port}", "-o", "install"]
    process = spawn(command, env=environment, output=subprocess.DEVNULL)
    try:
        wait_until(lambda: is_served(port), what="chalice local answers")
        assert port in ports(process.pid)
        assert open_doors(process.pid) == {}
    finally:
        stop(process)


def test_no_other_machine_reaches_the_servers_of_tests_and_benchmarks(
    valkey_url: str, cluster_urls: str, localstack_url: str, tmp_path: Path
) -> None:
    folders = [tmp_path / "valkey", tmp_path / "localstack"]
    for folder in folders:
        folder.mkdir()
    with benchmarks_valkey(folders[0]) as store, running_localstack(folders[1]) as queue:
        urls = (valkey_url, cluster_urls, localstack_url, store, queue)
        assert {port_of(url) for url in urls} <= ports(os.getpid())
        assert open_doors(os.getpid()) == {}


@pytest.mark.parametrize(("setting", "name"), [("VALKEY_PORT", "Valkey"), ("LOCALSTACK_PORT", "LocalStack")])
def test_a_run_does_not_use_the_servers_of_another(
    stack: RunningStack, tmp_path: Path, setting: str, name: str
) -> None:
    url = stack.exported({"VALKEY_PORT": "REDIS_URL", "LOCALSTACK_PORT": "AWS_ENDPOINT_URL"}[setting])
    said = refused(tmp_path, **{setting: str(port_of(url))})
    assert f"port {port_of(url)} ({name}) is in use" in said and f"{setting}=..." in said


@pytest.mark.parametrize("name", ["Valkey", "LocalStack"])
def test_a_port_that_is_taken_after_the_look_at_it(stack: RunningStack, tmp_path: Path, name: str) -> None:
    """If another server has taken the default port by the time that ours starts, ours uses another port."""
    theirs = {"Valkey": "REDIS_URL", "LocalStack": "AWS_ENDPOINT_URL"}[name]
    taken = port_of(stack.exported(theirs))
    # The check of the port is made to miss it the first time, as in a race.
    program = (
        "import sys, local.__main__, local.backends as b, local.valkey as v, local.localstack as l\n"
        f"{'v' if name == 'Valkey' else 'l'}.DEFAULT_PORT, look, missed = {taken}, b.is_free, []\n"
        "def is_free(port, host='127.0.0.1'):\n"
        f"    return (port == {taken} and not missed and not missed.append(1)) or look(port, host)\n"
        "b.is_free = is_free\n"
        "sys.exit(local.__main__.main([]))\n"
    )
    with running_stack(tmp_path, command=[sys.executable, "-c", program], free_ports=False) as second:
        assert any(f"another server took port {taken}" in line for line in second.lines)
        assert second.exported(theirs) != stack.exported(theirs)
        assert second.exported("QUEUE_URL") != stack.exported("QUEUE_URL")


def test_a_run_ends_where_another_server_takes_the_port_of_one_that_died(tmp_path: Path) -> None:
    with running_stack(tmp_path) as run, contextlib.ExitStack() as exits:
        port = port_of(run.exported("REDIS_URL"))
        [pid] = run.pids("-server 127.0.0.1:")
        os.kill(run.process.pid, 19)  # SIGSTOP, so the supervisor does not restart it
        os.kill(pid, 9)
        listener = exits.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        wait_until(lambda: bound(listener, port), what="the port is free")
        listener.listen()
        os.kill(run.process.pid, 18)
        assert run.process.wait(40) == 1
        assert any(f"another server took port {port} (valkey)" in line for line in run.lines)


def bound(listener: socket.socket, port: int) -> bool:
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


def test_an_answer_of_another_server_is_not_ours(valkey_url: str, tmp_path: Path) -> None:
    port = port_of(valkey_url)
    process = spawn([sys.executable, "-c", "import signal; signal.pause()"])
    try:
        assert valkey.is_ready(port) and not is_server(process.pid, port)
        with pytest.raises(NotReady, match="did not answer"):
            wait_ready(process, lambda: valkey.is_ready(port), seconds=0.2, port=port)
    finally:
        stop(process, seconds=0)
