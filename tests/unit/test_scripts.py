"""Scripts are assembled from the shared files that they use."""

from __future__ import annotations

import pytest

from chalicelib.store.scripts import Scripts


def test_a_shared_file_stands_once_and_behind_those_that_it_uses() -> None:
    overrides = {
        "pause": "-- Uses: a (first); b (second)\nreturn a",
        "lib/first": "-- Uses: b (second)\nlocal a = b",
        "lib/second": "local b = 1",
    }
    source = Scripts(None, overrides)._source["pause"]
    assert source.count("local a = b") == source.count("local b = 1") == 1
    assert source.index("local b = 1") < source.index("local a = b") < source.index("return a")


@pytest.mark.parametrize(
    ("library", "cycle"),
    [
        ({"one": "-- Uses: x (one)"}, "one -> one"),
        ({"one": "-- Uses: x (two)", "two": "-- Uses: x (one)"}, "one -> two -> one"),
        ({"one": "-- Uses: x (two)", "two": "-- Uses: x (three)", "three": "-- Uses: x (two)"}, "two -> three -> two"),
    ],
)
def test_shared_files_that_use_each_other_are_named(library: dict[str, str], cycle: str) -> None:
    overrides = {"pause": "-- Uses: x (one)"} | {f"lib/{name}": text for name, text in library.items()}
    with pytest.raises(ValueError, match=f"cycle: {cycle}$"):
        Scripts(None, overrides)
