"""Images that others signed and published, served as they are: the table of the data's README, by the command."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gate.image.digest import Digest
from gate.image.manifest import OCI_MANIFEST
from gate.trust.tuf import shipped_root
from tests.e2e.commands import Key, Ran
from tests.e2e.tools import ENVIRONMENT, absent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.commands import Shell

pytestmark = pytest.mark.e2e

PATH = "securesystemsengineering/testimage"
KEYS = ("alice", "bob", "charlie", "default")
ALICE = "sha256:071bf7a986f1ca9cb2a1f0bc8392822a7777f90d58f2d2c6f271913e08de7c81"
ALL_THREE = "sha256:bfec161fecb0a887df7cb85e4da327c65986ccda7060cf3cd92171c6c90d7533"
KEYLESS = "sha256:31dc72a13a0c34b40eb95419d2b2fd67320c856baf3b72da518023ee8d370aee"
TABLE = {
    "multi-cosigned-alice": (ALICE, {"alice"}),
    "multi-cosigned-alice-bob-charlie": (ALL_THREE, {"alice", "bob", "charlie"}),
    "keyless": (KEYLESS, set[str]()),
}
PERSON, OAUTH = "philipp.belitz@securesystems.de", "https://github.com/login/oauth"
ACTIONS = "https://token.actions.githubusercontent.com"
GENERATOR = "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/"
WORKFLOW = f"{GENERATOR}generator_container_slsa3.yml@refs/tags/"
VERSIONS = {"v1.4.0": "2023-01-11T16:52:57Z", "v1.10.0": "2024-03-21T10:34:04Z", "v2.0.0": "2024-04-22T21:35:15Z"}
THREE_OF_THREE = """\
apiVersion: imagegate.dev/v1
kind: ClusterGatePolicy
metadata: {{name: three}}
spec:
  signers:
    alice: {{key: {{file: "{folder}/alice.key"}}}}
    bob: {{key: {{file: "{folder}/bob.key"}}}}
    charlie: {{key: {{file: "{folder}/charlie.key"}}}}
  rules:
  - signature: {{by: {{atLeast: 3, of: [alice, bob, charlie]}}}}
"""


def _real_data(name: str) -> Path:
    checkout = Path(__file__).resolve().parents[2]
    folder = Path(ENVIRONMENT.get("IMAGEGATE_REAL_DATA") or checkout.parent / "shared" / "testdata") / name
    if not folder.is_dir():
        absent(f"no real signed images in {folder}: IMAGEGATE_REAL_DATA says where they are")
    return folder.resolve()


@pytest.fixture(scope="module")
def data() -> Path:
    return _real_data("cosign-legacy")


@pytest.fixture(scope="module")
def layouts() -> Path:
    return _real_data("slsa-container")


class _Handler(BaseHTTPRequestHandler):
    """The reading half of a registry over the data's files."""

    protocol_version = "HTTP/1.1"
    folder: Path

    def do_GET(self) -> None:
        content = self._content()
        body = b'{"errors": [{"code": "NOT_FOUND"}]}' if content is None else content
        self.send_response(404 if content is None else 200)
        if content is not None and "/manifests/" in self.path:
            self.send_header("Content-Type", OCI_MANIFEST)
            self.send_header("Docker-Content-Digest", str(Digest.of(content)))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Say nothing."""

    def _content(self) -> bytes | None:
        kind, _, last = self.path.removeprefix(f"/v2/{PATH}/").partition("/")
        if kind not in ("manifests", "blobs"):
            return None
        files = {file.stem: file for file in (self.folder / kind).glob("*.json")}
        if last in files:
            return files[last].read_bytes()
        return next((c for c in (f.read_bytes() for f in files.values()) if str(Digest.of(c)) == last), None)


@pytest.fixture(scope="module")
def repository(data: Path) -> Iterator[str]:
    """Its name in a registry that serves the data."""
    handler = type("_DataHandler", (_Handler,), {"folder": data})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}/{PATH}"
    server.shutdown()
    thread.join()
    server.server_close()


def _verify(shell: Shell, data: Path, image: str, name: str) -> Ran:
    return shell.verify(image, Key(data / "none", data / f"{name}.key"))


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("tag", TABLE)
def test_each_key_on_each_image(shell: Shell, data: Path, repository: str, tag: str, name: str) -> None:
    digest, signers = TABLE[tag]
    found = _verify(shell, data, f"{repository}:{tag}", name)
    assert found.code == (0 if name in signers else 1), found.text
    assert found.json["resolved"] == f"{repository}:{tag}@{digest}"
    assert [finding["code"] for finding in found.json["findings"]] == ([] if name in signers else ["KEY_MISMATCH"])
    assert len(found.json["signatures"]) == (name in signers)
    for signature in found.json["signatures"]:
        assert signature["dockerReference"] in (f"docker.io/{PATH}", f"index.docker.io/{PATH}")


@pytest.mark.parametrize("name", KEYS)
def test_an_answer_that_is_no_manifest_is_no_unsigned_image(
    shell: Shell, data: Path, repository: str, name: str
) -> None:
    found = _verify(shell, data, f"{repository}:co-unsigned", name)
    assert found.code == 3, found.text
    assert [finding["code"] for finding in found.json["findings"]] == ["REGISTRY_PROTOCOL"]


@pytest.mark.parametrize(("tag", "code"), [("multi-cosigned-alice-bob-charlie", 0), ("multi-cosigned-alice", 1)])
def test_three_of_three(shell: Shell, data: Path, repository: str, tmp_path: Path, tag: str, code: int) -> None:
    policy = tmp_path / "three.yaml"
    policy.write_text(THREE_OF_THREE.format(folder=data.resolve()))
    host = repository.partition("/")[0]
    found = shell.gate(
        "check", f"image:{repository}:{tag}", "-p", str(policy), "--insecure-registry", host, "--output", "json"
    )
    assert found.code == code, found.text
    (image,) = found.json["images"]
    denials = [finding["code"] for finding in image["findings"] if finding["verdict"] == "deny"]
    assert denials == ([] if code == 0 else ["SIGNERS_TOO_FEW"])


def _verify_identity(shell: Shell, image: str, subject: str, issuer: str, *flags: str) -> Ran:
    identity = ["--certificate-identity", subject, "--certificate-oidc-issuer", issuer]
    return shell.gate("verify", image, *identity, *flags, "--output", "json")


@pytest.mark.parametrize(
    ("subject", "issuer", "code"),
    [
        (PERSON, OAUTH, None),
        (PERSON, ACTIONS, "IDENTITY_MISMATCH"),
        (f"x{PERSON}", OAUTH, "IDENTITY_MISMATCH"),
        (PERSON.upper(), OAUTH, "IDENTITY_MISMATCH"),
    ],
)
def test_the_keyless_image(
    shell: Shell, repository: str, tmp_path: Path, subject: str, issuer: str, code: str | None
) -> None:
    root = tmp_path / "trusted_root.json"
    root.write_bytes(shipped_root())
    host = repository.partition("/")[0]
    image = f"{repository}:keyless"
    flags = ["--insecure-registry", host, "--trusted-root", str(root)]
    found = _verify_identity(shell, image, subject, issuer, *flags)
    assert found.code == (1 if code else 0), found.text
    assert found.json["resolved"] == f"{image}@{KEYLESS}"
    assert [finding["code"] for finding in found.json["findings"]] == ([code] if code else [])
    for signature in [] if code else found.json["signatures"]:
        assert (signature["signer"]["issuer"], signature["signer"]["subject"]) == (OAUTH, PERSON)
        assert (signature["time"], signature["timeSource"]) == ("2024-05-30T15:18:17Z", "rekor")
    assert code or len(found.json["signatures"]) == 1


@pytest.mark.parametrize("wanted", [*VERSIONS, "not-trusted.yml"])
@pytest.mark.parametrize("version", VERSIONS)
def test_each_layout_for_each_version(shell: Shell, layouts: Path, version: str, wanted: str) -> None:
    subject = f"{GENERATOR}{wanted}@refs/tags/{version}" if wanted.endswith(".yml") else WORKFLOW + wanted
    image = f"oci:{layouts / version / 'container_workflow_dispatch'}"
    found = _verify_identity(shell, image, subject, ACTIONS, "--type", "slsaprovenance02", "--offline")
    assert found.code == (0 if wanted == version else 1), found.text
    digest = (layouts / version / "container_workflow_dispatch.digest").read_text().strip()
    assert found.json["resolved"] == f"{image}@{digest}"
    codes = [finding["code"] for finding in found.json["findings"]]
    assert codes == ([] if wanted == version else ["IDENTITY_MISMATCH"])
    if wanted == version:
        (attestation,) = found.json["attestations"]
        assert (attestation["signer"]["issuer"], attestation["signer"]["subject"]) == (ACTIONS, WORKFLOW + version)
        assert (attestation["time"], attestation["timeSource"]) == (VERSIONS[version], "rekor")
        assert attestation["predicateType"] == "https://slsa.dev/provenance/v0.2"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_layout_with_an_attestation_is_not_signed(shell: Shell, layouts: Path, version: str) -> None:
    image = f"oci:{layouts / version / 'container_workflow_dispatch'}"
    found = _verify_identity(shell, image, WORKFLOW + version, ACTIONS, "--offline")
    assert found.code == 1, found.text
    assert [finding["code"] for finding in found.json["findings"]] == ["SIGNATURE_MISSING"]
    assert found.json["signatures"] == []
