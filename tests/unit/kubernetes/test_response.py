from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from gate.kubernetes.admission import AdmissionResponse, PatchOperation, json_patch
from gate.kubernetes.workload import GroupKind, images

if TYPE_CHECKING:
    from gate.kubernetes.workload import Path

UID = "0df28fbd-5f5f-11e8-bc74-36e6bb280816"
V1 = "admission.k8s.io/v1"
POD = GroupKind("", "Pod")


def pod(*pairs: tuple[str, str], **spec: object) -> dict[str, object]:
    return {"spec": {"containers": [{"name": name, "image": image} for name, image in pairs]} | spec}


def answered(response: AdmissionResponse) -> dict[str, Any]:
    whole = json.loads(response.encode())
    assert (whole["kind"], whole["apiVersion"]) == ("AdmissionReview", response.api_version)
    assert set(whole) == {"kind", "apiVersion", "response"}
    found: dict[str, Any] = whole["response"]
    return found


# patches


def applied(document: Any, patch: bytes) -> Any:
    """RFC 6902 `test` and `replace`; KeyError, IndexError or AssertionError where the patch does not apply."""
    whole = {"": json.loads(json.dumps(document))}
    for step in json.loads(patch):
        *above, last = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")]
        holder: Any = whole
        for part in above:
            holder = holder[int(part) if isinstance(holder, list) else part]
        key = int(last) if isinstance(holder, list) else last
        assert step["op"] == "replace" or (step["op"], step["value"]) == ("test", holder[key])
        holder[key] = step["value"]
    return whole[""]


def test_a_patch_pins_each_field_and_nothing_else() -> None:
    obj = pod(("a", "a:1"), ("b", "b:1"), volumes=[{"name": "v", "image": {"reference": "v:1"}}])
    fields = images(POD, obj)
    patch = json_patch([PatchOperation(field.path, field.text, f"{field.text}@sha256:0") for field in fields])
    assert applied(obj, patch) == pod(
        ("a", "a:1@sha256:0"),
        ("b", "b:1@sha256:0"),
        volumes=[{"name": "v", "image": {"reference": "v:1@sha256:0"}}],
    )
    assert [(step["op"], step["path"]) for step in json.loads(patch)] == [
        ("test", "/spec/containers/0/image"),
        ("replace", "/spec/containers/0/image"),
        ("test", "/spec/containers/1/image"),
        ("replace", "/spec/containers/1/image"),
        ("test", "/spec/volumes/0/image/reference"),
        ("replace", "/spec/volumes/0/image/reference"),
    ]
    assert all(set(step) == {"op", "path", "value"} for step in json.loads(patch))


def test_a_patch_does_not_apply_to_another_object() -> None:
    patch = json_patch([PatchOperation(("spec", "containers", 0, "image"), "a:1", "a:2")])
    with pytest.raises(AssertionError):
        applied(pod(("a", "a:3")), patch)
    with pytest.raises(IndexError):
        applied(pod(), patch)


@pytest.mark.parametrize(
    ("path", "document"),
    [
        (("a/b", "m~n"), {"a/b": {"m~n": "old", "m": 1}}),
        (("~1", "~0", 0), {"~1": {"~0": ["old"]}}),
        (("", " ", "é"), {"": {" ": {"é": "old"}}}),
    ],
)
def test_a_patch_finds_keys_that_need_escapes(path: Path, document: object) -> None:
    patched = applied(document, json_patch([PatchOperation(path, "old", "n\n\"ew'")]))
    assert json.dumps(patched) == json.dumps(document).replace('"old"', json.dumps("n\n\"ew'"))


def test_the_empty_patch() -> None:
    assert json_patch([]) == b"[]"


# AdmissionResponse

PATCH = (PatchOperation(("spec", "containers", 0, "image"), "a:1", "a:1@sha256:0"),)


def test_allowed() -> None:
    response = AdmissionResponse(UID, "admission.k8s.io/v1beta1", allowed=True, message="not shown", code=500)
    assert answered(response) == {"uid": UID, "allowed": True}


def test_allowed_with_everything() -> None:
    response = AdmissionResponse(UID, V1, allowed=True, warnings=("w",), audit={"decision": "allow"}, patch=PATCH)
    found = answered(response)
    assert base64.b64decode(found.pop("patch"), validate=True) == json_patch(PATCH)
    assert found == {
        "uid": UID,
        "allowed": True,
        "patchType": "JSONPatch",
        "warnings": ["w"],
        "auditAnnotations": {"decision": "allow"},
    }


def test_denied_never_carries_a_patch() -> None:
    response = AdmissionResponse(UID, V1, allowed=False, message="DENIED a:1\nbecause", warnings=("w",), patch=PATCH)
    assert answered(response) == {
        "uid": UID,
        "allowed": False,
        "status": {"code": 403, "message": "DENIED a:1\nbecause", "reason": "Forbidden"},
        "warnings": ["w"],
    }


@pytest.mark.parametrize(
    ("code", "reason"),
    [(400, "BadRequest"), (403, "Forbidden"), (500, "InternalError"), (503, "ServiceUnavailable"), (418, None)],
)
def test_the_reason_fits_the_code(code: int, reason: str | None) -> None:
    status = answered(AdmissionResponse("", V1, allowed=False, message="m", code=code))["status"]
    assert (status["code"], status.get("reason")) == (code, reason)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb", "a\nb"),
        ("a\r\n\tb\0c", "a \n b c"),
        ("\x1b[31mred\x7f\x85", " [31mred  "),
        ("pay\u202egnp.exe\u2028x\u2066", "pay gnp.exe x "),
        ("half \ud800 pair", "half   pair"),
        ("Grüße 🐳", "Grüße 🐳"),
        ("x" * 900, "x" * 900),
        ("x" * 901, "x" * 899 + "…"),
        ("é" * 5000, "é" * 899 + "…"),
    ],
)
def test_messages_are_clean_and_bounded(text: str, shown: str) -> None:
    assert answered(AdmissionResponse(UID, V1, allowed=False, message=text))["status"]["message"] == shown


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        ((), None),
        (("", " ", "\n\0"), None),
        (("a\nb\x1b\r", " a"), ["a b", "a"]),
        (("b", "a", "b", "b\n"), ["b", "a"]),
        (("🐳" * 120, "🐳" * 121), ["🐳" * 120, "🐳" * 119 + "…"]),
        (("y" * 121, "y" * 200), ["y" * 119 + "…"]),
        (tuple(map(str, range(30))), [str(number) for number in range(20)]),
    ],
)
def test_warnings_are_clean_bounded_and_said_once(texts: tuple[str, ...], shown: list[str] | None) -> None:
    assert answered(AdmissionResponse(UID, V1, allowed=True, warnings=texts)).get("warnings") == shown


@pytest.mark.parametrize("key", ["a", "Decision", "image-0", "a.b_c-d", "0", "k" * 63])
def test_legal_audit_keys(key: str) -> None:
    assert answered(AdmissionResponse(UID, V1, allowed=False, audit={key: "v"}))["auditAnnotations"] == {key: "v"}


@pytest.mark.parametrize("key", ["", "a/b", "/", "-a", "a-", "a b", "a\n", "é", "k" * 64, ".", "_a", "a\ud800"])
def test_illegal_audit_keys_are_dropped(key: str) -> None:
    assert "auditAnnotations" not in answered(AdmissionResponse(UID, V1, allowed=True, audit={key: "v"}))


def test_audit_values_are_clean_and_bounded() -> None:
    response = AdmissionResponse(UID, V1, allowed=True, audit={"a": "x" * 1025, "b": "x\ny\0", "c": ""})
    assert answered(response)["auditAnnotations"] == {"a": "x" * 1023 + "…", "b": "x y", "c": ""}


def test_a_uid_that_cannot_be_encoded_is_no_crash() -> None:
    assert answered(AdmissionResponse("a\ud800", V1, allowed=False))["uid"] == "a?"
