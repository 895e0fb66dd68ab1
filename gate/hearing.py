"""Whether anybody was heard while a question was put to a registry: who says something can be reached."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Hearing:
    """Of one question, whatever requests it takes: with each credential, for a token, after a redirect, once more.

    Attributes:
        registry: that the question is put to; whoever else is asked meanwhile is asked on its behalf.
        heard: whether anything came, from it or from anybody else, but its own word that it is out of order (5xx).
    """

    registry: str
    heard: bool = False
