"""Text from outside is cut, and made valid."""

from __future__ import annotations

import json

import pytest

from chalicelib.core import node_error, text


@pytest.mark.parametrize(
    ("given", "shown"), [("", ""), ("é😀", "é😀"), ("a\udcff", "a\\udcff"), ("\ud83d\ude00", "\\ud83d\\ude00")]
)
def test_text_is_unicode(given: str, shown: str) -> None:
    assert text.plain(given) == shown
    assert shown.encode().decode() == shown


@pytest.mark.parametrize("most", range(1, 12))
@pytest.mark.parametrize("whole", ["aé", "€€€", "😀😀", "a😀é€"])
def test_bytes_are_cut_between_characters(whole: str, most: int) -> None:
    shown = text.beginning(whole.encode(), most)
    assert (whole.startswith(shown) and len(shown.encode()) <= most < len(shown.encode()) + 4) or shown == whole


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    assert text.beginning(b"a\xc3", 10) == "a\ufffd"
    assert text.beginning(b"\xff\xfe12345", 4) == "\ufffd\ufffd12"


def test_a_fault_is_bounded_on_the_way_in_and_out() -> None:
    made = node_error.bounded("T" * 999, "m\udcff" * 9999, "f\ud800" * 9999)
    assert (len(made.type), len(made.message), len(made.traceback or "")) == (200, 2000, 4000)
    assert node_error.decode(made.encode()) == made
    stored = json.dumps({"type": "T" * 999, "message": "\udcff", "traceback": None}).encode()
    assert node_error.decode(stored) == node_error.NodeError("T" * 200, "\\udcff", None)


@pytest.mark.parametrize("stored", [b"{}", b'{"type": null, "message": null}', b'{"type": "", "message": ""}'])
def test_a_fault_that_says_nothing_is_one_all_the_same(stored: bytes) -> None:
    assert node_error.decode(stored) == node_error.NodeError("", "")
