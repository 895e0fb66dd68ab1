"""Which policies can be about an image at all, found by its host and first path segment, and by the namespace.

What is found is judged by `matching`; what is not found cannot match. So a set may grow, and an image is asked about
only what is about its neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gate.image.reference import Repository
    from gate.policy.exceptions import GateException
    from gate.policy.patterns import ImagePattern
    from gate.policy.policy import Policy

_Place = tuple[str, str]
"""Host and first path segment; "" where a pattern leaves it open."""


@dataclass(frozen=True, slots=True)
class PolicyIndex:
    """Over the policies and exceptions of one set.

    Attributes:
        policies: all of them, in order.
        places: positions in it, by namespace (None: of cluster policies) and place.
        exceptions: by namespace.
    """

    policies: Sequence[Policy]
    places: dict[str | None, dict[_Place, list[int]]]
    exceptions: dict[str, tuple[GateException, ...]]

    @classmethod
    def of(cls, policies: Sequence[Policy], exceptions: Iterable[GateException]) -> PolicyIndex:
        """Index them."""
        places: dict[str | None, dict[_Place, list[int]]] = {}
        for position, policy in enumerate(policies):
            here = places.setdefault(policy.namespace, {})
            for place in dict.fromkeys(map(_place, policy.match.images)):
                here.setdefault(place, []).append(position)
        by_namespace: dict[str, tuple[GateException, ...]] = {}
        for one in exceptions:
            by_namespace[one.namespace] = (*by_namespace.get(one.namespace, ()), one)
        return cls(policies, places, by_namespace)

    def candidates(self, name: Repository, namespace: str | None) -> list[Policy]:
        """Those that may be about an image in a namespace, in order; None: in one that is not known, and so in any."""
        if namespace is None:
            where = list(self.places.values())
        else:
            where = [here for one in (None, namespace) if (here := self.places.get(one)) is not None]
        first = name.path.partition("/")[0]
        keys = ((name.registry, first), (name.registry, ""), ("", first), ("", ""))
        positions = {position for here in where for key in keys for position in here.get(key, ())}
        return [self.policies[position] for position in sorted(positions)]


def _place(pattern: ImagePattern) -> _Place:
    """What every repository that a pattern covers has in common."""
    host, _, rest = pattern.text.partition("/")
    if host == "**":
        return ("", "")  # it may stand for none: what follows may be the host
    first = rest.partition("/")[0]
    return ("" if "*" in host else host, "" if "*" in first else first)
