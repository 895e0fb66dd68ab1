"""The kinds whose objects run images: Kubernetes' own, and those that a `GateConfig` names."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from gate.kubernetes.workload import BUILT_IN, GroupKind, Places

if TYPE_CHECKING:
    from gate.kubernetes.workload import Kinds
    from gate.policy.config import CustomResource


@lru_cache(maxsize=8)
def kinds_of(custom_resources: tuple[CustomResource, ...]) -> Kinds:
    """All of them; those of a set are asked for at every review."""
    named = {GroupKind(one.group, one.kind): Places(one.pod_specs, one.images) for one in custom_resources}
    return {**named, **BUILT_IN}
