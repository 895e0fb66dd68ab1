from __future__ import annotations

import pytest

from tests.fakes.clock import SettableClock


@pytest.mark.parametrize(
    ("own", "left", "outlasts"),
    [(10, 0, True), (10, -3, True), (10, 4.9, True), (10, 5, False), (10, 10, False), (0, 0, False), (-1, -5, False)],
)
def test_only_who_has_much_more_time_tries_what_another_had_too_little_for(
    own: float,
    left: float,
    outlasts: bool,  # noqa: FBT001
) -> None:
    assert SettableClock().deadline(own).outlasts(left) is outlasts
