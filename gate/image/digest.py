"""Content digests (OCI image-spec, descriptor.md, "Digests")."""

from __future__ import annotations

import hashlib
import hmac
import re
import sys
from dataclasses import dataclass
from typing import Final

from gate.errors import ParseError

_HEX_LENGTH: Final = {"sha256": 64, "sha512": 128}
_FORM: Final = re.compile(r"([a-z0-9]+(?:[+._-][a-z0-9]+)*):([0-9a-f]+)", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """`algorithm:hex`, one of the registered algorithms, lower-case hex of exactly its length.

    Because only these characters can occur, a Digest is safe in a URL path and in a file name.
    """

    algorithm: str
    hex: str

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Read `sha256:…` or `sha512:…`.

        Raises:
            ParseError: another algorithm, length, case or character.
        """
        found = _FORM.fullmatch(text)
        if not found:
            raise ParseError(f"{text[:100]!r} is not a digest", remedy="write sha256: and 64 lower-case hex digits")
        hexadecimal = found[2]
        algorithm = sys.intern(found[1])  # one string for all digests: many are held
        wanted = _HEX_LENGTH.get(algorithm)
        if wanted is None:
            raise ParseError(f"digest algorithm {algorithm[:20]!r} is not supported", remedy="use sha256")
        if len(hexadecimal) != wanted:
            raise ParseError(
                f"a {algorithm} digest has {wanted} hex digits, got {len(hexadecimal)}", remedy="write all of it"
            )
        return cls(algorithm, hexadecimal)

    @classmethod
    def of(cls, content: bytes, algorithm: str = "sha256") -> Digest:
        """The digest of `content`."""
        return cls(algorithm, hashlib.new(algorithm, content).hexdigest())

    def matches(self, content: bytes) -> bool:
        """Whether `content` has this digest; always computed anew."""
        return hmac.compare_digest(hashlib.new(self.algorithm, content).hexdigest(), self.hex)

    @property
    def tag(self) -> str:
        """The tag that names things about this digest, `sha256-<hex>` (distribution-spec, "Referrers Tag Schema").

        That schema cuts algorithm and hex at 32 and 64 characters; cosign adds `.sig` and `.att`.
        """
        return f"{self.algorithm[:32]}-{self.hex[:64]}"

    @property
    def short(self) -> str:
        """For people: the algorithm and the first twelve hex digits."""
        return f"{self.algorithm}:{self.hex[:12]}"

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"
