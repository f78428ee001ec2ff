"""Commands that show instances, and that control them."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from rich.text import Text

from cli import live, options, sources, text, views
from cli.commands.running import finish
from cli.failures import Exit, Failure, of_status
from cli.session import Session, command

Status = Annotated[
    list[str] | None,
    typer.Option("--status", "-s", help="PENDING, RUNNING, COMPLETED, FAILED or CANCELLED; several times"),
]
PAGE = 200  # the most entries that one request asks for


def register(app: typer.Typer) -> None:
    for function in (status, results, cancel, pause, resume, rerun, history, delete):
        command(app)(function)
    command(app, "list")(list_)


def status(session: Session, id: options.Id, watch: options.Watch = False, timeout: options.Timeout = None) -> Exit:
    """The status of an instance and of its nodes.

    The exit code says it too: 0, 1, 5 or 6.
    """
    found = session.client.get("workflows", id)
    if watch and found["instance_id"] is None:
        raise Failure(Exit.RUNNING, f"{id} was never triggered: there is nothing to follow")
    if watch:
        return finish(session, found["instance_id"], live.shape(session.client, found["execution_id"]), timeout)
    _show(session, found)
    return of_status(found["status"])


def results(
    session: Session,
    id: options.Id,
    node: options.Node = None,
    epoch: Annotated[int | None, typer.Option("--epoch", min=1, help="as they were before a rerun")] = None,
) -> Exit:
    """The output of an instance that has ended.

    --node: the result of one node; --json: all of them.
    """
    found = session.client.get("workflows", id, "results", epoch=epoch)
    if node is not None:
        large = node in found.get("large", {})
        if not large and node not in found["results"]:
            raise Failure(Exit.NOT_FOUND, f"node `{node}` of {found['instance_id']} has no result")
        path = ("workflows", found["instance_id"], "results", node)
        session.output.json(session.client.value(*path, epoch=epoch) if large else found["results"][node])
    else:
        views.say_large(session.output, found)
        session.output.json(found if session.output.as_json else found["output"])
    return of_status(found["status"])


def list_(
    session: Session,
    workflows: Annotated[bool, typer.Option("--workflows", help="what is stored, instead of what ran")] = False,
    status: Status = None,
    name: Annotated[str | None, typer.Option("--name", help="a part of the workflow's name")] = None,
    tag: options.Tag = None,
    of: Annotated[str | None, typer.Option("--of", metavar="EXECUTION_ID", help="of one workflow")] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="created then or later, RFC 3339")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="created then or before")] = None,
    limit: options.Limit = 20,
    cursor: options.Cursor = None,
) -> None:
    """Instances, the newest first, or with --workflows what is stored."""
    query: dict[str, Any] = {
        "name": name,
        "tag": [f"{key}:{value}" for key, value in sources.pairs(tag or (), "--tag").items()],
    }
    if not workflows:
        query |= {
            "status": ",".join(status).upper() if status else None,
            "execution_id": of,
            "from": since,
            "to": until,
        }
    path, noun = (("workflow",), "workflows") if workflows else (("workflows",), "instances")
    entries: list[Any] = []
    page: dict[str, Any] = {"next": cursor}
    while True:  # a page may be short, or empty, though there are more
        asked = query | {"limit": min(limit - len(entries), PAGE), "cursor": page["next"]}
        page = session.client.get(*path, **asked)
        entries += page[noun]
        if page["next"] is None or len(entries) >= limit:
            break
    if session.output.as_json:
        session.output.json(page | {noun: entries})
        return
    (_workflows if workflows else _instances)(session, entries)
    if not entries:
        session.output.say(f"no {noun}")
    elif page["next"] is not None:
        session.output.say(f"there are more: --cursor {text.clean(page['next'])}", style="dim")


def cancel(
    session: Session,
    id: options.Id,
    reason: Annotated[str | None, typer.Option("--reason", help="shown in the status and the history")] = None,
) -> None:
    """End an instance.

    No further node starts, and the results of those that run are refused.
    """
    _show(
        session, session.client.post("workflows", id, "cancel", body={"reason": reason} if reason else None), brief=True
    )


def pause(session: Session, id: options.Id) -> None:
    """Start no more nodes of an instance until it is resumed.

    Nodes that are running go on.
    """
    _show(session, session.client.post("workflows", id, "pause"), brief=True)


def resume(session: Session, id: options.Id) -> None:
    """Go on with a paused instance."""
    _show(session, session.client.post("workflows", id, "resume"), brief=True)


def rerun(
    session: Session,
    id: options.Id,
    from_: options.From = None,
    param: options.Param = None,
    params: options.Params = None,
    watch: options.Watch = False,
    timeout: options.Timeout = None,
) -> Exit:
    """Run what did not complete again, or nodes of your choice.

    --from names nodes: they and all that depends on them run again.

    With new params every node runs again, unless --from says which. On stdout: its id, or with --watch its output.
    """
    body: dict[str, Any] = {"from": from_} if from_ else {}
    if (given := sources.params(param or (), params)) is not None:
        body["params"] = given
    again = session.client.post("workflows", id, "rerun", body=body, once=True)
    session.output.say(f"epoch {again['epoch']}: {again['nodes']} nodes run again")
    if watch:
        return finish(session, again["instance_id"], live.shape(session.client, again["execution_id"]), timeout)
    if session.output.as_json:
        session.output.json(again)
    else:
        session.output.line(again["instance_id"])
    return Exit.OK


def history(
    session: Session,
    id: options.Id,
    node: options.Node = None,
    limit: options.Limit = 100,
    cursor: options.Cursor = None,
) -> None:
    """What happened to an instance, the oldest first.

    With --node also why that node is where it is.
    """
    page = session.client.get("workflows", id, "history", node=node, limit=min(limit, PAGE), cursor=cursor)
    if session.output.as_json:
        session.output.json(page)
        return
    columns = ("time", "event", "node", "attempt", "epoch", "worker", "reason")
    rows = [
        (
            text.clock(one["at"]),
            one["event"],
            one["node"],
            one["attempt"],
            _later(one["epoch"]),
            one["worker"],
            one["reason"],
        )
        for one in page["events"]
    ]
    session.output.table(columns, rows)
    if page["forgotten"]:
        session.output.say(f"{page['forgotten']} older events were dropped", style="dim")
    if page["next"] is not None:
        session.output.say(f"there are more: --cursor {text.clean(page['next'])}", style="dim")
    for id, why in page["why"].items():
        session.output.out.print(Text.assemble((text.clean(id), "bold"), ": ", text.clean(why)), soft_wrap=True)


def delete(session: Session, id: options.Id, yes: options.Yes = False) -> None:
    """Delete an instance that has ended, or a workflow, with all that is stored of it."""
    if not yes:
        if not sys.stdin.isatty():
            raise Failure(Exit.INVALID, "say --yes: there is nobody to ask")
        if not typer.confirm(f"delete {text.clean(id)}?", err=True):
            raise Failure(Exit.INVALID, "nothing was deleted")
    is_workflow = id.startswith("ex-")
    session.client.delete("workflow" if is_workflow else "workflows", id)
    if session.output.as_json:
        session.output.json({"deleted": id})
    else:
        session.output.say(f"{id} is deleted")


def _show(session: Session, found: dict[str, Any], *, brief: bool = False) -> None:
    if session.output.as_json:
        session.output.json(found)
    elif brief:
        session.output.out.print(views.headline(found), soft_wrap=True)
    else:
        views.show_status(session.output, found)


def _later(epoch: int) -> int | None:
    """None for the first epoch, which is not shown."""
    return epoch if epoch > 1 else None


def _instances(session: Session, entries: list[Any]) -> None:
    rows = [
        (
            one["instance_id"],
            text.literal("paused", "bold yellow")
            if one["paused"] and of_status(one["status"]) is Exit.RUNNING
            else text.status(one["status"]),
            f"{one['progress']['completed']}/{one['progress']['total']}",
            _later(one["epoch"]),
            text.clock(one["created_at"]),
            text.between(one["created_at"], one["finished_at"]),
            one["name"],
            _tags(one["tags"]),
        )
        for one in entries
    ]
    session.output.table(("instance", "status", "nodes", "epoch", "created", "took", "name", "tags"), rows)


def _workflows(session: Session, entries: list[Any]) -> None:
    rows = [
        (
            one["execution_id"],
            one["nodes"],
            text.clock(one["created_at"]),
            one["latest"],
            one["name"],
            _tags(one["tags"]),
        )
        for one in entries
    ]
    session.output.table(("workflow", "nodes", "created", "newest instance", "name", "tags"), rows)


def _tags(tags: dict[str, str]) -> str:
    return " ".join(f"{key}={value}" for key, value in tags.items())
