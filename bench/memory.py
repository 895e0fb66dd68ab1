"""What a hostile registry's evidence costs `gate` in memory: a process of its own, at its peak."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from gate.demo.images import BUNDLE
from gate.image.digest import Digest
from gate.image.manifest import OCI_INDEX, OCI_MANIFEST
from gate.review.limits import MAX_REFERRER, MAX_SIGNATURE
from tests.fakes.fulcio import shared_key
from tests.fakes.scripted_server import Asked, Reply, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable

MANY = 100
_PROGRAM = """
import atexit, sys
def peak():
    line = next(l for l in open("/proc/self/status") if l.startswith("VmHWM"))
    print(line, file=sys.stderr)
atexit.register(peak)
from gate.cli.main import main
main()
"""
_CONFIG = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": f"sha256:{'1' * 64}", "size": 2}


def _image() -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": _CONFIG, "layers": []}).encode()


def _referrer(number: int, subject: bytes, more: dict[str, object]) -> bytes:
    about = {"mediaType": OCI_MANIFEST, "digest": str(Digest.of(subject)), "size": len(subject)}
    base = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _CONFIG,
        "subject": about,
        "layers": [],
        "n": number,
    }
    content = json.dumps({**base, **more}, ensure_ascii=False).encode()
    assert len(content) <= MAX_REFERRER, "it would not be read"
    return content


def _layers(number: int) -> dict[str, object]:
    one = {"mediaType": "x/y", "size": 1}
    return {"layers": [{**one, "digest": f"sha256:{number * 100_000 + i:064x}"} for i in range(4_000)]}


def _bundle(payload: bytes) -> dict[str, object]:
    layer = {"mediaType": BUNDLE, "digest": str(Digest.of(payload)), "size": len(payload)}
    return {"artifactType": BUNDLE, "layers": [layer]}


def _payload(kind: str, number: int) -> bytes:
    """What unfolds to as much as it can, and differs."""
    inside = ",".join([PAYLOADS[kind]] * (MAX_SIGNATURE // 40))[: MAX_SIGNATURE - 1000].rpartition(",")[0]
    return f'{{"n":{number},"mediaType":"{BUNDLE}","x":[{inside}]}}'.encode()


PAYLOADS: Final = {
    "bundles of objects": '{"a":1}',
    "bundles of texts": '"' + "x" * 30 + '"',
    "bundles of lists": "[[1]]",
}
KINDS: Final[dict[str, Callable[[int], dict[str, object]]]] = {
    "nothing": lambda _: {},
    "long texts": lambda _: {"annotations": {"x": "y" * (MAX_REFERRER - 1000)}},
    "texts beyond ASCII": lambda _: {"annotations": {"x": "y" * (MAX_REFERRER - 1000) + "\U0001f600"}},
    "many layers": _layers,
}
PAGES = "pages of long annotations, without end"
IMAGES = 8
_POLICY = """
apiVersion: imagegate.dev/v1
kind: ClusterGatePolicy
metadata: {name: p}
spec: {match: {images: ["**"]}, signers: {k: {key: {file: k.pub}}}, rules: [{signature: {by: k}}]}
"""


def _page(number: int) -> bytes:
    """As large as a page may be, of as many entries."""
    entry = {"mediaType": OCI_MANIFEST, "size": 9, "annotations": {"x": "y" * 3600}}
    entries = [{**entry, "digest": f"sha256:{number * 1000 + i:064x}"} for i in range(1000)]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()


def _script(kind: str) -> Callable[[Asked], Reply]:
    """A registry that has one image under every name, and a hundred such referrers of it, or pages without end."""
    image = _image()
    payloads = [_payload(kind, i) for i in range(4)] if kind in PAYLOADS else []
    made = [_referrer(i, image, _bundle(p)) for i, p in enumerate(payloads)]
    if kind in KINDS and kind != "nothing":
        made = [_referrer(i, image, KINDS[kind](i)) for i in range(MANY)]
    by_payload = {str(Digest.of(p)): p for p in payloads}
    by_digest = {str(Digest.of(m)): m for m in (image, *made)}
    listed = [{"mediaType": OCI_MANIFEST, "digest": d, "size": len(m)} for d, m in by_digest.items() if m != image]
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}).encode()
    pages = [_page(n) for n in range(3)] if kind == PAGES else []

    def script(asked: Asked) -> Reply:
        last = asked.path.rpartition("/")[2]
        if "/referrers/" in asked.path and pages:
            number = int(asked.query.get("n", "0"))
            following = f'<{asked.path}?n={number + 1}>; rel="next"'
            return Reply(200, (("Link", following),), pages[number % len(pages)], OCI_INDEX)
        if "/referrers/" in asked.path:
            return Reply(200, (), index, OCI_INDEX)
        if last in by_payload:
            return Reply(200, (), by_payload[last])
        found = image if last == "v1" else by_digest.get(last)
        return Reply(404) if found is None else Reply(200, (), found, OCI_MANIFEST)

    return script


def peak(kind: str, images: int = 1) -> float:
    """MB of `gate verify` of an image of such a registry, or of `gate check` of a Pod of several."""
    with ScriptedServer(_script(kind)) as server, TemporaryDirectory() as folder:
        Path(folder, "k.pub").write_bytes(shared_key().pem)
        Path(folder, "p.yaml").write_text(_POLICY)
        containers = [{"name": f"c{i}", "image": f"{server.host}/a/b{i}:v1"} for i in range(images)]
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": containers}}
        Path(folder, "pod.json").write_text(json.dumps(pod))
        judge = (
            ["check", f"{folder}/pod.json", "-p", f"{folder}/p.yaml"]
            if images > 1
            else ["verify", f"{server.host}/a/b:v1", "--key", f"{folder}/k.pub"]
        )
        command = [sys.executable, "-c", _PROGRAM, *judge, "--insecure-registry", server.host, "--timeout", "30s"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"VmHWM:\s+(\d+)", done.stderr)
    assert found is not None, done.stderr
    # What is too much of it is an error; what is read and is no signature is a denial.
    assert done.returncode in ((1,) if kind == "nothing" else (1, 3)), done.stdout
    return int(found[1]) / 1024
