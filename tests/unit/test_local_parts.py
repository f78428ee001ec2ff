"""The small parts of a local run: ports, environment, children, the compose file."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml

from chalicelib.errors import BadSettings
from local import localstack, poller, queues, valkey
from local.backends import pick_port
from local.child import GIVE_UP_AFTER, Child
from local.config import BadConfiguration, Config, child_environment
from local.processes import ROOT, Missing, NotReady, spawn, stop, tail, wait_ready
from local.sockets import free_port, is_free
from tests.support.servers import QueuePair


def test_a_port_in_use_is_named_with_its_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert not is_free(port)
        with pytest.raises(BadConfiguration, match=rf"port {port} \(HTTP\) is in use .*PORT=\.\.\."):
            Config.read({"PORT": str(port)}).check_port()
        said: list[str] = []
        assert pick_port("Valkey", port, said.append) != port
        assert said and said[0].startswith(f"port {port} (Valkey) is in use")


def test_a_free_default_is_taken_silently() -> None:
    port, said = free_port(), list[str]()
    assert pick_port("Valkey", port, said.append) == port
    assert not said


def test_defaults() -> None:
    config = Config.read({"PORT": "", "REDIS_URL": ""})
    assert (config.host, config.port, config.workers, config.data_dir) == ("127.0.0.1", 8000, 2, ROOT / ".data")
    assert config.redis_url is None and config.aws_endpoint_url is None
    assert Config.read({"HOST": "0.0.0.0", "ALLOW_PUBLIC": "1"}).base_url == "http://127.0.0.1:8000"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "myhost.example"])
def test_nobody_else_gets_in_by_accident(host: str) -> None:
    with pytest.raises(BadSettings, match=r"asks nobody who they are.*ALLOW_PUBLIC=1"):
        Config.read({"HOST": host})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_is_always_fine(host: str) -> None:
    assert Config.read({"HOST": host}).host == host


def test_a_store_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    environment = {**os.environ, "DATA_DIR": str(tmp_path), "PORT": str(free_port()), "AWS_ENDPOINT_URL": "http://x"}
    environment["REDIS_URL"] = f"redis://me:pa55word@127.0.0.1:{free_port()}/0"
    done = subprocess.run(
        [sys.executable, "-m", "local"], cwd=ROOT, env=environment, text=True, capture_output=True, timeout=60
    )
    assert done.returncode == 1 and "the store at REDIS_URL does not answer" in done.stdout
    assert "pa55word" not in done.stdout + done.stderr


def test_the_callers_own_settings_win() -> None:
    env = child_environment(
        {"LEASE_SECONDS": "3", "AWS_DEFAULT_REGION": "eu-west-1", "NO_PROXY": "intranet", "AWS_ACCESS_KEY_ID": "me"},
        redis_url="redis://r",
        endpoint_url="http://e",
    )
    assert (env["LEASE_SECONDS"], env["RESEND_SECONDS"]) == ("3", "10")
    assert env["AWS_REGION"] == env["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert env["NO_PROXY"] == "intranet,127.0.0.1,localhost"
    assert env["AWS_ACCESS_KEY_ID"] == "me" and "AWS_SECRET_ACCESS_KEY" not in env
    assert env["PYTHONPATH"] == str(ROOT)
    assert (env["REDIS_URL"], env["AWS_ENDPOINT_URL"]) == ("redis://r", "http://e")


def test_dummy_credentials_where_there_are_none() -> None:
    env = child_environment({}, redis_url="redis://r", endpoint_url="http://e")
    assert env["AWS_ACCESS_KEY_ID"] and env["AWS_SECRET_ACCESS_KEY"]


def test_missing_servers_say_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Missing, match="REDIS_URL"):
        valkey.find_server()
    monkeypatch.setattr(localstack, "VENV", tmp_path)
    with pytest.raises(Missing, match="make install"):
        localstack.find_python()


def test_valkey_comes_from_the_path_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("redis-server", "valkey-server"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert valkey.find_server() == str(tmp_path / name)
    argv = valkey.command(1, tmp_path)
    assert argv[argv.index("--appendonly") + 1] == "yes" and argv[argv.index("--bind") + 1] == "127.0.0.1"


def test_a_child_dies_with_its_parent() -> None:
    """That holds even if the parent is killed."""
    code = (
        "import subprocess, time\n"
        "from local.processes import spawn\n"
        "print(spawn(['sleep', '60']).pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert _is_alive(pid)
        parent.send_signal(signal.SIGKILL)
    end = time.monotonic() + 10
    while _is_alive(pid) and time.monotonic() < end:
        time.sleep(0.01)
    assert not _is_alive(pid)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_waiting_for_a_process_that_ends_says_how(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = spawn(["sh", "-c", "echo trouble; exit 3"], output=output)
    with pytest.raises(NotReady, match="exit code 3"):
        wait_ready(process, lambda: False, seconds=10)
    assert tail(log) == ["trouble"] and tail(tmp_path / "none") == []
    stop(process)


def test_a_vital_child_that_is_never_ready_is_given_up() -> None:
    vital = Child("http", ["true"], env={}, ready=lambda: True, vital=True)
    worker = Child("worker-1", ["true"], env={})
    delays = [vital.note_death() for _ in range(GIVE_UP_AFTER)]
    assert delays == [0.2, 0.4, 0.8, 1.6, 3.2] and vital.is_hopeless
    for _ in range(2 * GIVE_UP_AFTER):
        worker.note_death()
    assert not worker.is_hopeless and worker.note_death() == 5.0
    vital.was_ready = True  # a child that was up and was killed may be up again
    vital.note_death()
    assert not vital.is_hopeless


def test_the_sweep_goes_on_after_an_error(caplog: pytest.LogCaptureFixture) -> None:
    stopping, calls = threading.Event(), list[int]()

    def sweep() -> None:
        calls.append(1)
        if len(calls) < 3:
            raise OSError("away")
        stopping.set()

    with caplog.at_level("INFO", "local.poller"):
        poller.sweep_until(stopping, sweep, seconds=0.001)
    assert [entry.getMessage() for entry in caplog.records] == [
        "the sweep fails, trying on: away",
        "the sweep works again",
    ]


def test_queues_are_made_once_and_brought_up_to_date(queue_urls: QueuePair) -> None:
    name = queue_urls.url.rsplit("/", 1)[1]
    again = queues.ensure(queue_urls.client, name, visibility_seconds=60)
    assert (again.queue, again.dead_letters) == (queue_urls.url, queue_urls.dead_letter_url)
    answer = queue_urls.client.get_queue_attributes(QueueUrl=again.queue, AttributeNames=["All"])
    assert answer["Attributes"]["VisibilityTimeout"] == "60"
    assert f'{name}-dead", "maxReceiveCount": 5' in answer["Attributes"]["RedrivePolicy"]


def test_the_compose_file() -> None:
    """It has the image that needs no token, and nothing that other machines can reach."""
    services = yaml.safe_load((ROOT / "localstack-compose.yml").read_text())["services"]
    assert services["localstack"]["image"] == "localstack/localstack:4.9.2"
    assert services["localstack"]["environment"]["SERVICES"] == "sqs"
    assert services["valkey"]["image"] == "valkey/valkey:9"
    assert services["valkey"]["command"][1:3] == ["--appendonly", "yes"]
    services["cloud"] = services["localstack"] | services["cloud"]  # the second service extends the first
    for service in services.values():
        assert service["healthcheck"] and service["volumes"]
        assert all(binding.startswith("127.0.0.1:") for binding in service["ports"])


def test_ci_runs_the_command_of_the_readme() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK) and os.access(ROOT / "local" / "install.sh", os.X_OK)
    assert script.read_text().splitlines()[-1] == "exec make test"
