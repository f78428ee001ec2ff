"""Commands that start work: run, submit, trigger, validate."""

from __future__ import annotations

import time
from typing import Any

import typer

from cli import live, options, sources, text, views
from cli.client import Client
from cli.commands import plans
from cli.failures import Exit, Failure, of_status
from cli.outline import Nodes
from cli.session import Session, command
from cli.sources import Source


def register(app: typer.Typer) -> None:
    command(app)(run)
    command(app)(submit)
    command(app)(trigger)
    command(app)(validate)


def run(
    session: Session,
    file: options.File,
    param: options.Param = None,
    params: options.Params = None,
    tag: options.Tag = None,
    watch: options.Watch = False,
    timeout: options.Timeout = None,
) -> Exit:
    """Submit a workflow and start an instance of it.

    With --watch it is followed to its end: the output is on stdout, all else on stderr, and the exit code says how it
    ended. Without, stdout has the instance_id.
    """
    if file == "-" and params == "-":
        raise Failure(Exit.INVALID, "only one of FILE and --params can be stdin")
    started_with = sources.params(param or (), params)
    stored = _submit(session, Source(file))
    return _trigger(session, stored["execution_id"], started_with, tag, watch=watch, timeout=timeout)


def submit(session: Session, file: options.File) -> None:
    """Validate a workflow and store it.

    On stdout: its execution_id.
    """
    stored = _submit(session, Source(file))
    if session.output.as_json:
        session.output.json(stored)
    else:
        session.output.say(f"{text.clean(stored['name'])}: {stored['nodes']} nodes")
        session.output.line(stored["execution_id"])


def trigger(
    session: Session,
    id: options.Workflow,
    param: options.Param = None,
    params: options.Params = None,
    tag: options.Tag = None,
    watch: options.Watch = False,
    timeout: options.Timeout = None,
) -> Exit:
    """Start an instance of a stored workflow.

    On stdout: its instance_id, or with --watch its output.
    """
    return _trigger(session, id, sources.params(param or (), params), tag, watch=watch, timeout=timeout)


def validate(session: Session, file: options.File) -> Exit:
    """Check a workflow, and store nothing.

    All faults are reported at once, with their lines.
    """
    source = Source(file)
    source.json()
    try:
        plans.of_source(session, source)
    except Failure as failure:
        if session.output.as_json and failure.code is Exit.INVALID and failure.faults:
            session.output.json({"valid": False, "errors": [fault.as_dict() for fault in failure.faults]})
            return Exit.INVALID
        raise
    if session.output.as_json:
        session.output.json({"valid": True, "errors": []})
    else:
        session.output.say(f"{source.name} is valid")
    return Exit.OK


def finish(
    session: Session, instance_id: str, nodes: Nodes, timeout: float | None, ended: dict[str, Any] | None = None
) -> Exit:
    """Follow an instance to its end; then print its output, or with --json its results.

    `ended` is the answer of a trigger that waited for the end; it has the output.
    """
    status = live.follow(session.client, session.output, instance_id, nodes, seconds=timeout)
    code = of_status(status["status"])
    if code is Exit.RUNNING:
        session.output.say(f"{instance_id} is still {status['status']}: `dag status {instance_id} --watch` follows it")
        if session.output.as_json:
            session.output.json(status)
        return code
    if status.get("error") and not status["error"].get("node"):  # a node's error is shown next to the node
        session.output.say(views.reason(status["error"]), style="red")
    if ended is None or session.output.as_json:
        results: dict[str, Any] = session.client.get("workflows", instance_id, "results")
    else:
        results = ended
    if session.output.as_json:
        session.output.json(results)
        return code
    views.say_large(session.output, results)
    if code is Exit.OK or results["output"] is not None:
        session.output.json(results["output"])
    return code


def _submit(session: Session, source: Source) -> dict[str, Any]:
    try:
        stored: dict[str, Any] = session.client.post("workflow", raw=source.raw, once=True)
    except Failure as failure:
        raise source.located(failure) from failure
    return stored


def _trigger(
    session: Session,
    execution_id: str,
    params: dict[str, Any] | None,
    tag: list[str] | None,
    *,
    watch: bool,
    timeout: float | None,
) -> Exit:
    body: dict[str, Any] = {} if params is None else {"params": params}
    if tag:
        body["tags"] = sources.pairs(tag, "--tag")
    begun = time.monotonic()
    wait = live.first_wait(session.output, timeout) if watch else 0
    started = _start(session.client, execution_id, body, wait)
    if watch:
        left = None if timeout is None else max(timeout - (time.monotonic() - begun), 0)
        nodes = live.shape(session.client, execution_id)
        return finish(session, started["instance_id"], nodes, left, started if "output" in started else None)
    if session.output.as_json:
        session.output.json(started)
    else:
        session.output.line(started["instance_id"])
    return Exit.OK


def _start(client: Client, execution_id: str, body: dict[str, Any], wait: float) -> dict[str, Any]:
    """Start an instance, and wait for its end if the service can: an older release refuses the parameter."""
    started: dict[str, Any]
    if wait > 0:
        try:
            started = client.post("workflow", "trigger", execution_id, body=body, once=True, wait=f"{wait:.2f}")
            return started
        except Failure as failure:
            if "/query/wait" not in [fault.pointer for fault in failure.faults]:
                raise
    started = client.post("workflow", "trigger", execution_id, body=body, once=True)
    return started
