"""A source has one normal form."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gate.policy.content.source import normal

QUICK = settings(max_examples=300, deadline=None)


@given(st.text("ab.:/@#%+\\?gitscp-", max_size=40) | st.text(max_size=30))
@QUICK
def test_a_normal_form_is_its_own(text: str) -> None:
    for whole in (text, f"https://{text}", f"git@{text}", f"git+https://github.com/{text}"):
        found = normal(whole)
        assert found is None or normal(found) == found or normal(f"https://{found}") == found
