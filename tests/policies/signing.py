"""Who signs what is beside the ready policies, and how that is stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from shutil import rmtree
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.serialization import Encoding

from gate.demo.images import BUNDLE, CREATED, OCI_CONFIG, OCI_LAYER, Layer, LayoutWriter
from gate.image.digest import Digest
from gate.image.manifest import OCI_MANIFEST
from tests.fakes.fulcio import Fulcio, Keypair, Profile, Sct, Signer, email, uri
from tests.fakes.signing_authority import Signature, SigningAuthority, encode, statement

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NOW: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
"""When the tests of the ready policies judge."""

DAY: Final = timedelta(days=1)
REPOSITORY: Final = "https://github.com/acme/api"
WORKFLOW: Final = f"{REPOSITORY}/.github/workflows/release.yml"


@dataclass(frozen=True)
class Makers:
    """Everybody who may sign: a release key, workflows and persons by a Sigstore, builders by a PKI; and a stranger."""

    sigstore: SigningAuthority = field(default_factory=SigningAuthority)
    pki: Fulcio = field(default_factory=lambda: Fulcio.create("pki.acme.example", intermediate=False))
    release: Signer = field(default_factory=lambda: Signer(Keypair.generate()))
    stranger: Signer = field(default_factory=lambda: Signer(Keypair.generate()))

    @cached_property
    def trusted_root(self) -> bytes:
        """Of the Sigstore."""
        return self.sigstore.trusted_root()

    @cached_property
    def pki_root(self) -> bytes:
        """Of the PKI, in PEM."""
        return self.pki.issuers[-1].certificate.public_bytes(Encoding.PEM)

    def workflow(self, at: datetime, ref: str = "refs/heads/main", trigger: str = "push") -> Signer:
        """acme/api's release workflow, as GitHub and Fulcio name it."""
        name = f"{WORKFLOW}@{ref}"
        claims = {9: name, 12: REPOSITORY, 14: ref, 15: "123", 17: "9", 20: trigger}
        return self._issued(Profile(names=(uri(name),), claims=claims), at)

    def person(self, at: datetime) -> Signer:
        """Whoever releases by hand."""
        profile = Profile(names=(email("releases@acme.example"),), issuer="https://accounts.google.com")
        return self._issued(profile, at)

    def builder(self, at: datetime) -> Signer:
        """A certificate of the PKI."""
        profile = Profile(names=(email("build@acme.example"),), issuer=None, issuer_v1=None)
        return self.sigstore.issue(profile=profile, at=at, scts=(), fulcio=self.pki)

    def bundle(self, signer: Signer, payload: bytes, at: datetime) -> bytes:
        """A Sigstore bundle: logged where its certificate is Fulcio's, timestamped where it is the PKI's."""
        made = Signature.of_payload(signer, payload)
        root = signer.chain[-1] if signer.chain else None
        if root == self.pki.issuers[-1].certificate:
            return encode(
                self.sigstore.bundle(made, entries=(), timestamps=(self.sigstore.tsa.stamp(made.content, at),))
            )
        return encode(self.sigstore.bundle(made, entries=(self.sigstore.entry(made, at=at),) if root else ()))

    def _issued(self, profile: Profile, at: datetime) -> Signer:
        return self.sigstore.issue(profile=profile, at=at, scts=(Sct(log=self.sigstore.ct_log, at=at),))


class Evidence:
    """The layout of one repository, in `testdata`; what was there before is thrown away."""

    def __init__(self, folder: Path, makers: Makers) -> None:
        rmtree(folder, ignore_errors=True)
        self._writer = LayoutWriter(folder)
        self._makers = makers

    def image(self, tag: str, *layers: str, labels: Mapping[str, str] | None = None) -> Digest:
        """An image of some layers, which are named and not kept, as in what `--record` keeps."""
        contents = [text.encode() for text in layers or (tag,)]
        config = {
            "created": CREATED,
            "architecture": "amd64",
            "os": "linux",
            "config": {"Labels": dict(labels)} if labels else {},
            "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(content)) for content in contents]},
        }
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self._writer.stored(Layer(OCI_CONFIG, encode(config))),
            "layers": [
                {"mediaType": OCI_LAYER, "digest": str(Digest.of(content)), "size": len(content)}
                for content in contents
            ],
        }
        return self._writer.manifest(document, tag).digest

    def sign(self, image: Digest, signer: Signer, at: datetime) -> None:
        """As `cosign sign` does."""
        self._attach(image, signer, statement(image), at)

    def attest(self, image: Digest, signer: Signer, predicate_type: str, predicate: object, at: datetime) -> None:
        """As `cosign attest` does."""
        self._attach(image, signer, statement(image, predicate_type, predicate), at)

    def _attach(self, image: Digest, signer: Signer, payload: bytes, at: datetime) -> None:
        self._writer.attach(image, BUNDLE, [Layer(BUNDLE, self._makers.bundle(signer, payload, at))])
