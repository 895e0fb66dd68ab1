"""An image in an OCI layout, what is signed of it, and what `gate check` says of that, offline."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gate.demo.images import BUNDLE, Layer, LayoutWriter
from tests.fakes.fulcio import Fulcio, Profile, Signer
from tests.fakes.signing_authority import Signature, encode, shared_world, statement
from tests.unit.cli.support import gate

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.signing_authority import Layer as Stored
    from tests.unit.cli.support import Ran

Json = dict[str, Any]

WORLD = shared_world()
AT = "2026-11-23T12:00:00Z"
NAME = "ghcr.io/acme/api"
ACME = "https://github.com/acme/api"
RELEASE = f"{ACME}/.github/workflows/release.yml@refs/heads/main"
CLAIMS = {9: RELEASE, 12: ACME, 14: "refs/heads/main", 15: "123", 17: "9", 20: "push"}
GITHUB: Json = {"workflow": "acme/api/.github/workflows/release.yml", "refs": ["refs/heads/main"], "trustRoot": "ours"}
KEYLESS: Json = {"issuer": "https://accounts.google.com", "subject": "releases@acme.example", "trustRoot": "ours"}


def person() -> Profile:
    """Whom `KEYLESS` wants."""
    return Profile(names=(x509.RFC822Name(KEYLESS["subject"]),), issuer=KEYLESS["issuer"])


def certificate(authority: Fulcio, **fields: Any) -> Json:
    """The signer of a private PKI, by its root."""
    root = authority.issuers[-1].certificate.public_bytes(Encoding.PEM).decode()
    return {"certificate": {"roots": {"pem": root}, "subject": "build@acme.example", **fields}}


def builder(authority: Fulcio, subject: str = "build@acme.example") -> Signer:
    """Whom `certificate` wants."""
    profile = Profile(names=(x509.RFC822Name(subject),), issuer=None, issuer_v1=None)
    return WORLD.issue(profile=profile, scts=(), fulcio=authority)


class Bench:
    """A folder with one image, its policy and the trust roots it names.

    Attributes:
        digest: of the image.
        roots: the trusted roots that the policy may name, by name.
        specs: of further `GateTrustRoot` documents, by name.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.writer = LayoutWriter(folder / "image")
        self.digest = self.writer.image("v1", "api")
        self.roots = {"ours": WORLD.trusted_root()}
        self.specs: dict[str, Json] = {}

    def attach(self, bundle: Json) -> None:
        """Store a bundle."""
        self.writer.attach(self.digest, BUNDLE, [Layer(BUNDLE, encode(bundle))])

    def legacy(self, layer: Stored) -> None:
        """Store a layer of `.sig`."""
        self.writer.append(f"{self.digest.tag}.sig", Layer(layer.media_type, layer.content, layer.annotations))

    def keyless(self, profile: Profile, **how: Any) -> None:
        """A signature by a certificate, in a bundle."""
        self.attach(WORLD.bundle(Signature.of_payload(WORLD.issue(profile=profile), statement(self.digest)), **how))

    def workflow(self, *, uri: str = RELEASE, **claims: str) -> None:
        """A signature by a workflow of GitHub; `claims` are other values than usual, by `_` and their number."""
        changed = {int(name.lstrip("_")): value for name, value in claims.items()}
        merged = {number: text for number, text in {**CLAIMS, 9: uri, **changed}.items() if text}
        self.keyless(Profile(names=(x509.UniformResourceIdentifier(uri),), claims=merged))

    def check(self, signers: Json, by: object = "s", *more: object, at: str = AT) -> Ran:
        """What `gate check` says of the image by a policy that wants it signed; `more` are further such rules."""
        rules = [{"name": f"r{i}", "signature": {"by": wanted}} for i, wanted in enumerate((by, *more))]
        policy = {
            "apiVersion": "imagegate.dev/v1", "kind": "ClusterGatePolicy", "metadata": {"name": "p"},
            "spec": {"signers": signers, "rules": rules},
        }  # fmt: skip
        roots = [
            {
                "apiVersion": "imagegate.dev/v1", "kind": "GateTrustRoot", "metadata": {"name": name},
                "spec": spec,
            }
            for name, spec in {**{n: {"json": json.loads(r)} for n, r in self.roots.items()}, **self.specs}.items()
        ]  # fmt: skip
        (self.folder / "policy.yaml").write_text("\n---\n".join(map(json.dumps, [policy, *roots])))
        image = f"image:oci:{self.folder}/image"
        return gate(
            *("check", image, "--as", f"{NAME}:v1", "-p", self.folder / "policy.yaml", "--offline", "--cache", "none"),
            *("--at", at, "-o", "json"),
        )

    def findings(self, *asked: Any, **how: Any) -> list[tuple[str, str]]:
        """Code and message of what stands in its way; that the exit code says so is looked at."""
        ran = self.check(*asked, **how)
        stopping = [f for i in ran.json["images"] for f in i["findings"] if f["verdict"] != "allow"]
        denied = any(f["verdict"] == "deny" for f in stopping)
        assert ran.code == (1 if denied else 3 if stopping else 0), ran.err
        return [(f["code"], f["message"]) for f in stopping]
