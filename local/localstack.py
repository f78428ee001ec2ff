"""LocalStack's SQS as a child process in host mode: no Docker, no account, no internet."""

from __future__ import annotations

import http.client
import json
import os
from pathlib import Path

from local.processes import ROOT, Missing

DEFAULT_PORT = 4566
VENV = ROOT / ".venv-localstack"
VISITORS = Path(__file__).with_name("visitors.py")


def find_python() -> str:
    """The interpreter of LocalStack's virtual environment. Raises Missing."""
    python = VENV / "bin" / "python"
    marker = list(VENV.glob("lib/python*/site-packages/localstack/runtime/main.py"))
    if not python.exists() or not marker:
        raise Missing(
            f"LocalStack is not installed in {VENV.name}: run `make install`, "
            "or set AWS_ENDPOINT_URL to one that runs already"
        )
    return str(python)


def command() -> list[str]:
    """The command line; the port comes with `environment`. Raises Missing."""
    return [find_python(), str(VISITORS), "localstack.runtime.main"]


def environment(port: int, directory: Path) -> dict[str, str]:
    """The variables of a LocalStack that serves SQS on a loopback port and keeps its files in `directory`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AWS_"))}
    return inherited | {
        "SERVICES": "sqs",
        "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "EAGER_SERVICE_LOADING": "1",
        "DNS_ADDRESS": "0",
        "LOCALSTACK_VOLUME_DIR": str(directory / "volume"),
        "FILESYSTEM_ROOT": str(directory / "root"),
    }


def url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def is_ready(port: int) -> bool:
    """Whether its SQS can be used."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/_localstack/health")
        response = connection.getresponse()
        services = json.loads(response.read()).get("services", {})
        return response.status == 200 and services.get("sqs") in ("available", "running")
    except (OSError, ValueError, http.client.HTTPException):
        return False
    finally:
        connection.close()
