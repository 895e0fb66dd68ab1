"""Trusted roots that tests hand out (gate.review.ports.TrustedRoots)."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

from gate.codes import Code
from gate.errors import EvidenceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gate.deadline import Deadline
    from gate.policy.trust import TrustRoot
    from gate.trust.root import TrustedRoot


class FixedRoots:
    """Roots by name, as a test has set them; another name can't be had. Thread-safe.

    Attributes:
        asked: how often for each name.
        roots: may be changed.
        hook: called before each answer with the name; may block or raise.
    """

    def __init__(self, roots: Mapping[str, TrustedRoot] | None = None) -> None:
        self.asked: Counter[str] = Counter()
        self.roots = dict(roots or {})
        self.hook: Callable[[str], None] | None = None
        self._lock = threading.Lock()

    def current(self, root: TrustRoot, deadline: Deadline) -> TrustedRoot:
        name = root.name
        with self._lock:
            self.asked[name] += 1
        if self.hook is not None:
            self.hook(name)
        deadline.check(f"asking for the trust root {name}")
        if name not in self.roots:
            raise EvidenceUnavailable(
                Code.TRUST_ROOT_UNAVAILABLE, f"the test has no trust root {name}", remedy="set one"
            )
        return self.roots[name]


class NoRoots(FixedRoots):
    """None at all."""

    def __init__(self) -> None:
        super().__init__()
