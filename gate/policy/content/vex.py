"""What somebody says of vulnerabilities in products: VEX, whatever its format."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from datetime import datetime


class Status(StrEnum):
    """What a vulnerability is to a product (OpenVEX, "Status Labels")."""

    NOT_AFFECTED = "not_affected"
    AFFECTED = "affected"
    FIXED = "fixed"
    UNDER_INVESTIGATION = "under_investigation"

    @property
    def clears(self) -> bool:
        """Whether it says that there is nothing to fear."""
        return self in (Status.NOT_AFFECTED, Status.FIXED)


class Product(msgspec.Struct, frozen=True, gc=False):
    """What a statement is about.

    Attributes:
        ids: all names of the one product: package URLs, other identifiers, as written.
        hashes: hex digests of it.
        subcomponents: what inside it is meant, names as `ids`; () where all of it is.
    """

    ids: tuple[str, ...]
    hashes: tuple[str, ...] = ()
    subcomponents: tuple[str, ...] = ()


class Statement(msgspec.Struct, frozen=True):
    """That a vulnerability has a status in some products.

    Attributes:
        ids: names of the vulnerability, aliases too.
        products: () where the document names none: then it is about nothing.
        why: justification or impact statement, for people.
        at: when it was said; None where that is not known.
    """

    ids: tuple[str, ...]
    status: Status
    products: tuple[Product, ...]
    why: str = ""
    at: datetime | None = None


class Vex(msgspec.Struct, frozen=True):
    """A document.

    Attributes:
        author: who is said to have written it.
        at: when it was made or last changed; None where it does not say.
        statements: in their order.
    """

    author: str
    at: datetime | None
    statements: tuple[Statement, ...]
