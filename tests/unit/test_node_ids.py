"""Node ids: what users bring is accepted, and replaced by a hash where not every character is possible."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import node_ids
from chalicelib.core.plan import Plan
from chalicelib.handlers.api import Context

BROUGHT = [
    "NFCORE_RNASEQ.PREPARE_GENOME.GUNZIP_GTF",
    "nf-core/rnaseq:FASTQC (sample 1)",
    "group.task",
    "Send the invoice",
    "Größe prüfen",
    "支払い",
    "a=b&c#d?e%2Ff",
    "C:\\temp",
    "constructor",
    "1. Fetch",
    " ",
    "*",
    "a:b",
    "../a",
    "-a",
    "__proto__.x",
    "%00",
    "-",
    "~",
    "...",
]


@pytest.mark.parametrize("id", BROUGHT)
def test_what_people_bring_is_taken(id: str) -> None:
    assert node_ids.fault(id) is None


@pytest.mark.parametrize(
    "id", ["a{b", "a}b", "a'b", 'a"b', "a`b", "\t", "\x7f", "\u200b", "\u2028", "\ue000", ".", ".."]
)
def test_what_cannot_be_shown_or_quoted_is_refused(id: str) -> None:
    assert node_ids.fault(id)


@given(st.text(min_size=1, max_size=node_ids.MOST))
def test_what_stands_for_an_id_is_short_ascii_and_fits_a_path(id: str) -> None:
    short = node_ids.plain(id)
    assert set(short) <= set(string.ascii_letters + string.digits + "_-~") and len(short) <= node_ids.MOST
    assert (short == id) is node_ids.is_plain(id)


def test_different_ids_have_different_stand_ins() -> None:
    assert len({node_ids.plain(id) for id in BROUGHT}) == len(BROUGHT)


def test_the_idempotency_key_of_a_plain_id_is_as_it_was() -> None:
    def key(node_id: str) -> str:
        return Context(
            instance_id="in-1", execution_id="ex-1", node_id=node_id, attempt=1, params={}, results={},
            time_left=lambda: 1.0, logger=None,  # type: ignore[arg-type]
        ).idempotency_key  # fmt: skip

    assert key("get_user-2") == "in-1/get_user-2"
    assert re.fullmatch(r"in-1/~[0-9a-f]{32}", key("支払い"))


@pytest.mark.parametrize(
    ("nodes", "schema"),
    [
        (b'[{"id": "a", "handler": "noop", "config": {"x": "{{ params.a }}"}}]', 1),
        (b'[{"id": "a", "handler": "noop", "config": {"x": "[\\"a\\"]"}}]', 1),
        (b'[{"id": "a.b", "handler": "noop"}]', 3),
        (b'[{"id": "a", "handler": "noop", "config": {"x": "{{ params[\\"a\\"] }}"}}]', 3),
    ],
)
def test_older_code_is_kept_from_what_it_would_get_wrong(nodes: bytes, schema: int) -> None:
    assert Plan.from_json(b'{"name": "n", "dag": {"nodes": ' + nodes + b"}}").terms.schema == schema
