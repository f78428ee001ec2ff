"""What a cold start costs: `python -m benchmarks.cold_start [runs]`. Import, start under awslambdaric, memory.

awslambdaric is what runs a Python function on AWS Lambda: here it asks a small server of our own for its first event
(AWS Lambda Developer Guide, "Using the Lambda runtime API"). Each start is a process of its own; medians are shown.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from local.processes import ROOT

FUNCTIONS = {"api_handler": "app.app", "worker": "app.worker", "scheduler": "app.scheduler", "sweep": "app.sweep"}
ENVIRONMENT = {"PYDANTIC_DISABLE_PLUGINS": "__all__", "AWS_REGION": "us-east-1", "PYTHONPATH": str(ROOT)}


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    bare = statistics.median(seconds("pass") for _ in range(runs))
    imported = statistics.median(seconds("import app") for _ in range(runs))
    print(f"import app: {(imported - bare) * 1000:.0f} ms (python alone: {bare * 1000:.0f} ms)\n")
    print("| package | ms of the import, its own imports included |\n|---|---|")
    for name, milliseconds in slowest()[:12]:
        print(f"| {name} | {milliseconds:.0f} |")
    print("\n| function | process start to first event, ms | memory then, MB |\n|---|---|---|")
    for name, handler in FUNCTIONS.items():
        starts = [start(handler) for _ in range(runs)]
        took, memory = (statistics.median(column) for column in zip(*starts, strict=True))
        print(f"| {name} | {took * 1000:.0f} | {memory:.0f} |")


def seconds(program: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment(), check=True)
    return time.perf_counter() - started


def slowest() -> list[tuple[str, float]]:
    """Top-level packages by what importing them took, in ms (python -X importtime)."""
    command = [sys.executable, "-X", "importtime", "-c", "import app"]
    done = subprocess.run(command, cwd=ROOT, env=environment(), text=True, capture_output=True, check=True)
    lines = re.findall(r"^import time:\s+\d+ \|\s+(\d+) \|\s+(\S+)$", done.stderr, re.M)
    packages = [(name, int(us) / 1000) for us, name in lines if "." not in name and not name.startswith("_")]
    return sorted(packages, key=lambda package: -package[1])


def start(handler: str) -> tuple[float, float]:
    """Seconds until the function asks for its first event, and MB resident then."""
    asked = threading.Event()

    class Runtime(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.set()
            time.sleep(60)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Runtime) as server:
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        env = environment() | {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}", "_HANDLER": handler}
        started = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "awslambdaric", handler], cwd=ROOT, env=env)
        try:
            if not asked.wait(30):
                raise RuntimeError(f"{handler} did not start")
            took = time.perf_counter() - started
            with open(f"/proc/{process.pid}/status") as status:
                resident = re.search(r"VmRSS:\s+(\d+) kB", status.read())
            return took, int(resident[1]) / 1024 if resident else 0.0
        finally:
            process.kill()
            process.wait()
            server.shutdown()


def environment() -> dict[str, str]:
    return os.environ | ENVIRONMENT


if __name__ == "__main__":
    main()
