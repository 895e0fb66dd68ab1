"""A token service on a port of its own, as docker-registry's `auth: token` wants it (distribution, spec/auth/jwt)."""

from __future__ import annotations

import base64
import json
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from gate.demo.cluster import LOOPBACK
from tests.e2e.registries import basic
from tests.fakes.loopback import Listener, certificate_for
from tests.fakes.scripted_server import Asked, Reply, as_json

if TYPE_CHECKING:
    from pathlib import Path

SERVICE: Final = "the-registry"
ISSUER: Final = "the-token-service"
LEEWAY: Final = 60
"""Seconds that the registry goes on taking a token after its end."""

_STATED: Final = 300


class TokenService:
    """Gives USER tokens for what is asked for, anonymous callers such as are good for nothing; over TLS.

    Attributes:
        authority: the certificate of its TLS, with whose key it signs, too.
        asked: every request.
        given: every token.
        lifetimes: seconds until the end of each next token; the last one stays. All are said to be good for 300.
        repository: that tokens are for, whatever is asked for; "" for that.
        answering: cleared, it takes requests and says nothing.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.authority, key = certificate_for(folder, ["localhost"])
        loaded = serialization.load_pem_private_key(key.read_bytes(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        self._key = loaded
        certificate = x509.load_pem_x509_certificate(self.authority.read_bytes())
        self._chain = base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()
        self.answering = threading.Event()
        self.reset()
        self._listener = Listener(self, self.authority, key)
        self.port = self._listener.port
        self.host = f"{LOOPBACK}:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.answering.set()
        self._listener.stop()

    def reset(self) -> None:
        """Forget what was asked and given, and behave."""
        self.asked: list[Asked] = []
        self.given: list[str] = []
        self.lifetimes = [_STATED]
        self.repository = ""
        self.answering.set()

    def auth(self, realm: str = "") -> dict[str, object]:
        """`auth` of a registry's configuration that sends here; `realm` as an origin, by default by its address."""
        return {
            "token": {
                "realm": f"{realm or f'https://{self.host}'}/token",
                "service": SERVICE,
                "issuer": ISSUER,
                "rootcertbundle": str(self.authority),
            }
        }

    def script(self, asked: Asked) -> Reply:
        if not self.answering.wait(30):
            return Reply(503)
        if asked.path != "/token" or asked.query.get("service") != [SERVICE]:
            return Reply(404)
        if asked.authorization not in (None, f"Basic {basic()}"):
            return as_json({"errors": [{"code": "UNAUTHORIZED", "message": "incorrect username or password"}]}, 401)
        known = asked.authorization is not None
        token = self._token([self._access(scope) for scope in asked.query.get("scope", []) if known])
        return as_json({"token": token, "expires_in": _STATED})

    def _access(self, scope: str) -> dict[str, Any]:
        kind, name, actions = scope.split(":")
        return {"type": kind, "name": self.repository or name, "actions": actions.split(",")}

    def _token(self, access: list[dict[str, Any]]) -> str:
        now = int(datetime.now(UTC).timestamp())  # noqa: TID251 - the registry compares it with its own clock
        lifetime = self.lifetimes.pop(0) if len(self.lifetimes) > 1 else self.lifetimes[0]
        header = {"typ": "JWT", "alg": "ES256", "x5c": [self._chain]}
        claims = {
            "iss": ISSUER,
            "sub": "somebody",
            "aud": SERVICE,
            "nbf": now - 3600,
            "iat": now - 3600,
            "exp": now + lifetime,
            "jti": f"{len(self.given)}",
            "access": access,
        }
        signed = ".".join(_encoded(json.dumps(part).encode()) for part in (header, claims))
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        token = f"{signed}.{_encoded(r.to_bytes(32) + s.to_bytes(32))}"
        self.given.append(token)
        return token


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
