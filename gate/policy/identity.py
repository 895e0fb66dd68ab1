"""Patterns over the identity that a certificate names (POLICY §5)."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Final, Literal

from gate.errors import ParseError
from gate.evidence.facts import FulcioClaims
from gate.policy.patterns import glob, linear

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gate.evidence.facts import Identity
    from gate.policy.patterns import Matcher

_MOST: Final = 1000  # characters of a regular expression


@dataclass(frozen=True, slots=True)
class TextPattern:
    """A text, exactly; or a regular expression, or globs, that it matches from end to end.

    Regular expressions are RE2's: linear in time, cosign's syntax. Unanchored, `https://github.com/acme/` would match
    `https://evil.example/?https://github.com/acme/` (CVE-2026-22772).
    """

    text: str
    kind: Literal["exact", "regex", "globs"] = "exact"
    _compiled: tuple[Matcher, ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def parse_regex(cls, text: str) -> TextPattern:
        """A regular expression.

        Raises:
            ParseError: it is none, empty or too long.
        """
        if not text or len(text) > _MOST:
            raise ParseError(
                f"a regular expression of {len(text)} characters; 1 to {_MOST} are read", remedy="say who is meant"
            )
        return cls(text, "regex", (linear(text),))

    @classmethod
    def parse_globs(cls, texts: Sequence[str]) -> TextPattern:
        """Any of some texts, in which `*` stops at `/` and `**` does not.

        Raises:
            ParseError: one is too large.
        """
        return cls(" or ".join(texts), "globs", tuple(map(glob, texts)))

    def matches(self, value: str) -> bool:
        """Whether the whole of a value fits."""
        if self.kind == "exact":
            return value == self.text
        return any(pattern.fullmatch(value) for pattern in self._compiled)

    def __str__(self) -> str:
        return f"/{self.text}/" if self.kind == "regex" else self.text


@dataclass(frozen=True, slots=True)
class IdentityPattern:
    """Who a certificate has to name. All parts have to fit; a claim that the certificate lacks fits nothing.

    Attributes:
        subject: one of its subjects.
        issuer: its OpenID Connect issuer; None where there is no such thing (private PKI).
        claims: Fulcio's, by the name of their field in `FulcioClaims`; any of several patterns.
    """

    subject: TextPattern
    issuer: TextPattern | None
    claims: tuple[tuple[str, tuple[TextPattern, ...]], ...] = ()

    def mismatch(self, identity: Identity) -> str:
        """What an identity is and what is wanted, for people; "" where it fits."""
        different = list(self._differences(identity))
        if not different:
            return ""
        # A claim that repeats what is already said tells nobody anything.
        different = [found for i, found in enumerate(different) if found[1:] not in [d[1:] for d in different[:i]]]
        got = ", ".join(f"{what} {got[:200] or '(none)'}".strip() for what, got, _ in different)
        wanted = ", ".join(f"{what} {wanted[:200]}".strip() for what, _, wanted in different)
        return f"signed by {got}; needs {wanted}"

    def _differences(self, identity: Identity) -> Iterator[tuple[str, str, str]]:
        if not any(self.subject.matches(subject) for subject in identity.subjects):
            yield "", identity.subject, str(self.subject)
        if self.issuer is not None and not self.issuer.matches(identity.issuer):
            yield "issuer", identity.issuer, str(self.issuer)
            return  # the claims are its own: of another issuer's nothing more is worth saying
        for name, patterns in self.claims:
            value: str = getattr(identity.claims, name)
            if not value or not any(pattern.matches(value) for pattern in patterns):
                yield name.replace("_", " "), value, " or ".join(map(str, patterns))

    def __str__(self) -> str:
        return f"{self.subject} (issuer {self.issuer})" if self.issuer else str(self.subject)


CLAIMS: Final = frozenset(f.name for f in fields(FulcioClaims))
"""The claims that a pattern may ask for."""
