"""`python3 examples/plan.py [NAME]`: what a run will take, and what it took (`make run` in another terminal first).

NAME is an example that examples/run.py knows; the default is `fan_out_1000`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from run import call, run, workflow


def show(plan: dict[str, Any]) -> None:
    """Print what a person wants to know first."""
    usage, path, makespan = plan["usage"], plan["critical_path"], plan["makespan"]
    print(f"{plan['name']}: {plan['nodes']} nodes in {len(plan['levels'])} levels, {plan['max_parallelism']} at once")
    print(f"  critical path {' > '.join(path['nodes'][:5])}: {path['seconds']:g} s")
    print(f"  {makespan['workers']} workers: {makespan['seconds']:g} s; no limit: {makespan['unlimited_seconds']:g} s")
    print(f"  {usage['messages']} messages, {usage['sqs_requests']} SQS requests, {usage['redis_calls']} Redis calls")
    if waiting := usage["gb_seconds_per_node_second"]:
        print(f"  {usage['gb_seconds']:g} GB-seconds, {waiting:g} for a second of a node")
    for name, bill in plan["cost_usd"].items():
        print(f"  US$ {bill['total']:.6f} {name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="?", default="fan_out_1000")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the service is")
    options = parser.parse_args()
    definition = workflow(options.name)
    show(call(options.url, "/api/workflow/plan", definition))
    status, _, _ = run(options.url, definition, {})
    usage, planned = status["usage"], status["usage"]["planned"]
    print(f"{status['instance_id']} {status['status']}")
    print(f"  {usage['messages']} messages, {planned['messages']} planned")
    print(f"  {usage['transitions']} transitions, {planned['transitions']} planned")
    print("With the durations of its nodes:")
    show(call(options.url, f"/api/workflow/{status['execution_id']}/plan?instance_id={status['instance_id']}"))


if __name__ == "__main__":
    main()
