"""The store's client over TLS: passwords, users and IAM tokens, and its errors when they are wrong."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
import redis
import trustme

from chalicelib import ids
from chalicelib.composition import Application
from chalicelib.core.calls import Children, Dispatching
from chalicelib.core.transitions import Outcome
from chalicelib.core.work import Ref
from chalicelib.errors import Unavailable
from chalicelib.queues.memory import MemoryQueue
from chalicelib.settings import Settings
from chalicelib.store.login import ElastiCacheToken
from local.processes import ROOT
from local.sockets import free_port
from tests.support import packaging
from tests.support.harness import application, drain, results_of, run, wait_until
from tests.support.servers import SLOTS, running_valkey
from tests.support.tls import terminator

USER, PASSWORD = "engine", "s3cret/with:odd@characters"
IAM_USER = "iam-engine"


@dataclass
class Secured:
    """A Valkey behind TLS that requires a password."""

    port: int
    ca: str
    other_ca: str

    def url(self, host: str = "localhost", login: str = "") -> str:
        return f"rediss://{login}{host}:{self.port}/0"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    directory = tmp_path_factory.mktemp("tls")
    authorities = {name: trustme.CA() for name in ("ca.pem", "other.pem")}
    for name, authority in authorities.items():
        authority.cert_pem.write_to_path(str(directory / name))
    with running_valkey(directory) as plain:
        with redis.Redis(port=plain) as client:
            client.acl_setuser(USER, enabled=True, passwords=[f"+{PASSWORD}"], keys=["*"], commands=["+@all"])
            # Valkey cannot check a signature, so it accepts any. A test below checks what is signed.
            client.acl_setuser(IAM_USER, enabled=True, nopass=True, keys=["*"], commands=["+@all"])
            client.config_set("requirepass", "the default user's")
        with terminator(plain, authorities["ca.pem"].issue_cert("localhost")) as port:
            yield Secured(port, str(directory / "ca.pem"), str(directory / "other.pem"))


def store_of(**settings: Any) -> Any:
    return Application(Settings(**settings)).store


def test_transitions_over_tls(secured: Secured) -> None:
    store = store_of(
        redis_url=secured.url(), redis_tls_ca_file=secured.ca, redis_username=USER, redis_password=PASSWORD
    )
    ref = Ref(ids.new(ids.INSTANCE), ids.new(ids.EXECUTION))
    by = Dispatching(taken=False, resend_ms=1000)
    assert store.create(ref, total=1, params=b"{}", roots=Children([0, 1], -1), by=by)[0] is Outcome.CREATED
    assert store.status(ref.instance_id) == "PENDING"
    store._client.close()


@pytest.mark.parametrize(
    ("login", "settings"),
    [
        (f"{USER}:{quote(PASSWORD, safe='')}@", {}),
        (f":{quote('the default user' + chr(39) + 's', safe='')}@", {}),
        ("", {"redis_password": "the default user's"}),
        ("", {"redis_auth": "iam", "redis_username": IAM_USER, "redis_cache_name": "cache"}),
    ],
    ids=["in the URL", "default user", "by setting", "IAM"],
)
def test_ways_to_log_in(secured: Secured, login: str, settings: dict[str, Any]) -> None:
    store = store_of(redis_url=secured.url(login=login), redis_tls_ca_file=secured.ca, **settings)
    assert store.ping().startswith(("valkey", "redis"))
    store._client.close()


def test_a_cluster_with_iam(tmp_path: Path) -> None:
    """Like ElastiCache Serverless: cluster mode, TLS only, one endpoint that names the nodes, and the template's user.

    That user has to be allowed every command that the store uses.
    """
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    bus = free_port()
    rights = packaging.template("prod")["Resources"]["CacheUser"]["Properties"]["AccessString"]
    with (
        running_valkey(tmp_path, cluster_bus_port=bus) as plain,
        redis.Redis(port=plain) as client,
        terminator(plain, authority.issue_cert("localhost", "127.0.0.1")) as port,
    ):
        client.execute_command("CLUSTER ADDSLOTSRANGE", 0, SLOTS - 1)
        client.config_set("cluster-announce-port", port)
        wait_until(lambda: client.cluster("INFO")["cluster_state"] == "ok", what="a cluster of one")
        client.execute_command("ACL SETUSER", IAM_USER, "nopass", *rights.split())
        client.acl_setuser("default", enabled=False)
        queue = MemoryQueue()
        app = application(
            f"rediss://localhost:{port}/0",
            queue,
            redis_cluster=True,
            redis_tls_ca_file=str(tmp_path / "ca.pem"),
            redis_auth="iam",
            redis_username=IAM_USER,
            redis_cache_name="cache",
        )
        instance_id = run(app, json.loads((ROOT / "examples/fan_out_fan_in.json").read_text()))
        drain(app, queue)
        assert app.status.of(instance_id, 5).status == "COMPLETED"
        assert results_of(app, instance_id).output is not None
        assert app.sweep.run().failed == 0 and app.health.check().status == "ok"
        with pytest.raises(redis.exceptions.NoPermissionError):
            app.redis.set("another's", "1")
        with pytest.raises(redis.exceptions.NoPermissionError):
            app.redis.flushall(target_nodes="all")
        app.redis.close()
        app.redis.disconnect_connection_pools()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"redis_username": USER, "redis_password": "wr0ng-passw0rd"}, "WRONGPASS|invalid username-password"),
        ({}, "[Aa]uthenticat"),
        ({"redis_username": USER, "redis_password": PASSWORD, "redis_tls_ca_file": "other"}, "certificate verify"),
        ({"redis_username": USER, "redis_password": PASSWORD, "redis_url": "127.0.0.1"}, "certificate"),
    ],
    ids=["wrong password", "no password", "a CA that is not trusted", "a name that is not in the certificate"],
)
def test_what_is_wrong_is_said_without_the_password(
    secured: Secured, settings: dict[str, Any], says: str, caplog: pytest.LogCaptureFixture
) -> None:
    given = {"redis_tls_ca_file": secured.ca} | settings
    given["redis_url"] = secured.url(given.get("redis_url", "localhost"))
    if given["redis_tls_ca_file"] == "other":
        given["redis_tls_ca_file"] = secured.other_ca
    application = Application(Settings(**given))
    with pytest.raises(Unavailable, match=says) as caught:
        application.store.ping()
    health = application.health.check()
    assert health.store == "unreachable"
    for text in (repr(caught.value), repr(caught.value.__cause__), health.model_dump_json(), caplog.text):
        assert PASSWORD not in text and "wr0ng" not in text and quote(PASSWORD, safe="") not in text
    application.redis.close()


def test_a_login_over_plain_text_is_not_tls(secured: Secured) -> None:
    store = store_of(redis_url=secured.url().replace("rediss", "redis"), redis_password="x" * 8)
    with pytest.raises(Unavailable):
        store.ping()
    store._client.close()


@pytest.mark.parametrize("serverless", [True, False])
def test_an_iam_token_is_a_signed_request(serverless: bool) -> None:
    """The signature is computed by AWS's "Create a signed AWS API request" (Signature Version 4), query parameters."""
    settings = {"redis_username": IAM_USER, "redis_cache_name": "My-Cache", "redis_serverless": serverless}
    application = Application(Settings(redis_url="rediss://cache:6379", redis_auth="iam", **settings))
    provider = application.login.iam
    assert isinstance(provider, ElastiCacheToken)
    username, token = provider.get_credentials()
    assert username == IAM_USER and token.startswith("my-cache/?")
    url = urlsplit(f"https://{token}")
    query = dict(parse_qsl(url.query))
    signature = query.pop("X-Amz-Signature")
    assert query["Action"] == "connect" and query["User"] == IAM_USER and query["X-Amz-Expires"] == "900"
    assert query.get("ResourceType") == ("ServerlessCache" if serverless else None)
    scope = query["X-Amz-Credential"].split("/", 1)[1]
    date, region, service, end = scope.split("/")
    assert (region, service, end) == ("us-east-1", "elasticache", "aws4_request")
    canonical_query = "&".join(f"{quote(name, safe='')}={quote(query[name], safe='')}" for name in sorted(query))
    empty = hashlib.sha256(b"").hexdigest()
    canonical = f"GET\n/\n{canonical_query}\nhost:my-cache\n\nhost\n{empty}"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    key = b"AWS4test"
    for part in (date, region, service, end):
        key = hmac.digest(key, part.encode(), "sha256")
    text = f"AWS4-HMAC-SHA256\n{query['X-Amz-Date']}\n{scope}\n{hashed}"
    assert hmac.new(key, text.encode(), "sha256").hexdigest() == signature


@pytest.mark.parametrize(
    "missing", [{"redis_username": ""}, {"redis_cache_name": ""}, {"redis_url": "redis://cache:6379"}], ids=str
)
def test_iam_wants_all_that_it_needs(missing: dict[str, str]) -> None:
    given = {"redis_url": "rediss://cache:6379", "redis_username": "u", "redis_cache_name": "c"} | missing
    with pytest.raises(ValueError, match="it needs REDIS_USERNAME"):
        Settings(redis_auth="iam", **given)
