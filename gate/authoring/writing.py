"""YAML as people write it, of values that are anybody's: nothing in them is more than a text, or leaves its line."""

from __future__ import annotations

import re
from typing import Final

MAX_REMARK: Final = 300
"""Characters of somebody else's words in one comment."""

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9._/-]*", re.ASCII)
# What readers of YAML 1.1 take for something else than a text.
_WORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_RUNNER: Final = re.compile(r"##(?=\[|vso\[)", re.IGNORECASE)  # begins a command where CI's logs are read
_BYTE: Final = 0xFF
_TWO_BYTES: Final = 0xFFFF


def scalar(text: str) -> str:
    """A text as a YAML scalar on one line, in block and flow: plain where it may be, else quoted, in ASCII."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return '"{}"'.format("".join(map(_escaped, text)).replace("##", r"#\x23"))  # see _RUNNER


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isascii() and character.isprintable():
        return character
    code = ord(character)
    if code <= _BYTE:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= _TWO_BYTES else f"\\U{code:08x}"


def remark(text: str) -> str:
    """Somebody's words for a comment: printable ASCII on one line, and not without end."""
    told = "".join(c if c.isascii() and c.isprintable() else " " if c.isascii() else _escaped(c) for c in text)
    told = _RUNNER.sub("# ", " ".join(told.split()))
    return told if len(told) <= MAX_REMARK else f"{told[:MAX_REMARK]}..."
