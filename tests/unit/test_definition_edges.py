"""How faults of a submission show what they are about: long texts are cut, and a lot of faults ends."""

from __future__ import annotations

import pytest

from chalicelib.core import definition


@pytest.mark.parametrize(
    ("length", "shown"), [(1, "x"), (60, "x" * 60), (61, f"{'x' * 57}..."), (999, f"{'x' * 57}...")]
)
def test_what_is_shown_of_a_long_text_has_sixty_characters(length: int, shown: str) -> None:
    assert definition._short("x" * length) == shown
