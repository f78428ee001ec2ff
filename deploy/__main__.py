"""`python -m deploy package|deploy|destroy --stage STAGE [Name=Value ...] [@FILE]`: what the make targets run."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import yaml
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.errors import BadSettings, ValuesUnavailable
from chalicelib.values.s3 import S3Values
from deploy import deployment
from deploy.bucket import Bucket
from deploy.cloudformation import CloudFormationStack
from deploy.deployment import NotDeployed
from local.package import TEMPLATE, NotPackaged, package
from local.processes import ROOT

# The output that names the bucket of large results.
VALUES = "ValuesBucket"


def main() -> None:
    arguments = _arguments()
    try:
        if arguments.action != "destroy":
            for line in deployment.check_settings(_config(), arguments.stage):
                _say(f"warning: .chalice/config.json: {line}")
        ACTIONS[arguments.action](arguments)
    except BadSettings as error:
        print("\n".join(f".chalice/config.json: {line}" for line in error.faults), file=sys.stderr)
        print("not done: every function would refuse to start", file=sys.stderr)
        sys.exit(2)
    except (NotDeployed, NotPackaged, ValuesUnavailable) as error:
        sys.exit(f"not done: {error}")
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"not done: AWS says: {error}")
    except EOFError:
        sys.exit("not done: nobody answered (YES=1, or --yes, does not ask)")
    except KeyboardInterrupt:
        sys.exit("\nleft. What CloudFormation has begun it ends by itself")


def _package(arguments: argparse.Namespace) -> None:
    out = _out(arguments.stage)
    archive = package(arguments.stage, out)
    _say(f"{archive.relative_to(ROOT)} ({archive.stat().st_size / 1e6:.1f} MB), and the template beside it")


def _deploy(arguments: argparse.Namespace) -> None:
    stack, session = _stack(arguments.stage), _session()
    given = _pairs(arguments.parameters)
    bucket = _bucket(session)
    _say(f"packaging {arguments.stage}")
    archive = package(arguments.stage, _out(arguments.stage))
    template = yaml.safe_load((archive.parent / TEMPLATE).read_text("utf-8"))
    parameters = deployment.parameters(template, _stage(arguments.stage), given, stack.parameters())
    if bucket.ensure():
        _say(f"made the bucket {bucket.name}")
    _say(f"uploading {archive.stat().st_size / 1e6:.1f} MB")
    moved = archive.with_name("deployed.yaml")
    moved.write_text(yaml.safe_dump(deployment.located(template, bucket.name, bucket.upload(archive))), "utf-8")
    tags = {"service": "dag-service", "stage": arguments.stage, **_pairs(arguments.tag)}
    change_set = stack.propose(bucket.url(bucket.upload(moved)), parameters, tags)
    if change_set is None:
        _say(f"{stack.name}: nothing changes")
    else:
        changes = change_set.changes or []
        at_risk = deployment.state_at_risk(changes)
        if at_risk and not arguments.lose_state:
            stack.withdraw(change_set)
            raise NotDeployed(
                f"this would replace {', '.join(at_risk)}, and lose the instances in flight. "
                "If that is what you want: --lose-state"
            )
        _say(f"{stack.name}: {len(changes)} resources change")
        stack.execute(change_set)
    for name, value in sorted(stack.outputs().items()):
        _say(f"{name:<24}{value}")


def _destroy(arguments: argparse.Namespace) -> None:
    stack, session = _stack(arguments.stage), _session()
    if stack.describe() is None:
        _say(f"there is no stack {stack.name}")
        return
    if not arguments.yes:
        print(f"This deletes {stack.name}, with every workflow and instance in it. Its name, to go on: ", end="")
        if input().strip() != stack.name:
            raise NotDeployed("that is not its name")
    # CloudFormation deletes no bucket that holds anything.
    if (bucket := stack.outputs().get(VALUES)) is not None:
        S3Values(lambda: session.client("s3"), bucket).forget("")
    stack.delete()
    _say(
        f"{stack.name} is gone. What stays: the bucket {_bucket(session).name} with what was deployed, "
        f"the secrets below /{stack.name}/, and snapshots of the store that were made by hand."
    )


ACTIONS = {"package": _package, "deploy": _deploy, "destroy": _destroy}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy", description=__doc__, fromfile_prefix_chars="@")
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument("--stage", default="dev")
    parser.add_argument("parameters", nargs="*", metavar="Name=Value", help="of the template (docs/deploy.md)")
    parser.add_argument("--tag", action="append", default=[], metavar="Name=Value", help="for everything in the stack")
    parser.add_argument("--yes", action="store_true", help="destroy without asking")
    parser.add_argument("--lose-state", action="store_true", help="deploy even if that replaces the store or a queue")
    return parser.parse_intermixed_args()


def _pairs(words: list[str]) -> dict[str, str]:
    split = [word.partition("=") for word in words]
    if wrong := [name for name, equals, _ in split if not equals]:
        raise NotDeployed(f"Name=Value is wanted, not {' '.join(wrong)}")
    return {name: value for name, _, value in split}


def _stage(stage: str) -> dict[str, str]:
    """The parameters of the template that the stage sets."""
    return dict(_config()["stages"].get(stage, {}).get("parameters", {}))


def _config() -> dict[str, Any]:
    return dict(json.loads((ROOT / ".chalice" / "config.json").read_text("utf-8")))


def _out(stage: str) -> Path:
    out = ROOT / "build" / deployment.stack_name(stage)
    out.mkdir(parents=True, exist_ok=True)
    return out


def _session() -> Any:
    import boto3

    session = boto3.session.Session(region_name=os.environ.get("AWS_REGION") or None)
    if session.region_name is None:
        raise NotDeployed("which region? AWS_REGION=..., or one in your AWS configuration")
    return session


def _stack(stage: str) -> CloudFormationStack:
    name = deployment.stack_name(stage)
    return CloudFormationStack(_session().client("cloudformation"), name, say=_say)


def _bucket(session: Any) -> Bucket:
    account = session.client("sts").get_caller_identity()["Account"]
    return Bucket(session.client("s3"), account=account, region=session.region_name)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
