"""Every cap on what the verifier reads of a signature, in one place. Bytes are capped before they get here."""

from __future__ import annotations

from typing import Final

MAX_SIGNATURES: Final = 32
"""Of one DSSE envelope."""

MAX_SUBJECTS: Final = 1024
"""Of one statement (CVE-2024-45395)."""

MAX_LOG_ENTRIES: Final = 32
"""Of one bundle (CVE-2024-45395)."""

MAX_TIMESTAMPS: Final = 32
"""Of one bundle (CVE-2024-45395)."""

MAX_TIMESTAMP: Final = 64 * 1024
"""Bytes of one timestamp response."""

MAX_STAMP_CERTIFICATES: Final = 10
"""That come with one timestamp: its signer's chain."""

MAX_PROOF: Final = 64
"""Hashes of one inclusion proof: a tree of 2^64 leaves has no more."""

MAX_CHECKPOINT: Final = 64 * 1024
"""Bytes of one checkpoint."""

MAX_NOTE_SIGNATURES: Final = 100
"""Of one checkpoint: logs have witnesses that sign too."""

MAX_BODY: Final = 8 * 1024 * 1024
"""Bytes of one log entry's body."""

MAX_SCTS: Final = 32
"""Of one certificate."""

MAX_NAMES: Final = 32
"""Subject alternative names of one certificate."""
