"""How much of one image's evidence is read. Beyond it something is cut, and what is cut is an error, never less."""

from __future__ import annotations

from typing import Final

MAX_PAYLOADS: Final = 100
"""Different payloads read for one image (CVE-2023-46737); one payload with many signatures counts once."""

MAX_CANDIDATES: Final = 1000
"""Signatures looked at for one image; cosign reads as many layers."""

MAX_SIGNATURE: Final = 1024 * 1024
"""Bytes of one payload or bundle where only signatures are wanted: cosign's have a few thousand."""

MAX_SIGNATURES: Final = 4 * 1024 * 1024
"""Bytes of all of them."""

MAX_ATTESTATIONS: Final = 128 * 1024 * 1024
"""Bytes of all attestations: on disk, each in memory only while it is verified; as many as one may have, if more."""

MAX_BESIDE: Final = 2 * 1024 * 1024
"""Bytes of what stands beside the payloads of one image: certificates, chains, log entries."""

MAX_REFERRERS: Final = 100
"""Manifests that refer to one image, and are read: of more of them those first that may be signatures."""

MAX_REFERRER: Final = 512 * 1024
"""Bytes of one of them: it has one bundle, or one signer's layers."""

REFERRERS_AT_ONCE: Final = 16
"""Of their manifests, for one image."""

PAYLOADS_AT_ONCE: Final = 8
"""Payloads of one image that are fetched and not yet read."""

MAX_PLATFORMS: Final = 64
"""Images in one index, those of indexes in it too."""

MAX_INSIDE: Final = 1024 * 1024
"""Bytes of a manifest below an index, and of its configuration: there are many of them."""

MAX_SAID: Final = 4 * 1024 * 1024
"""Bytes of what the configurations of one index say, about: all of it is held until it has been judged."""

PLATFORMS_AT_ONCE: Final = 8
"""Images of one index whose configurations are read at a time."""

MAX_NESTED: Final = 3
"""Levels of indexes below an index."""

MAX_BASES: Final = 10
"""Images that an image is said to be built on, and may be, that are looked at."""
