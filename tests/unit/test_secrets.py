"""Secrets: where they come from, how long they are cached, and every form in which they are found and removed."""

from __future__ import annotations

import base64
import html
import json
import logging
from collections.abc import Iterator, Sequence
from urllib.parse import quote, quote_plus

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from chalicelib import logs
from chalicelib.composition import Application
from chalicelib.errors import MissingSecret, SecretsUnavailable
from chalicelib.secrets.redact import MASK, Redactor
from chalicelib.secrets.sources import EnvironmentSecrets, ManagerSecrets, ParameterSecrets
from chalicelib.secrets.vault import Vault
from chalicelib.settings import Settings

VALUE = 'p&ss/w"ord<ü>\n+1'


class Source:
    """A source that counts requests."""

    def __init__(self, **values: str) -> None:
        self.values = values
        self.asked: list[list[str]] = []

    def fetch(self, names: Sequence[str]) -> dict[str, str]:
        self.asked.append(list(names))
        return {name: self.values[name] for name in names if name in self.values}

    def place(self, name: str) -> str:
        return f"the test as {name}"


@pytest.mark.parametrize(
    "shown",
    [
        VALUE,
        quote(VALUE, safe=""),
        quote(VALUE),
        quote_plus(VALUE),
        "p%26ss%2fw%22ord%3c%c3%bc%3e%0a%2b1",
        html.escape(VALUE),
        repr(VALUE),
        json.dumps(VALUE),
        json.dumps(VALUE, ensure_ascii=False),
        json.dumps(json.dumps({"body": VALUE})),
        *(base64.b64encode(b"x" * n + VALUE.encode() + b"tail").decode() for n in range(3)),
        base64.urlsafe_b64encode(VALUE.encode()).decode(),
    ],
)
def test_every_form_is_taken_out(shown: str) -> None:
    redactor = Redactor([VALUE])
    assert MASK in redactor.text(f"before {shown} after")
    assert MASK in redactor.value({"a": [f"before {shown} after"]})["a"][0]
    for piece in ("p&", "ord", "%22", "JnNz"):
        assert piece not in redactor.text(shown)


@given(st.text(st.characters(exclude_characters="*", exclude_categories=["Cs"]), min_size=4), st.text(), st.text())
def test_no_value_is_left(value: str, before: str, after: str) -> None:
    redactor = Redactor([value])
    text = before + value + after
    assert value not in redactor.text(text)
    [(key, items)] = redactor.value({text: [text, 1]}).items()
    assert value not in key and value not in items[0] and items[1] == 1


def test_a_secret_that_was_cut_is_taken_out_of_texts() -> None:
    value = "sk-live-" + "0123456789abcdef" * 4
    assert Redactor([value]).text(f"GET /?token={value[:40]} answered 500") == f"GET /?token={MASK} answered 500"
    assert Redactor([VALUE * 3]).text(f"said {json.dumps(VALUE * 3)[:30]}") == f'said "{MASK}'


def test_results_are_changed_nowhere_else() -> None:
    value = {"n": 47110, "m": 4711, "t": True, "none": None, "f": 0.5, "k4711k": "a 4711", "list": [4711.0, "47"]}
    assert Redactor(["4711"]).value(value) == {
        "n": MASK,
        "m": MASK,
        "t": True,
        "none": None,
        "f": 0.5,
        f"k{MASK}k": f"a {MASK}",
        "list": [MASK, "47"],
    }


def test_a_secret_is_read_once_in_a_while() -> None:
    now = 0.0
    source = Source(A="aaaa", B="bbbb")
    vault = Vault(source, keep_seconds=300, clock=lambda: now)
    assert vault.read([]) == {} and vault.read(["A"]) == {"A": "aaaa"}
    assert vault.read(["A", "B"]) == {"A": "aaaa", "B": "bbbb"}
    now, source.values["A"] = 299, "new value"
    assert vault.read(["A"]) == {"A": "aaaa"}
    now = 301
    assert vault.read(["A"]) == {"A": "new value"}
    assert source.asked == [["A"], ["B"], ["A"]]
    assert vault.redactor.text("aaaa, bbbb, new value") == f"{MASK}, {MASK}, {MASK}"


def test_settings_may_name_secrets_too() -> None:
    vault = Vault(Source(KEY="sk-12345"), keep_seconds=300, clock=lambda: 0)
    assert vault.reveal("plain") == "plain" and vault.reveal("") == ""
    assert vault.reveal("{{ secrets.KEY }}") == "sk-12345"
    assert vault.redactor.text("sk-12345") == MASK


def test_who_needs_nothing_new_does_not_wait() -> None:
    class Slow(Source):
        def fetch(self, names: Sequence[str]) -> dict[str, str]:
            if names == ["B"]:
                assert vault.read(["A"]) == {"A": "aaaa"}  # while this call is still running
            return super().fetch(names)

    vault = Vault(Slow(A="aaaa", B="bbbb"), keep_seconds=300, clock=lambda: 0)
    assert vault.read(["A"]) | vault.read(["B"]) == {"A": "aaaa", "B": "bbbb"}


def test_what_is_missing_is_named_with_its_place() -> None:
    vault = Vault(Source(SHORT="abc"), keep_seconds=300, clock=lambda: 0)
    with pytest.raises(MissingSecret, match=r"there is no secret `A`: put it into the test as A; .*`B`"):
        vault.read(["A", "B"])
    with pytest.raises(MissingSecret, match="`SHORT` is shorter than 4 characters"):
        vault.read(["SHORT"])


def test_a_secret_that_is_no_text_is_refused_and_spoils_no_other() -> None:
    """The environment has bytes, and those that are not UTF-8 become halves of surrogate pairs."""
    vault = Vault(
        EnvironmentSecrets({"P_BYTES": "secret\udcff", "P_KEY": "s3cr3t"}, "P_"), keep_seconds=60, clock=lambda: 0.0
    )
    with pytest.raises(MissingSecret, match="`BYTES` is not UTF-8"):
        vault.read(["BYTES"])
    assert vault.read(["KEY"]) == {"KEY": "s3cr3t"}


def test_only_what_has_the_prefix_is_a_secret() -> None:
    source = EnvironmentSecrets({"AWS_SECRET_ACCESS_KEY": "no", "SECRET_TOKEN": "yes"}, "SECRET_")
    assert source.fetch(["TOKEN", "AWS_SECRET_ACCESS_KEY"]) == {"TOKEN": "yes"}
    assert source.place("X") == "the worker's environment as SECRET_X"


@pytest.fixture
def aws() -> Iterator[None]:
    with mock_aws():
        yield


def test_parameter_store(aws: None) -> None:
    client = boto3.client("ssm", "us-east-1")
    names = [f"N{number}" for number in range(25)]
    for name in names:
        client.put_parameter(Name=f"/dag-service/dev/{name}", Value=f"value of {name}", Type="SecureString")
    client.put_parameter(Name="/other/N99", Value="not below the path", Type="SecureString")
    source = ParameterSecrets(lambda: client, "/dag-service/dev/")
    assert source.fetch([*names, "N99"]) == {name: f"value of {name}" for name in names}
    client.close()


def test_secrets_manager(aws: None) -> None:
    client = boto3.client("secretsmanager", "us-east-1")
    client.create_secret(Name="dag-service/dev/A", SecretString="value of A")
    client.create_secret(Name="dag-service/dev/BINARY", SecretBinary=b"\0")
    source = ManagerSecrets(lambda: client, "dag-service/dev/")
    assert source.fetch(["A", "BINARY", "NONE"]) == {"A": "value of A"}
    client.close()


@pytest.mark.parametrize("kind", [ParameterSecrets, ManagerSecrets])
def test_a_place_that_does_not_answer_is_another_error(kind: type[ParameterSecrets | ManagerSecrets]) -> None:
    def broken() -> None:
        raise OSError("throttled")

    with pytest.raises(SecretsUnavailable, match="did not answer: throttled"):
        kind(broken, "/p/").fetch(["A"])


@pytest.mark.parametrize(
    ("setting", "kind"),
    [("environment", EnvironmentSecrets), ("ssm", ParameterSecrets), ("secretsmanager", ManagerSecrets)],
)
def test_one_setting_picks_the_source(setting: str, kind: type) -> None:
    assert isinstance(Application(Settings(secrets=setting))._secret_source(), kind)


def test_settings_show_no_password() -> None:
    url = "rediss://me:pass%2Fword@cache.example:6379/0"
    settings = Settings(redis_url=url, redis_password="hunter22", llm_api_key="sk-12345")
    assert settings.passwords == ["pass/word", "hunter22", "sk-12345"]
    assert not any(word in repr(settings) + str(settings) for word in ("pass%2F", "hunter22", "sk-12345"))
    for bad in ("redis://me:pass/word@cache:6379/0", "me:pass@cache", "redis://:pass@cache:port/0"):
        with pytest.raises(ValueError, match="the form redis") as caught:
            Settings(redis_url=bad)
        assert "pass/" not in str(caught.value) and ":pass@c" not in str(caught.value)


@pytest.mark.parametrize("style", ["json", "text"])
def test_no_log_line_shows_a_secret(style: str, capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        logs.configure("DEBUG", style, Redactor([VALUE]).text)  # type: ignore[arg-type]
        log = logging.getLogger("test")
        log.debug("asking %s", VALUE, extra={"url": f"/?q={quote_plus(VALUE)}", "headers": {"token": VALUE}})
        try:
            raise ValueError(VALUE)
        except ValueError:
            log.exception("it failed")
    finally:
        root.handlers[:], level = before
        root.setLevel(level)
    written = capsys.readouterr().err
    assert written.count(MASK) == 4
    assert "ord" not in written.replace("record", "")
