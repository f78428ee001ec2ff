"""The options of the store's client, and the errors that mean that the store is away."""

from __future__ import annotations

import pytest
import redis

from chalicelib.errors import NewerSchema, Unavailable
from chalicelib.store import connection, keys
from chalicelib.store.login import Login

WRITTEN = "was written by a newer release of dag-service, in schema"


class Iam(redis.credentials.CredentialProvider):
    def get_credentials(self) -> tuple[str, str]:
        return "me", "token"


IAM = Iam()


@pytest.mark.parametrize(
    ("login", "url", "options"),
    [
        (Login(), "redis://x", {}),
        (Login(username="me"), "redis://x", {"username": "me"}),
        (Login(password="pw"), "rediss://x", {"password": "pw"}),
        (Login(username="me", password="pw"), "redis://x", {"username": "me", "password": "pw"}),
        (Login(ca_file="/ca"), "rediss://x", {"ssl_ca_certs": "/ca"}),
        (Login(ca_file="/ca"), "redis://x", {}),
        (Login(username="me", password="pw", iam=IAM), "redis://x", {"credential_provider": IAM}),
        (Login(iam=IAM, ca_file="/ca"), "rediss://x", {"credential_provider": IAM, "ssl_ca_certs": "/ca"}),
    ],
)
def test_what_a_login_gives_the_client(login: Login, url: str, options: dict[str, object]) -> None:
    assert login.options(url) == options


def test_a_client_waits_longer_than_any_blocking_call_and_for_few_seconds_in_all() -> None:
    client = connection.connect("rediss://h:1/0", login=Login(username="me", password="pw", ca_file="/ca"))
    given = client.connection_pool.connection_kwargs
    assert given["socket_timeout"] == 5.0 == 2 * connection.BLOCK_SECONDS
    assert given["socket_connect_timeout"] == 3 and given["health_check_interval"] == 30
    assert (given["username"], given["password"], given["ssl_ca_certs"]) == ("me", "pw", "/ca")
    assert client.connection_pool.max_connections == 2000
    retry = given["retry"]
    assert retry._retries == 6 and retry._seconds == 8.0
    waits = [retry._backoff.compute(failures) for failures in range(1, 8)]
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0]
    assert {redis.exceptions.ReadOnlyError, redis.exceptions.BusyLoadingError} <= set(given["retry_on_error"])
    client.close()


@pytest.mark.parametrize(
    ("schema", "newer"),
    [(None, False), (b"", False), (b"1", False), (b"%d" % keys.SCHEMA, False), (b"%d" % (keys.SCHEMA + 1), True)],
)
def test_what_a_newer_release_wrote_waits_for_it(schema: bytes | None, newer: bool) -> None:
    if not newer:
        connection.check("ex-1", schema)
        return
    with pytest.raises(NewerSchema) as caught:
        connection.check("ex-1", schema)
    assert str(caught.value).startswith(f"`ex-1` {WRITTEN} {keys.SCHEMA + 1}; this one knows up to {keys.SCHEMA}.")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (redis.exceptions.ConnectionError("refused"), "the store cannot be reached: refused"),
        (redis.exceptions.TimeoutError("hangs"), "the store cannot be reached: hangs"),
        (redis.exceptions.OutOfMemoryError("full"), "the store refuses: full"),
        (redis.exceptions.ReadOnlyError("replica"), "the store refuses: replica"),
        (redis.exceptions.ClusterDownError("slots"), "the store refuses: slots"),
        (redis.exceptions.ResponseError("MISCONF disk"), "the store refuses: MISCONF disk"),
        (redis.exceptions.ResponseError("NOREPLICAS few"), "the store refuses: NOREPLICAS few"),
        (
            redis.exceptions.ResponseError("Command # 1 caused error: MISCONF disk"),
            "the store refuses: Command # 1 caused error: MISCONF disk",
        ),
    ],
)
def test_a_store_that_is_away_or_will_not_write_is_unavailable(error: Exception, sentence: str) -> None:
    with pytest.raises(Unavailable) as caught, connection.unavailable():
        raise error
    assert str(caught.value) == sentence and caught.value.__cause__ is error


def test_an_error_of_ours_is_no_excuse() -> None:
    for error in (redis.exceptions.ResponseError("WRONGTYPE MISCONF of a key"), ValueError("x")):
        with pytest.raises(type(error)) as caught, connection.unavailable():
            raise error
        assert caught.value is error
    with pytest.raises(NewerSchema, match=f"^the instance {WRITTEN} 17;"), connection.unavailable():
        raise redis.exceptions.ResponseError("NEWER 17")
