"""The limits of redaction: how much of a beginning is a secret, how short a piece is chance, and when a value
is read again."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from types import SimpleNamespace

import pytest

from chalicelib.errors import MissingSecret
from chalicelib.secrets.redact import MASK, MIN_LENGTH, NOTHING, Redactor, forms
from chalicelib.secrets.sources import ManagerSecrets, ParameterSecrets
from chalicelib.secrets.vault import Vault

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@pytest.mark.parametrize(
    ("length", "head"),
    [(8, 8), (10, 8), (16, 8), (18, 9), (30, 15), (32, 16), (33, 16), (52, 16)],
)
def test_so_much_of_a_beginning_is_the_secret(length: int, head: int) -> None:
    """Half of a secret, but no less than 8 characters and no more than 16."""
    secret = LETTERS[:length]
    redactor = Redactor([secret])
    assert redactor.text(f"<{secret[:head]}>") == f"<{MASK}>"
    assert redactor.text(f"<{secret[: head - 1]}>") == f"<{secret[: head - 1]}>"
    assert redactor.value(f"<{secret[:head]}>") == (f"<{MASK}>" if head == length else f"<{secret[:head]}>")


def test_all_that_is_there_of_a_cut_secret_is_taken_out_and_no_more() -> None:
    redactor = Redactor([LETTERS])
    for length in (16, 17, 30, 51):
        assert redactor.text(f"a {LETTERS[:length]}") == f"a {MASK}"
        assert redactor.text(f"a {LETTERS[:length]}! b") == f"a {MASK}! b"
    assert redactor.text(f"{LETTERS[:20]} {LETTERS[:30]} {LETTERS}") == f"{MASK} {MASK} {MASK}"


def test_of_secrets_that_begin_alike_the_one_that_reaches_furthest_counts() -> None:
    one, other = LETTERS[:40], LETTERS[:20] + "0123456789" * 2
    for redactor in (Redactor([one, other]), Redactor([other, one])):
        assert redactor.text(f"<{one[:38]}>") == f"<{MASK}>"
        assert redactor.text(f"<{other[:38]}>") == f"<{MASK}>"


def test_a_secret_that_is_part_of_another_does_not_cut_into_it() -> None:
    for redactor in (Redactor(["abcd", "xxabcdyy"]), Redactor(["xxabcdyy", "abcd"])):
        assert redactor.text("xxabcdyy abcd") == redactor.value("xxabcdyy abcd") == f"{MASK} {MASK}"


def test_a_secret_made_of_the_mask_is_masked_and_leaves_nothing_of_itself() -> None:
    redactor = Redactor(["****"])
    for length, left in ((3, "***"), (4, MASK), (5, MASK), (9, MASK)):
        assert redactor.text(f"<{'*' * length}>") == f"<{left}>"


def test_numbers_and_truth() -> None:
    redactor = Redactor(["4711", "true", "1.5e3"])
    assert redactor.value([4711, 14711, -4711, 47.11, 4711.5, True, False, None, 1, "4711"]) == [
        *(MASK, MASK, MASK, 47.11, MASK, True, False, None, 1, MASK)
    ]
    value = {"n": 12.50, "big": 10**20}
    assert redactor.value(value) == value and isinstance(redactor.value(value)["big"], int)


def test_nothing_is_known_to_nobody() -> None:
    assert not NOTHING and Redactor(["abcd"])
    assert NOTHING.text("abcd") == NOTHING.value("abcd") == "abcd"


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("a/b c%d", "a%2Fb%20c%25d"),
        ("a/b c%d", "a/b%20c%25d"),
        ("a/b c%d", "a%2Fb+c%25d"),
        ("a/b c%d", "a%2fb%20c%25d"),
        ("a&b<c>'\"d", "a&amp;b&lt;c&gt;&#x27;&quot;d"),
        ("é\n\"x'", "é\\n\"x\\'"),
        ('é\n"xy', '\\u00e9\\n\\"xy'),
        ('é\n"xy', 'é\\n\\"xy'),
        ('é\n"xy', '\\\\u00e9\\\\n\\\\\\"xy'),
        ("k=v&w?:@!$()*,;[]'+/", "k=v&w?:@!$()*,;[]'+/"),
        ("a b=c&d", "a%20b=c&d"),
    ],
)
def test_forms_by_hand(value: str, form: str) -> None:
    assert form in set(forms(value))


def test_base64_is_found_wherever_it_stands_and_only_where_it_is_long_enough() -> None:
    for secret in ("abcdefgh", "pässwörd-12", "??>>~~~~~~"):
        for before in (b"", b"1", b"12", b"123", b"1234"):
            for after in (b"", b"1", b"12"):
                raw = before + secret.encode() + after
                for encoded in (base64.b64encode(raw), base64.urlsafe_b64encode(raw)):
                    text = encoded.decode()
                    assert MASK in Redactor([secret]).text(text), (secret, before, after)
    # In base64, "abcd" has only 5 characters that are its own, which could be anything.
    assert all(len(form) >= 8 or form == "abcd" for form in forms("abcd"))
    assert {len(form) for form in forms("abcdef")} == {6, 8}


class Source:
    def __init__(self, **values: str) -> None:
        self.values, self.asked = values, 0

    def fetch(self, names: Sequence[str]) -> dict[str, str]:
        self.asked += 1
        return {name: self.values[name] for name in names if name in self.values}

    def place(self, name: str) -> str:
        return f"the test as {name}"


@pytest.mark.parametrize(("seconds", "asked"), [(0, 1), (299.999, 1), (300, 2), (300.001, 2)])
def test_a_value_is_kept_for_so_long_and_no_longer(seconds: float, asked: int) -> None:
    now, source = 1000.0, Source(A="aaaa")
    vault = Vault(source, keep_seconds=300, clock=lambda: now)
    vault.read(["A"])
    now += seconds
    vault.read(["A"])
    assert source.asked == asked


def test_what_is_too_short_to_be_kept_out_is_refused_and_kept_out_of_nothing() -> None:
    assert MIN_LENGTH == 4
    vault = Vault(Source(OK="abcd", SHORT="abc"), keep_seconds=1, clock=lambda: 0, known=["xyz", "wxyz", ""])
    assert vault.redactor.text("wxyz xyz") == f"{MASK} xyz"
    assert vault.read(["OK"]) == {"OK": "abcd"}
    assert vault.redactor.text("wxyz abcd abc") == f"{MASK} {MASK} abc"
    with pytest.raises(MissingSecret, match="`SHORT` is shorter than 4"):
        vault.read(["OK", "SHORT"])
    assert vault.redactor.text("abc") == "abc"


def test_a_refused_read_is_asked_again() -> None:
    source = Source()
    vault = Vault(source, keep_seconds=300, clock=lambda: 0)
    for _ in range(2):
        with pytest.raises(MissingSecret) as caught:
            vault.read(["A"])
    assert str(caught.value) == "there is no secret `A`: put it into the test as A" and source.asked == 2
    source.values["A"] = "aaaa"
    assert vault.read(["A"]) == {"A": "aaaa"}


def test_redactors_that_are_handed_out_do_not_change_and_are_made_anew_only_for_new_values() -> None:
    source = Source(A="aaaa", B="bbbb")
    now = 0.0
    vault = Vault(source, keep_seconds=1, clock=lambda: now)
    vault.read(["A"])
    before = vault.redactor
    now = 5
    vault.read(["A"])
    assert vault.redactor is before
    vault.read(["B"])
    assert vault.redactor is not before and before.text("bbbb") == "bbbb" and vault.redactor.text("bbbb") == MASK


def test_a_setting_names_several_secrets() -> None:
    vault = Vault(Source(A="aaaa", B="bbbb"), keep_seconds=1, clock=lambda: 0)
    assert vault.reveal("https://{{ secrets.A }}:{{ secrets.B }}@x/{{ secrets.A }}") == "https://aaaa:bbbb@x/aaaa"
    with pytest.raises(MissingSecret, match="`C`"):
        vault.reveal("{{ secrets.C }}")


def test_parameters_are_asked_for_ten_at_a_time_decrypted() -> None:
    asked = []

    def get_parameters(Names: list[str], WithDecryption: bool) -> dict[str, list[dict[str, str]]]:
        assert WithDecryption is True
        asked.append(len(Names))
        return {"Parameters": [{"Name": name, "Value": f"v of {name}"} for name in Names if not name.endswith("3")]}

    source = ParameterSecrets(lambda: SimpleNamespace(get_parameters=get_parameters), "/p/")
    for count, calls in ((0, []), (1, [1]), (10, [10]), (11, [10, 1]), (20, [10, 10])):
        asked.clear()
        found = source.fetch([str(number) for number in range(count)])
        assert found == {str(n): f"v of /p/{n}" for n in range(count) if n % 10 != 3} and asked == calls
    assert source.place("X") == "SSM Parameter Store as /p/X"


def test_an_error_of_secrets_manager_that_is_none_of_absence_is_said() -> None:
    class Refused(Exception):
        def __init__(self, code: str) -> None:
            super().__init__(code)
            self.response = {"Error": {"Code": code}}

    def get_secret_value(SecretId: str) -> dict[str, str]:
        if SecretId.endswith(("absent", "denied")):
            raise Refused("ResourceNotFoundException" if SecretId.endswith("absent") else "AccessDeniedException")
        return {"SecretString": json.dumps({"of": SecretId})}

    source = ManagerSecrets(lambda: SimpleNamespace(get_secret_value=get_secret_value), "/p/")
    assert source.fetch(["absent", "b"]) == {"b": '{"of": "/p/b"}'}  # the others are still read
    with pytest.raises(Exception, match="Secrets Manager did not answer: AccessDeniedException"):
        source.fetch(["denied"])
    assert source.place("X") == "Secrets Manager as /p/X, as a string"
