"""Settings are checked as a whole: every fault is a line, with name, value (unless it is secret) and remedy."""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from chalicelib import faults
from chalicelib.errors import BadSettings
from chalicelib.settings import Settings
from deploy import deployment
from doctor import given
from local import check, localstack
from local.child import SILENT_AFTER, Child
from local.config import Config, child_environment
from local.console import Console
from local.processes import ROOT
from local.server import create
from local.sockets import free_port
from local.supervisor import Supervisor
from tests.support.harness import wait_until

BAD = {
    "LEASE_SECONDS": ("inf", "-inf", "nan", "0", "1e999", "0.0001", "soon", "1e300"),
    "RESEND_SECONDS": ("inf", "nan", "-1"),
    "DEFAULT_TIMEOUT_SECONDS": ("inf", "0", "841"),
    "HOP_SECONDS": ("nan", "-1"),
    "LATE_SECONDS": ("Infinity", "0"),
    "SECRETS_KEEP_SECONDS": ("inf", "-1"),
    "MAX_MEMORY_SHARE": ("nan", "2"),
    "MAX_BODY_BYTES": ("0", "-1", "inf", "1.5"),
    "MAX_NODES": ("0", "many"),
    "MAX_DEPTH": ("0", "100000"),
    "RETENTION_SECONDS": ("0", "1e30"),
    "REDIS_URL": ("localhost:6379", "redis://", "redis://h:99999/0", "http://h", "redis://h/x", "redis://a b/0"),
    "QUEUE_URL": ("queue", "http://h", "http://h/1/q.fifo", "ftp://h/1/q"),
    "DEAD_LETTER_QUEUE_URL": ("x://y/z/q",),
    "AWS_ENDPOINT_URL": ("127.0.0.1:4566", "http://", "http://h:0", "http://h:x", "http://a b"),
    "LLM_BASE_URL": ("models", "file:///models"),
    "VALUES_URL": ("http://bucket", "s3://"),
    "HANDLER_MODULES": ("a/b.py", "a-b", "good, b c"),
    "LOG_LEVEL": ("loud",),
    "METRICS": ("statsd",),
    "ALLOW_PRIVATE_ADDRESSES": ("perhaps",),
    "QUEUE_NAME": ("a queue", "q" * 76),
    "AWS_REGION": ("eu west",),
}
LOCAL = {
    "PORT": ("0", "70000", "eighty", "-1", "inf"),
    "WORKERS": ("0", "-1", "65", "two"),
    "SWEEP_INTERVAL": ("0", "inf", "nan", "-1", "often"),
    "VALKEY_PORT": ("65536",),
    "LOCALSTACK_PORT": ("x",),
    "VISIBILITY_SECONDS": ("0", "43201"),
    "ALLOW_PUBLIC": ("perhaps",),
    "HOST": ("nonsense", "::2", "1.2.3.4"),
    "DATA_DIR": ("/etc/passwd", "/etc/passwd/below"),
}


@pytest.mark.parametrize(
    ("model", "name", "value"),
    [(model, n, v) for model, bad in ((Settings, BAD), (Config, LOCAL)) for n, values in bad.items() for v in values],
)
def test_a_fault_is_a_line_in_words_of_ours(model: type[Settings | Config], name: str, value: str) -> None:
    with pytest.raises(BadSettings) as caught:
        model.from_environment({name: value})
    (line,) = caught.value.faults
    assert line.startswith(f"{name}={'***' if name == 'REDIS_URL' else value}: ") and "\n" not in line
    assert not re.search(r"pydantic|validation error|Input should|type=", line) and len(line.split(": ", 1)[1]) > 10


def test_all_faults_are_said_at_once_and_contradictions_among_the_sound() -> None:
    environment = {name: values[0] for name, values in BAD.items() if name != "REDIS_URL"}
    environment |= {"REDIS_CLUSTER": "true", "REDIS_URL": "redis://h/3", "REDIS_AUTH": "iam"}
    with pytest.raises(BadSettings) as caught:
        Settings.from_environment(environment)
    named = {line.partition("=")[0] for line in caught.value.faults}
    assert named == {*BAD, "REDIS_CLUSTER", "REDIS_AUTH"} - {"REDIS_URL"}
    # A fault that involves a setting with a fault of its own may be gone once that one is corrected.
    with pytest.raises(BadSettings) as caught:
        Settings.from_environment({"REDIS_CLUSTER": "true", "REDIS_URL": "me:pa55word@h"})
    assert len(caught.value.faults) == 1 and "pa55word" not in str(caught.value)


@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_an_empty_value_is_the_default(empty: str) -> None:
    names = [name.upper() for name in Settings.model_fields]
    assert Settings.from_environment(dict.fromkeys(names, empty)) == Settings.from_environment({})
    names = [name.upper() for name in Config.model_fields]
    assert Config.read(dict.fromkeys(names, empty)) == Config.read({})
    made = child_environment(dict.fromkeys(names, empty) | {"LEASE_SECONDS": empty}, redis_url="r", endpoint_url="e")
    assert made["LEASE_SECONDS"] == "10"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"REDIS_URL": "redis://h/0", "VALKEY_PORT": "6400"}, "VALKEY_PORT"),
        ({"AWS_ENDPOINT_URL": "http://h", "LOCALSTACK_PORT": "6400"}, "LOCALSTACK_PORT"),
        ({"PORT": "6400", "VALKEY_PORT": "6400"}, "VALKEY_PORT"),
        ({"QUEUE_URL": "http://h/1/q", "AWS_ENDPOINT_URL": "http://h"}, "QUEUE_URL"),
        ({"QUEUE_URL": "http://h/1/q", "DEAD_LETTER_QUEUE_URL": "http://h/1/d"}, "QUEUE_URL"),
        ({"SCHEDULING": "lambda"}, "SCHEDULING"),
        ({"REDIS_TLS_CA_FILE": "/no/such.pem"}, "REDIS_TLS_CA_FILE"),
        ({"VALUES_URL": "file:///etc/passwd"}, "VALUES_URL"),
        ({"HANDLER_MODULES": "no.such.module"}, "HANDLER_MODULES"),
    ],
)
def test_what_a_local_run_cannot_go_by(given: dict[str, str], name: str) -> None:
    with pytest.raises(BadSettings) as caught:
        check.settings({"PATH": os.environ["PATH"], **given})
    assert [line.partition("=")[0] for line in caught.value.faults] == [name]


def test_modules_are_tried_in_a_process_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "that_leaves.py").write_text("import sys; print('hello'); sys.exit('I leave')")
    (tmp_path / "that_fails.py").write_text("\nraise RuntimeError('no\\nlicence')")
    (tmp_path / "that_ends_all.py").write_text("import os; os._exit(7)")
    environment = {"PYTHONPATH": str(tmp_path), "HANDLER_MODULES": "that_leaves,that_fails,examples.greet_handler"}
    with pytest.raises(BadSettings) as caught:
        check.settings(environment)
    leaves, fails = caught.value.faults
    assert "SystemExit: I leave" in leaves and "RuntimeError: no licence (that_fails.py, line 2)" in fails
    with pytest.raises(BadSettings, match="exit code 7"):
        check.settings({**environment, "HANDLER_MODULES": "that_ends_all"})


def test_slips_are_told_and_other_programs_names_are_not() -> None:
    ours = {"REDIS_ULR": "REDIS_URL", "WORKER": "WORKERS", "LEASE_SECOND": "LEASE_SECONDS", "DATADIR": "DATA_DIR"}
    others = ("HOME", "AWS_ENDPOINT_URL_S3", "SECRET_TOKEN", "PATH", "SHELL", "LANG", "AWS_PROFILE", "REDIS_URL")
    said = check.slips(dict.fromkeys([*ours, *others], "x"))
    assert {line.split()[0]: line.rstrip("?").split()[-2] for line in said} == ours


def test_what_may_be_secret_is_not_shown() -> None:
    assert faults.shown("http://me:pa55word@h") == "***" and faults.shown("x", secret=True) == "***"
    assert faults.shown("a\nb\x1b") == r"a\nb\x1b" and len(faults.shown("x" * 10_000)) < 200


def test_a_run_with_bad_settings_starts_nothing(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    environment = {**os.environ, "DATA_DIR": str(data_dir), "PORT": str(free_port())}
    environment |= {"WORKERS": "0", "LEASE_SECONDS": "inf", "SWEEP_INTERVALL": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "local"], cwd=ROOT, env=environment, text=True, capture_output=True, timeout=60
    )
    assert done.returncode == 2 and not data_dir.exists() and not done.stderr
    assert all(said in done.stdout for said in ("WORKERS=0: ", "LEASE_SECONDS=inf: ", "is SWEEP_INTERVAL meant?"))


@pytest.mark.parametrize("function", ["app", "worker", "sweep"])
def test_a_function_says_it_in_one_line_and_fails(function: str) -> None:
    """The function is imported as by Lambda; what follows in its log is what Lambda logs for any exception."""
    program = (
        "import json\ntry: import app\nexcept Exception as error: print(json.dumps([type(error).__name__, str(error)]))"
    )
    environment = {**os.environ, "_HANDLER": f"app.{function}", "LEASE_SECONDS": "inf"}
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, text=True, capture_output=True)
    assert done.stdout.startswith('["BadSettings", "LEASE_SECONDS=inf: ')
    (line,) = done.stderr.splitlines()
    assert '"settings refused"' in line and "LEASE_SECONDS=inf" in line


@pytest.mark.parametrize("module", ["local.worker", "local.poller", "local.server"])
def test_a_process_that_meets_bad_handlers_ends_with_a_line(module: str) -> None:
    environment = {**os.environ, "HANDLER_MODULES": "no.such.module"}
    done = subprocess.run(
        [sys.executable, "-m", module], cwd=ROOT, env=environment, text=True, capture_output=True, timeout=60
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("HANDLER_MODULES=no.such.module: ")


def test_values_go_nowhere_by_a_word() -> None:
    assert Settings.from_environment({"VALUES_URL": "none"}).values_url == ""


def test_the_doctor_and_the_deployment_say_the_same() -> None:
    (bad, slip) = given.settings(given.gather({"WORKERS": "0", "REDIS_ULR": "x"}))
    assert bad.level.name == "BROKEN" and bad.says.startswith("WORKERS=0: ") and bad.do
    assert slip.level.name == "WARNING" and "REDIS_URL" in slip.says
    config = {
        "environment_variables": {"LEASE_SECONDS": "inf", "API_AUTH": "iam"},
        "lambda_functions": {"worker": {"environment_variables": {"MAX_LOST": "0"}}},
        "stages": {"dev": {"environment_variables": {"LEASE_SECONDS": "30", "MAX_NODE": "5"}}},
    }
    with pytest.raises(BadSettings) as caught:
        deployment.check_settings(config, "dev")
    assert [line.partition("=")[0] for line in caught.value.faults] == ["MAX_LOST"]
    with pytest.raises(BadSettings, match="LEASE_SECONDS=inf"):
        deployment.check_settings(config, "prod")
    del config["lambda_functions"]
    (said,) = deployment.check_settings(config, "dev")
    assert "MAX_NODES" in said
    ours = json.loads((ROOT / ".chalice/config.json").read_text())
    assert deployment.check_settings(ours, "dev") == deployment.check_settings(ours, "prod") == []


def test_what_dies_at_every_start_is_reported_with_its_last_words_and_not_for_ever() -> None:
    out = io.StringIO()
    supervisor = Supervisor(Console(out))
    program = "import sys; print('Traceback ...', flush=True); sys.exit('KeyError: colour')"
    child = Child("worker-1", [sys.executable, "-c", program], env={})
    child.start(supervisor._console)

    def looked_after() -> bool:
        supervisor.look_after(child)
        child.again_at = child.again_at and 0.0
        return child.failures >= SILENT_AFTER + 5

    wait_until(looked_after, what="it died often", seconds=60)
    child.end(0)
    said = out.getvalue()
    assert "worker-1 died (exit code 1: KeyError: colour), starting it again" in said
    assert said.count("Traceback") <= SILENT_AFTER and said.count(" died ") <= SILENT_AFTER + 1


def test_it_serves_on_the_loopback_address_of_ipv6() -> None:
    from app import app

    try:
        server = create(app, "::1", 0, max_body_bytes=1000)
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error}")
    threading.Thread(target=server.server.serve_forever, daemon=True).start()
    try:
        connection = http.client.HTTPConnection("::1", server.server.server_port, timeout=10)
        connection.request("GET", "/api/nothing")
        assert connection.getresponse().status == 404
        connection.close()
    finally:
        server.server.shutdown()
        server.server.server_close()
    assert Config.read({"HOST": "::1"}).base_url == "http://[::1]:8000"


def test_chalice_local_says_that_it_knows_no_ipv6() -> None:
    with pytest.raises(BadSettings, match=r"HOST=::1: .*make run"):
        check.settings({"HOST": "::1"}, chalice=True)


def test_localstack_needs_no_home(tmp_path: Path) -> None:
    assert Path(localstack.environment(1, tmp_path)["XDG_CACHE_HOME"]).is_relative_to(tmp_path)
