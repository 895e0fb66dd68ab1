"""A question to a registry, and what came back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate import strictjson
from gate.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.registry.credentials.credential import Credential
    from gate.registry.guard.transport import Response


_NOT_FOUND: Final = 404
_EMPTY: Final = 16 * 1024  # bytes above which a list is not empty


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask a registry for.

    Attributes:
        method: GET or HEAD.
        path: of the URL, with its query.
        headers: beside `Authorization`.
        limit: bytes of an answer.
        shown: a path that is there if the repository is shown at all; "" where none is known.
        listed: the member of the answer that is a list, where it is one: some give strangers an empty one.
        stored: as `Request.stored`.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    limit: int
    shown: str = ""
    listed: str = ""
    stored: str = ""

    def says_nothing(self, response: Response) -> bool:
        """Whether it is "not found", or an empty list: how a registry also answers who may not see a repository."""
        if response.status == _NOT_FOUND:
            return True
        if not self.listed or response.status >= 300 or len(response.body) > _EMPTY or "link" in response.headers:
            return False
        try:
            document = strictjson.loads_unsigned(response.body)
        except ParseError:
            return False  # which whoever reads it will say
        return isinstance(document, dict) and not document.get(self.listed)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        response: of the registry.
        credential: what it was asked with; None where with none.
        others: how many more ways to ask it were refused.
        refused: whether it is a refusal, whatever its status: of tokens some say 400.
        about: what was asked for, where that was not the question itself; "" where it was.
    """

    response: Response
    credential: Credential | None
    others: int = 0
    refused: bool = False
    about: str = ""
