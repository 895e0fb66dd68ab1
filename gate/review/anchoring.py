"""What signers trust, fetched: the keys and authorities that signatures are verified with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.errors import EvidenceUnavailable
from gate.evidence.facts import Unavailable
from gate.policy.trust import MissingRoot
from gate.trust.anchors import Anchors, Holder, Issuers
from gate.trust.root import TrustedRoot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.deadline import Deadline
    from gate.policy.trust import TrustNeeds, TrustRoot, WitnessedKey
    from gate.review.ports import TrustedRoots

    Used = tuple[tuple[TrustRoot, TrustedRoot | None], ...]


class Anchoring:
    """The anchors for one image's signatures. Each trust root is asked for once, and only where a signature wants it.

    One that is missing from the start is its signers' affair (see acceptance).
    """

    def __init__(self, needs: TrustNeeds, roots: TrustedRoots, deadline: Deadline) -> None:
        """Take what signers need, where trust roots come from, and the time for asking; nothing is asked yet."""
        self._needs = needs
        self._roots = roots
        self._deadline = deadline
        self._loaded: dict[TrustRoot, TrustedRoot | None] = {}
        self._made: dict[tuple[bool, bool], tuple[Anchors, Used]] = {}
        self.unavailable: list[Unavailable] = []
        """The trust roots that could not be had."""

    def anchors(self, *, certificate: bool, countersigned: bool) -> tuple[Anchors, Used]:
        """What one signature is tried against, and the trust roots that it is made of.

        Args:
            certificate: whether it comes with one.
            countersigned: whether a log entry or timestamp stands beside it.
        """
        key = (certificate, countersigned)
        if key not in self._made:
            used: dict[TrustRoot, TrustedRoot | None] = {}
            issuers = tuple(self._issuers(used, countersigned=countersigned)) if certificate else ()
            holders = tuple(self._holder(known, used, look=countersigned) for known in self._needs.keys)
            self._made[key] = Anchors(holders, issuers), tuple(used.items())
        return self._made[key]

    def still(self, used: Used) -> bool:
        """Whether these trust roots are what they were."""
        return all(self._root(wanted) is root for wanted, root in used)

    def _holder(self, known: WitnessedKey, used: dict[TrustRoot, TrustedRoot | None], *, look: bool) -> Holder:
        if known.root is None:
            return Holder(known.key)
        return Holder(known.key, known.root.name, self._use(known.root, used) if look else None)

    def _issuers(self, used: dict[TrustRoot, TrustedRoot | None], *, countersigned: bool) -> Iterator[Issuers]:
        for named in self._needs.roots:
            if (root := self._use(named, used)) is not None:
                yield Issuers(named.name, root.authorities, root)
        for pki in self._needs.private:
            wanted = pki.root if pki.ct or countersigned else None
            found = TrustedRoot.nothing() if wanted is None else self._use(wanted, used)
            if found is not None:
                yield Issuers(pki.name, pki.authorities, found, private=True)

    def _use(self, wanted: TrustRoot, used: dict[TrustRoot, TrustedRoot | None]) -> TrustedRoot | None:
        used[wanted] = self._root(wanted)
        return used[wanted]

    def _root(self, wanted: TrustRoot) -> TrustedRoot | None:
        if isinstance(wanted, MissingRoot):
            return None
        if wanted not in self._loaded:
            try:
                self._loaded[wanted] = self._roots.current(wanted, self._deadline)
            except EvidenceUnavailable as error:
                self._loaded[wanted] = None
                self.unavailable.append(Unavailable.of(error, wanted.name))
        return self._loaded[wanted]
