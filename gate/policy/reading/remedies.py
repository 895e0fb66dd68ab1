"""What to write instead of a value that has not the shape that it should have: exactly, where that is known."""

from __future__ import annotations

import difflib
import json
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jsonschema.exceptions import ValidationError

_DURATION: Final = re.compile(r"P?(?:(\d{1,6})D)?T?(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,6})S)?", re.ASCII)
"""A duration as ISO 8601 or Go writes it, in capitals and without white space."""

_WORDS: Final = (
    (r"(\d{1,4}) ?W(?:EEKS?)?", 7 * 86400),
    (r"(\d{1,6}) ?D(?:AYS?)?", 86400),
    (r"(\d{1,6}) ?(?:H(?:OURS?)?|HRS?)", 3600),
    (r"(\d{1,6}) ?M(?:IN(?:UTE)?S?)?", 60),
    (r"(\d{1,6}) ?S(?:EC(?:OND)?S?)?", 1),
)
_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_OTHERS: Final = {
    "const": "write {}",
    "minimum": "write {} or more",
    "maximum": "write {} or less",
    "minItems": "say what it has, or leave the field out",
    "minLength": "say what it has, or leave the field out",
    "maxItems": "keep {} at most",
    "maxLength": "keep {} at most",
    "maxProperties": "keep one of them",
    "minProperties": "add one of them",
}
"""By keyword; `{}` is what the schema has there."""

_YES: Final = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}
_ELSEWHERE: Final = {
    "expiresAt": "until",
    "expires": "until",
    "effectiveUntil": "until",
    "glob": "images",
    "imageReferences": "images",
    "matchImageReferences": "images",
    "skipImageReferences": "exclude",
    "authorities": "signers",
    "attestors": "signers",
    "trustRoots": "signers",
    "validationFailureAction": "mode",
    "failureAction": "mode",
    "publicKeys": "pem",
    "data": "pem",
    "secretRef": "secret",
    "subjectRegExp": "subjectRegex",
    "issuerRegExp": "issuerRegex",
}
"""What policy-controller, Kyverno, Connaisseur and Conforma call a field, and what it is called here."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*", re.ASCII)


def did_you_mean(word: object, known: Iterable[object]) -> str:
    """`did you mean …?`, or what is known where nothing is near."""
    words = [str(k) for k in known]
    near = nearest(word, words, 0.5)
    if near is not None:
        return f"did you mean {near}?"
    return f"known here: {', '.join(words)}" if words else "none is known here"


def nearest(word: object, known: Iterable[str], least: float) -> str | None:
    """The word that is most like another one, whatever their capitals; None where none is so like it (0 to 1)."""
    folded = {text.lower(): text for text in known}
    near = difflib.get_close_matches(str(word)[:100].lower(), folded, n=1, cutoff=least)
    return folded[near[0]] if near else None


def field_meant(field: object, known: Iterable[str]) -> str:
    """Which field was meant by one that there is not."""
    names = list(known)
    meant = _ELSEWHERE.get(str(field))
    return f"did you mean {meant}?" if meant in names else did_you_mean(field, names)


def remedy_of(error: ValidationError) -> str:
    """What to do about an error of the validator; "" where the message says all that is known."""
    value, wanted = error.instance, error.validator_value
    match error.validator:
        case "enum":
            return did_you_mean(value, wanted if isinstance(wanted, list) else ())
        case "type":
            return _of_type(str(wanted), value)
        case "pattern":
            return _better(str(wanted), value)
        case "maxProperties" | "minProperties" if isinstance(error.schema, dict) and "errorMessage" in error.schema:
            return ""  # its message says which forms there are
        case keyword:
            return _OTHERS.get(str(keyword), "").format(wanted)


def better_duration(text: str) -> str | None:
    """A duration as policies write it, of one that is written otherwise: `1w`, `168h0m0s`, `P7D`, `90 minutes`."""
    upper = text.strip().upper()
    for pattern, size in _WORDS:
        if (found := re.fullmatch(pattern, upper)) is not None:
            return _in_units(int(found[1]) * size)
    if (found := _DURATION.fullmatch(upper)) is not None and any(found.groups()):
        return _in_units(sum(int(n or 0) * size for n, (_, size) in zip(found.groups(), _UNITS, strict=True)))
    return None


def _in_units(seconds: int) -> str:
    """In the largest unit of which it is a whole number."""
    return next(f"{seconds // size}{unit}" for unit, size in _UNITS if seconds % size == 0)


def _of_type(wanted: str, value: object) -> str:
    match wanted, value:
        case "string", bool() | int() | float():
            return f'write it in quotes: "{str(value).lower()}"'
        case "array", _:
            return f"write it as a list: [{_written(value) if isinstance(value, str) else ' … '}]"
        case "boolean", _:
            known = _YES.get(value.lower()) if isinstance(value, str) else None
            return f"write {known}, without quotes" if known else "write true or false"
        case "integer", str() if value.isdecimal():
            return f"write {value}, without quotes"
        case "object", None:
            return "write {}, or what belongs in it"
        case "object", _:
            return "write it as a mapping: {field: value}"
        case _:
            return ""


def _better(pattern: str, value: Any) -> str:  # noqa: ANN401 - a document may hold anything
    """The text with what most likely is wrong with it put right, if that is what is wanted."""
    if not isinstance(value, str):
        return ""
    lower = value.strip().lower()
    candidates = [value.strip(), lower, re.sub(r"[\s_]+", "-", lower), better_duration(value[:40])]
    found = next((c for c in candidates if c is not None and re.fullmatch(pattern.strip("^$"), c)), None)
    return f"write {found}" if found is not None else ""


def _written(value: str) -> str:
    """As an entry of a list in one line."""
    return value[:100] if _PLAIN.fullmatch(value) else json.dumps(value[:100], ensure_ascii=False)
