"""The finding codes: stable words that scripts, metrics and the manual share.

A code once published is never reused or renamed. `Code` is the closed list; every code belongs to one `Group`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Code(StrEnum):
    """Every code a finding can have, grouped as the manual groups them."""

    # image
    REFERENCE_INVALID = "REFERENCE_INVALID"
    TAG_MUTABLE = "TAG_MUTABLE"
    TAG_MISSING = "TAG_MISSING"
    DIGEST_REQUIRED = "DIGEST_REQUIRED"
    DIGEST_DENIED = "DIGEST_DENIED"
    REGISTRY_NOT_ALLOWED = "REGISTRY_NOT_ALLOWED"
    IMAGE_TOO_OLD = "IMAGE_TOO_OLD"
    PLATFORM_MISSING = "PLATFORM_MISSING"
    LABEL_MISSING = "LABEL_MISSING"
    RUNS_AS_ROOT = "RUNS_AS_ROOT"
    # notes: they never change a verdict
    PINNED_AT_ADMISSION = "PINNED_AT_ADMISSION"
    # signature
    SIGNATURE_MISSING = "SIGNATURE_MISSING"
    SIGNATURE_INVALID = "SIGNATURE_INVALID"
    SIGNATURE_UNSUPPORTED = "SIGNATURE_UNSUPPORTED"
    KEY_MISMATCH = "KEY_MISMATCH"
    SIGNERS_TOO_FEW = "SIGNERS_TOO_FEW"
    REFERENCE_MISMATCH = "REFERENCE_MISMATCH"
    ANNOTATION_MISMATCH = "ANNOTATION_MISMATCH"
    # policy
    NO_POLICY_MATCHED = "NO_POLICY_MATCHED"
    DENIED_BY_POLICY = "DENIED_BY_POLICY"
    POLICY_INVALID = "POLICY_INVALID"
    # sources
    SOURCE_UNREADABLE = "SOURCE_UNREADABLE"
    # could not evaluate
    IMAGE_NOT_FOUND = "IMAGE_NOT_FOUND"
    REGISTRY_UNREACHABLE = "REGISTRY_UNREACHABLE"
    REGISTRY_UNAUTHORIZED = "REGISTRY_UNAUTHORIZED"
    REGISTRY_RATE_LIMITED = "REGISTRY_RATE_LIMITED"
    REGISTRY_TIMEOUT = "REGISTRY_TIMEOUT"
    REGISTRY_PROTOCOL = "REGISTRY_PROTOCOL"
    RESPONSE_TOO_LARGE = "RESPONSE_TOO_LARGE"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    TRUST_ROOT_UNAVAILABLE = "TRUST_ROOT_UNAVAILABLE"
    OVERLOADED = "OVERLOADED"
    INTERNAL = "INTERNAL"


NOTES: Final = frozenset({Code.PINNED_AT_ADMISSION})
"""Codes that inform and never change a verdict."""

INABILITY: Final = frozenset(
    {
        Code.IMAGE_NOT_FOUND,
        Code.REGISTRY_UNREACHABLE,
        Code.REGISTRY_UNAUTHORIZED,
        Code.REGISTRY_RATE_LIMITED,
        Code.REGISTRY_TIMEOUT,
        Code.REGISTRY_PROTOCOL,
        Code.RESPONSE_TOO_LARGE,
        Code.DEADLINE_EXCEEDED,
        Code.TRUST_ROOT_UNAVAILABLE,
        Code.OVERLOADED,
        Code.INTERNAL,
    }
)
"""Codes that say "could not evaluate": never taken for a denial's cause such as "not signed"."""
