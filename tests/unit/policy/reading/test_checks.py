"""What may be wrong has a stable name, and every name a sentence."""

from __future__ import annotations

import re

import pytest

from gate.documents import Flaw
from gate.policy.reading.checks import Check


@pytest.mark.parametrize("check", Check)
def test_a_check_has_a_name_and_a_sentence(check: Check) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", check.value)
    assert check.value == check.name.lower().replace("_", "-")
    assert check.says.endswith(".")
    assert str(check) == check.value
    assert Check(check.value) is check


@pytest.mark.parametrize("flaw", Flaw)
def test_what_makes_a_text_no_document_is_a_check(flaw: Flaw) -> None:
    assert not Check(flaw.value).warning
