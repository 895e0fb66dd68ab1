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


def anchors_for(
    needs: TrustNeeds, roots: TrustedRoots, deadline: Deadline, *, certificates: bool, countersigned: bool
) -> tuple[Anchors, tuple[Unavailable, ...]]:
    """The anchors, and the trust roots that could not be had.

    A trust root is loaded only where some signature could want it: that may be a request to its repository.

    Args:
        needs: of the signers.
        roots: where trust roots come from.
        deadline: for asking.
        certificates: whether some signature comes with one.
        countersigned: whether a log entry or timestamp stands beside some signature.
    """
    loader = _Loader(roots, deadline)
    issuers = tuple(loader.issuers(needs, countersigned=countersigned)) if certificates else ()
    holders = tuple(loader.holder(known, look=countersigned) for known in needs.keys)
    return Anchors(holders, issuers), tuple(loader.unavailable)


class _Loader:
    """Each trust root asked for once. One that is missing from the start is its signers' affair (see acceptance)."""

    def __init__(self, roots: TrustedRoots, deadline: Deadline) -> None:
        self._roots = roots
        self._deadline = deadline
        self._loaded: dict[TrustRoot, TrustedRoot | None] = {}
        self.unavailable: list[Unavailable] = []

    def holder(self, known: WitnessedKey, *, look: bool) -> Holder:
        if known.root is None:
            return Holder(known.key)
        return Holder(known.key, known.root.name, self._root(known.root) if look else None)

    def issuers(self, needs: TrustNeeds, *, countersigned: bool) -> Iterator[Issuers]:
        for named in needs.roots:
            if (root := self._root(named)) is not None:
                yield Issuers(named.name, root.authorities, root)
        for pki in needs.private:
            wanted = pki.root if pki.ct or countersigned else None
            found = TrustedRoot.nothing() if wanted is None else self._root(wanted)
            if found is not None:
                yield Issuers(pki.name, pki.authorities, found, private=True)

    def _root(self, wanted: TrustRoot) -> TrustedRoot | None:
        if isinstance(wanted, MissingRoot):
            return None
        if wanted not in self._loaded:
            try:
                self._loaded[wanted] = self._roots.current(wanted, self._deadline)
            except EvidenceUnavailable as error:
                self._loaded[wanted] = None
                self.unavailable.append(Unavailable(error.code, error.message, error.remedy, wanted.name))
        return self._loaded[wanted]
