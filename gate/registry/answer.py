"""A question to a registry, and what came back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.registry.credentials.credential import Credential
    from gate.registry.guard.transport import Response


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask a registry for.

    Attributes:
        method: GET or HEAD.
        path: of the URL, with its query.
        headers: beside `Authorization`.
        limit: bytes of an answer.
        shown: a path that is there if the repository is shown at all; "" where none is known.
        telling: whether a success says that the repository is shown to whoever asked. A list of referrers is given to
            strangers too, by some, and is empty then.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    limit: int
    shown: str = ""
    telling: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        response: of the registry.
        credential: what it was asked with; None where with none.
        others: how many more ways to ask it were refused.
        refused: whether it is a refusal, whatever its status: of tokens some say 400.
    """

    response: Response
    credential: Credential | None
    others: int = 0
    refused: bool = False
