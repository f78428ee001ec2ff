"""The local commands of docs/operate.md are run on a local stack; its AWS commands are checked by AWS's own models."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.processes import ROOT
from tests.support import aws_cli, packaging
from tests.support.harness import wait_until
from tests.support.stack import RunningStack, running_stack

PAGE = (ROOT / "docs/operate.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))
SECTIONS[""] = PAGE.split("\n## ", 1)[0]

# A node that waits a minute for its retry, behind one that completed.
STUCK = {
    "name": "stuck",
    "dag": {
        "nodes": [
            {"id": "first", "handler": "noop"},
            {
                "id": "second",
                "handler": "call_external_service",
                "dependencies": ["first"],
                "config": {"url": "http://127.0.0.1:9/"},
                "retry_policy": {"max_attempts": 3, "initial_backoff_seconds": 600, "max_backoff_seconds": 600},
            },
        ]
    },
}


def blocks(section: str, *kinds: str) -> list[str]:
    """Return the commands of a section: `sh` for both places, `sh local`, `sh aws`."""
    found = re.findall(r"^```(sh[ a-z]*)\n(.*?)^```", SECTIONS[section], re.M | re.S)
    return [text for kind, text in found if kind in kinds]


@pytest.mark.parametrize("words", list(aws_cli.commands(PAGE)), ids=lambda words: " ".join(words[1:3]))
def test_aws_has_these_commands(words: list[str]) -> None:
    aws_cli.parse(words)


def test_a_command_that_aws_does_not_have_would_be_noticed() -> None:
    for wrong in (
        "aws sqs redrive --queue-url x",
        "aws sqs purge-queue --queue-name x",
        "aws lambda put-function-concurrency --function-name x",
        "aws lambda put-function-concurrency --function-name x --reserved-concurrent-executions many",
        "aws elasticache modify-serverless-cache --serverless-cache-name x --cache-usage-limits 'Storage={Maximum=1}'",
    ):
        (words,) = aws_cli.commands(wrong)
        with pytest.raises(aws_cli.Wrong):
            aws_cli.parse(words)


def test_the_stack_has_the_resources_that_are_named() -> None:
    made = packaging.template("prod")["Resources"]
    events = {f"{name}{event}" for name, one in made.items() for event in one.get("Properties", {}).get("Events", {})}
    assert set(re.findall(r"\$\(of (\w+)\)", PAGE)) <= made.keys() | events


def test_every_alarm_has_a_section() -> None:
    made = packaging.template("prod")["Resources"].values()
    alarms = [one["Properties"] for one in made if one["Type"] == "AWS::CloudWatch::Alarm"]
    for alarm in alarms:
        name = alarm["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName} ")
        assert f"*{name}*" in PAGE, name
        for section in re.findall(r'operate\.md, "(.+?)"', alarm["AlarmDescription"]):
            assert section in SECTIONS


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with running_stack(tmp_path_factory.mktemp("operate"), {"WORKERS": "1"}) as running:
        yield running


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide `aws`, `valkey-cli`, `python` and `make` from the tests and this environment, with nothing installed."""
    folder = tmp_path_factory.mktemp("tools")
    programs = {"aws": "-m tests.support.aws_cli", "valkey-cli": "-m tests.support.valkey_cli", "python": ""}
    for name, module in programs.items():
        (folder / name).write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} {module} "$@"\n')
    (folder / "make").write_text(f"#!/bin/sh\nexec {sys.executable} -m doctor\n")
    for program in folder.iterdir():
        program.chmod(0o755)
    return folder


class Shell:
    """A shell that the beginning of the page has prepared."""

    def __init__(self, stack: RunningStack, tools: Path) -> None:
        self.stack = stack
        self._environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "DATA_DIR": str(stack.log.parent)}
        self._prologue = "set -eu -o pipefail\n" + blocks("", "sh local")[1]

    def run(self, *commands: str, **variables: str) -> str:
        done = subprocess.run(
            ["bash", "-c", "\n".join([self._prologue, *commands])],
            cwd=ROOT,
            env={**self._environment, **variables},
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def section(self, name: str, **variables: str) -> str:
        return self.run(*blocks(name, "sh", "sh local"), **variables)


@pytest.fixture
def shell(stack: RunningStack, tools: Path) -> Shell:
    return Shell(stack, tools)


@pytest.fixture
def stuck(shell: Shell) -> str:
    """Start an instance that waits for a retry."""
    submitted = json.loads(shell.run(f"curl -sf $API/workflow -d '{json.dumps(STUCK)}'"))
    triggered = json.loads(shell.run(f"curl -sf -X POST $API/workflow/trigger/{submitted['execution_id']}"))
    id = str(triggered["instance_id"])
    wait_until(lambda: '"attempt":2' in shell.run(f"curl -sf $API/workflows/{id}"), what="the second attempt")
    return id


def test_the_doctor_finds_nothing(shell: Shell) -> None:
    assert " 0 warnings, 0 broken" in shell.run(blocks("", "sh local")[0])


def test_what_the_doctor_says_to_do_mends_it(shell: Shell) -> None:
    shell.run("aws sqs set-queue-attributes --queue-url $QUEUE_URL --attributes VisibilityTimeout=5")
    found = json.loads(shell.run("python -m doctor --json || [ $? = 1 ]"))
    (warning,) = (one for one in found["findings"] if one["level"] != "ok")
    assert warning["check"] == "visibility timeout" and found["level"] == "warning"
    shell.run(warning["do"])
    assert json.loads(shell.run("python -m doctor --json"))["level"] == "ok"


def test_dead_letters_are_read_and_moved_back(shell: Shell, stuck: str) -> None:
    """The consumer takes them at once, so it is stopped while the commands are run."""
    (poller,) = shell.stack.pids("local.poller")
    execution_id = json.loads(shell.run(f"curl -sf $API/workflows/{stuck}"))["execution_id"]
    body = {"instance_id": stuck, "execution_id": execution_id, "nodes": [{"node": 1, "attempt": 1}]}
    os.kill(poller, 19)
    try:
        send = f"aws sqs send-message --queue-url $DEAD_LETTER_QUEUE_URL --message-body '{json.dumps(body)}'"
        printed = shell.run(send, send, *blocks("Dead letters", "sh"))  # a running poll may receive the first one
        assert stuck in printed and '"Status": ' in printed
        left = "aws sqs get-queue-attributes --queue-url $DEAD_LETTER_QUEUE_URL --attribute-names All"
        wait_until(
            lambda: json.loads(shell.run(left))["Attributes"]["ApproximateNumberOfMessages"] == "0",
            what="an empty dead-letter queue",
        )
    finally:
        os.kill(poller, 18)
    assert '"attempt":2' in shell.run(f"curl -sf $API/workflows/{stuck}")  # the first attempt's message was refused


def test_a_stuck_instance_is_looked_into(shell: Shell, stuck: str) -> None:
    printed = shell.section("Stuck instance", ID=stuck)
    assert "second: Q:2:1:0:" in printed and "it waits for a worker" in printed
    assert "RUNNING" in printed and '"ApproximateNumber' not in printed
    # The last command made it due. The sweep looks at it, and resets the entry to the time in the `due` set.
    index = f'valkey ZSCORE "dag1:{{{stuck[-2:]}}}:due" {stuck}'
    wait_until(lambda: float(shell.run(index)) > 0, what="a corrected index")


def test_finished_instances_make_room_and_nothing_that_runs_goes(shell: Shell, stuck: str) -> None:
    workflow = '{"name": "short", "dag": {"nodes": [{"id": "only", "handler": "noop"}]}}'
    execution_id = json.loads(shell.run(f"curl -sf $API/workflow -d '{workflow}'"))["execution_id"]
    ended = json.loads(shell.run(f"curl -sf -X POST $API/workflow/trigger/{execution_id}"))["instance_id"]
    assert '"COMPLETED"' in shell.run(f"curl -sf '$API/workflows/{ended}?wait=20'".replace("'", '"'))
    assert "used_memory" in shell.section("Redis full")
    assert shell.run("valkey CONFIG GET maxmemory").split() == ["maxmemory", str(4 * 2**30)]
    assert '"status":404' in shell.run(f"curl -s $API/workflows/{ended}")
    assert '"RUNNING"' in shell.run(f"curl -sf $API/workflows/{stuck}")


def test_a_purged_queue_loses_nothing(shell: Shell) -> None:
    """The worker is stopped, its message is deleted, and the sweep sends another one."""
    (worker,) = shell.stack.pids("local.worker")
    workflow = '{"name": "purged", "dag": {"nodes": [{"id": "only", "handler": "noop"}]}}'
    execution_id = json.loads(shell.run(f"curl -sf $API/workflow -d '{workflow}'"))["execution_id"]
    os.kill(worker, 19)
    try:
        id = json.loads(shell.run(f"curl -sf -X POST $API/workflow/trigger/{execution_id}"))["instance_id"]
        assert "Messages" in PAGE and shell.section("Hot queue")
    finally:
        os.kill(worker, 18)
    assert '"COMPLETED"' in shell.run(f'curl -sf "$API/workflows/{id}?wait=25"')
