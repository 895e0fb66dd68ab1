"""AdmissionReviews in and out (admission.k8s.io/v1, the same as v1beta1), and the JSON Patch they carry.

The rules of an answer are the API server's (pkg/admission/plugin/webhook/request/admissionreview.go): a wrong uid or
apiVersion, or a patch without a patchType, is a failed call, which `failurePolicy: Ignore` admits.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from gate.errors import GateError
from gate.kubernetes.uncovered import explained, uncovered
from gate.kubernetes.workload import (
    BUILT_IN,
    GroupKind,
    ImageField,
    ObjectUnreadable,
    changed,
    images,
    is_pod,
    pointer,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from gate.kubernetes.workload import Kinds, Path

    _Read = Callable[[GroupKind, object, Kinds], tuple[ImageField, ...]]

MAX_BODY: Final = 7 * 1024 * 1024
"""Bytes of a review: the API server's 3 MiB an object, twice, and the rest (controller-runtime has the same)."""

MAX_UID: Final = 200
"""Characters of a uid; the API server sends 36."""

MAX_MESSAGE: Final = 900
"""Characters of a denial: Events are cut at 1,024, and the API server adds its own words."""

MAX_WARNING: Final = 120
MAX_WARNINGS: Final = 20
"""The API server cuts each warning once they have more than 4,096 characters together."""

MAX_AUDIT_VALUE: Final = 1024

DEFAULT_API_VERSION: Final = "admission.k8s.io/v1"
_API_VERSIONS: Final = frozenset({DEFAULT_API_VERSION, "admission.k8s.io/v1beta1"})

_JUDGED_SUB_RESOURCES: Final = frozenset({"", "ephemeralcontainers", "resize"})
"""Of the others (scale, status, binding, eviction …) the object holds no images, or the API server keeps the old."""

_UNJUDGED_OPERATIONS: Final = frozenset({"DELETE", "CONNECT"})

_REASONS: Final = {400: "BadRequest", 403: "Forbidden", 500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout"}
"""metav1.StatusReason by HTTP status."""

_AUDIT_KEY: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", re.ASCII)
"""The name part of a qualified name (apimachinery validation.IsQualifiedName); its prefix is the webhook's name."""

_UNPRINTABLE: Final = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Controls but for the newline, what reorders or breaks lines on a terminal, and what UTF-8 cannot hold."""

_UID_IN_TEXT: Final = re.compile(rb'"request"\s*:\s*\{\s*"uid"\s*:\s*"([0-9A-Za-z._:-]{1,200})"')
_UID_SEARCHED: Final = 64 * 1024


class NotAReview(GateError):
    """A body that is no AdmissionReview at all: there is nothing that an answer could refer to."""


class ReviewUnreadable(GateError):
    """An AdmissionReview whose request cannot be used. What was found of it serves to answer.

    `uid` is "" where it is unknown; `api_version` is the review's own.
    """

    def __init__(self, message: str, *, uid: str = "", api_version: str = DEFAULT_API_VERSION) -> None:
        """Keep what an answer must echo."""
        super().__init__(message)
        self.uid = uid
        self.api_version = api_version


@dataclass(frozen=True, slots=True)
class AdmissionRequest:
    """What the API server asks about."""

    uid: str
    api_version: str
    """The review's, which the answer echoes; not the object's."""
    gk: GroupKind
    sub_resource: str
    operation: str
    namespace: str
    name: str
    """"" on CREATE with a generateName."""
    obj: object | None = field(hash=False)
    old_obj: object | None = field(hash=False)
    dry_run: bool
    username: str

    def images_to_judge(self, kinds: Kinds = BUILT_IN) -> tuple[ImageField, ...]:
        """The image fields that must be judged; the rest of them stood there before.

        On UPDATE those that changed (all, when oldObject cannot be read); none on DELETE, CONNECT and subresources
        without images; all on every other operation. Nothing else of the object is looked at: deletionTimestamp,
        ownerReferences and annotations are its author's words.

        Raises:
            ObjectUnreadable: the images of the object cannot be known, or are where no path of its kind leads.
        """
        if self.operation in _UNJUDGED_OPERATIONS or self.sub_resource not in _JUDGED_SUB_RESOURCES:
            return ()
        if self.sub_resource and not is_pod(self.gk):
            raise ObjectUnreadable(
                f"a {self.gk.kind} at the subresource {self.sub_resource}: only a Pod is known there",
                remedy="use Kubernetes 1.23 or newer",
            )
        self._check_covered(kinds)
        return self._new(images, kinds)

    def _check_covered(self, kinds: Kinds) -> None:
        """An image that no path of a custom kind leads to must not run as if it were not there."""
        for one in self._new(uncovered, kinds):
            message, remedy = explained(one, self.gk)
            raise ObjectUnreadable(message, remedy=remedy, path=one.path)

    def _new(self, read: _Read, kinds: Kinds) -> tuple[ImageField, ...]:
        """What is read of the object; of an UPDATE what was not there before."""
        found = read(self.gk, self.obj, kinds)
        if self.operation != "UPDATE":
            return found
        try:
            return changed(found, read(self.gk, self.old_obj, kinds))
        except ObjectUnreadable:
            return found


@dataclass(frozen=True, slots=True)
class PatchOperation:
    """One text of the object to replace; `old` is what stands there now."""

    path: Path
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class AdmissionResponse:
    """The answer. `encode` cuts, cleans or drops what the API server would refuse or cut."""

    uid: str
    api_version: str
    allowed: bool
    message: str = ""
    """Why not; used only when denied."""
    code: int = 403
    """HTTP status the API server answers with, at least 400; used only when denied."""
    warnings: tuple[str, ...] = ()
    audit: Mapping[str, str] = field(default_factory=dict, hash=False)
    patch: tuple[PatchOperation, ...] = ()
    """Used only when allowed."""

    def encode(self) -> bytes:
        """The AdmissionReview as JSON."""
        response: dict[str, object] = {"uid": _encodable(self.uid), "allowed": self.allowed}
        if not self.allowed:
            response["status"] = self._status()
        elif self.patch:
            response["patchType"] = "JSONPatch"
            response["patch"] = base64.b64encode(json_patch(self.patch)).decode("ascii")
        if warnings := _warnings(self.warnings):
            response["warnings"] = warnings
        if audit := _audit(self.audit):
            response["auditAnnotations"] = audit
        review = {"apiVersion": _encodable(self.api_version), "kind": "AdmissionReview", "response": response}
        return msgspec.json.encode(review)

    def _status(self) -> dict[str, object]:
        status: dict[str, object] = {"code": self.code, "message": _cut(_printable(self.message), MAX_MESSAGE)}
        if reason := _REASONS.get(self.code):
            status["reason"] = reason
        return status


class _GroupVersionKind(msgspec.Struct):
    kind: Annotated[str, msgspec.Meta(min_length=1)]
    group: str = ""


class _User(msgspec.Struct):
    username: str = ""


class _Request(msgspec.Struct, rename="camel"):
    uid: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_UID)]
    kind: _GroupVersionKind
    sub_resource: str = ""
    operation: str = ""
    namespace: str = ""
    name: str = ""
    obj: object = msgspec.field(default=None, name="object")
    old_object: object = None
    dry_run: bool | None = None
    user_info: _User = msgspec.field(default_factory=_User)


class _Review(msgspec.Struct, rename="camel"):
    kind: str = ""
    api_version: str = ""
    request: _Request | None = None


class _Head(msgspec.Struct, rename="camel"):
    kind: str = ""
    api_version: str = ""
    request: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)


class _Uid(msgspec.Struct):
    uid: str = ""


class _Loose(msgspec.Struct):
    request: _Uid = msgspec.field(default_factory=_Uid)


_REVIEW: Final = msgspec.json.Decoder(_Review)
_HEAD: Final = msgspec.json.Decoder(_Head)
_UID: Final = msgspec.json.Decoder(_Uid)
_LOOSE: Final = msgspec.json.Decoder(_Loose)
_UNDECODABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def parse_review(body: bytes) -> AdmissionRequest:
    """Read what the API server posted.

    Raises:
        NotAReview: too large, not JSON in UTF-8, nested too deeply, or no AdmissionReview of a known version.
        ReviewUnreadable: a review without a request, uid or kind, or with a field of the wrong type.
    """
    _check_bytes(body)
    try:
        review = _REVIEW.decode(body)
    except msgspec.ValidationError as error:
        raise _unusable(body, error) from error
    except _UNDECODABLE as error:
        raise NotAReview(f"not an AdmissionReview: {str(error)[:200]}") from error
    _check_type(review.kind, review.api_version)
    if review.request is None:
        raise ReviewUnreadable("the AdmissionReview has no request", api_version=review.api_version)
    return _request(review.api_version, review.request)


def fallback_uid(body: bytes) -> str:
    """The uid of a body that `parse_review` refused, "" when there is none to be found.

    For an answer only. Of what is no JSON, the API server's own way of writing the beginning is looked for.
    """
    if len(body) <= MAX_BODY:
        try:
            return _known_uid(_LOOSE.decode(body).request.uid)
        except _UNDECODABLE:
            pass
    found = _UID_IN_TEXT.search(body, 0, _UID_SEARCHED)
    return found[1].decode("ascii") if found else ""


def json_patch(operations: Iterable[PatchOperation]) -> bytes:
    """The RFC 6902 patch: for each operation a `test` of the old text, then one `replace`, nothing else."""
    steps = [
        step
        for operation in operations
        for step in (
            {"op": "test", "path": pointer(operation.path), "value": operation.old},
            {"op": "replace", "path": pointer(operation.path), "value": operation.new},
        )
    ]
    return msgspec.json.encode(steps)


def _check_bytes(body: bytes) -> None:
    if len(body) > MAX_BODY:
        raise NotAReview(f"the body has {len(body)} bytes; at most {MAX_BODY} are read")
    if b"\0" in body:
        raise NotAReview("not an AdmissionReview: it holds a NUL byte")
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotAReview(f"not an AdmissionReview: {error.reason} at byte {error.start}: not UTF-8") from error


def _check_type(kind: str, api_version: str) -> None:
    if kind != "AdmissionReview":
        raise NotAReview(f"the body is of kind {kind[:100]!r}, not AdmissionReview")
    if api_version not in _API_VERSIONS:
        raise NotAReview(f"the AdmissionReview is of {api_version[:100]!r}, not one of {sorted(_API_VERSIONS)}")


def _unusable(body: bytes, error: msgspec.ValidationError) -> NotAReview | ReviewUnreadable:
    """Tell a review with an unusable request from what is no review."""
    try:
        head = _HEAD.decode(body)
        _check_type(head.kind, head.api_version)
    except NotAReview as other:
        return other
    except _UNDECODABLE as other:
        return NotAReview(f"not an AdmissionReview: {str(other)[:200]}")
    try:
        uid = _known_uid(_UID.decode(head.request).uid)
    except _UNDECODABLE:
        uid = ""
    return ReviewUnreadable(
        f"the AdmissionReview cannot be read: {str(error)[:200]}", uid=uid, api_version=head.api_version
    )


def _known_uid(uid: str) -> str:
    return uid if len(uid) <= MAX_UID else ""


def _request(api_version: str, raw: _Request) -> AdmissionRequest:
    return AdmissionRequest(
        uid=raw.uid,
        api_version=api_version,
        gk=GroupKind(raw.kind.group, raw.kind.kind),
        sub_resource=raw.sub_resource,
        operation=raw.operation,
        namespace=raw.namespace,
        name=raw.name,
        obj=raw.obj,
        old_obj=raw.old_object,
        dry_run=bool(raw.dry_run),
        username=raw.user_info.username,
    )


def _warnings(texts: Iterable[str]) -> list[str]:
    lines = (_cut(_one_line(text), MAX_WARNING) for text in texts)
    return list(dict.fromkeys(filter(None, lines)))[:MAX_WARNINGS]


def _audit(annotations: Mapping[str, str]) -> dict[str, str]:
    return {
        key: _cut(_one_line(value), MAX_AUDIT_VALUE) for key, value in annotations.items() if _AUDIT_KEY.fullmatch(key)
    }


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub(" ", text)


def _one_line(text: str) -> str:
    return _printable(text).replace("\n", " ").strip()


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
