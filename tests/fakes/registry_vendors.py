"""The fake registries, each as its own service answers; how to use them is in `tests.fakes.registries`.

What is not documented by the services is taken from what their users' logs show; the classes say where that is a guess.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from tests.fakes.registries import refusal
from tests.fakes.registry_auth import BasicRegistry, BearerRegistry, OpenRegistry
from tests.fakes.scripted_server import Reply, as_json

if TYPE_CHECKING:
    from gate.image.digest import Digest
    from gate.registry.credentials.credential import Credential
    from tests.fakes.clock import SettableClock
    from tests.fakes.registry_auth import Account
    from tests.fakes.registry_simulator import MemoryRepository
    from tests.fakes.scripted_server import Asked

HOUR: Final = 3600.0


class DockerHub(BearerRegistry):
    """`docker.io`: API and token service are hosts of their own; no referrers API; pulls are counted.

    A GET of a manifest is a pull; a HEAD is none, and is answered when there are none left. Both say how many are.

    Attributes:
        remaining: pulls that are left; None where they are not counted (a paid account): then no headers.
        retry_after: the header of a 429; "" for none, which is the usual.
    """

    registry = "docker.io"
    api = "registry-1.docker.io"
    realm_host = "auth.docker.io"
    others = ("auth.docker.io",)
    storage = "docker-images-prod.6aa30f8b08e16409b46e0173d6de2f56.r2.cloudflarestorage.com"
    service = "registry.docker.io"
    token_names = ("token", "access_token")
    stated = 300
    lifetime = 300.0
    referrers_api = False

    def __init__(self, clock: SettableClock | None = None, *, remaining: int | None = 100) -> None:
        super().__init__(clock)
        self.remaining = remaining
        self.retry_after = ""

    def read(self, path: str, kind: str, last: str) -> Reply:
        reply = super().read(path, kind, last)
        return self._counted(reply) if kind == "manifests" and reply.status == 200 else reply

    def answer(self, asked: Asked) -> Reply:
        reply = super().answer(asked)
        if self.remaining is None or reply.status != 200 or "/manifests/" not in asked.path or asked.method == "HEAD":
            return reply
        if self.remaining == 0:
            message = (
                "You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit"
            )
            after = (("Retry-After", self.retry_after),) if self.retry_after else ()
            return refusal(429, "TOOMANYREQUESTS", message, (*self._limits(), *after))
        self.remaining -= 1
        return reply

    def _counted(self, reply: Reply) -> Reply:
        return Reply(reply.status, (*reply.headers, *self._limits()), reply.body, reply.content_type)

    def _limits(self) -> tuple[tuple[str, str], ...]:
        if self.remaining is None:
            return ()
        return (("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", f"{self.remaining};w=21600"))


class ArtifactRegistry(BearerRegistry):
    """`*-docker.pkg.dev`: the token service is on the same host and refuses whoever may not read, with 403.

    `good` is `oauth2accesstoken` with a token of an hour; `service_account` is `_json_key`.
    """

    registry = "europe-docker.pkg.dev"
    realm_path = "/v2/token"
    stated = 3600
    lifetime = HOUR
    user = "oauth2accesstoken"
    password_seconds = HOUR
    token_for_anybody = False
    refused = 403

    def service_account(self) -> Credential:
        account = self.account("_json_key")
        account.ends = None
        key = {"type": "service_account", "project_id": "acme", "private_key": account.password, "client_id": "1:2"}
        account.password = json.dumps(key, indent=2)
        return self.of(account)

    def refuse_login(self) -> Reply:
        return refusal(401, "UNAUTHORIZED", "authentication failed")

    def refuse_token(self, account: Account | None) -> Reply:
        who = (
            "Unauthenticated request. Unauthenticated requests do not have permission"
            if account is None
            else "Permission"
        )
        return refusal(
            403, "DENIED", f'{who} "artifactregistry.repositories.downloadArtifacts" on resource (or it may not exist)'
        )


class Gcr(ArtifactRegistry):
    """`gcr.io`, which is Artifact Registry since March 2025."""

    registry = "gcr.io"


class Ecr(BasicRegistry):
    """`ACCOUNT.dkr.ecr.REGION.amazonaws.com`: Basic with `AWS:` and a token of 12 hours; nothing is anonymous.

    An expired token is 403 and no challenge; no answer has a Docker-Content-Digest.
    """

    registry = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    storage = "prod-eu-west-1-starport-layer-bucket.s3.eu-west-1.amazonaws.com"
    realm = "https://123456789012.dkr.ecr.eu-west-1.amazonaws.com/"
    service = "ecr.amazonaws.com"
    user = "AWS"
    password_seconds = 12 * HOUR
    digest_header = False

    def refuse_expired(self, asked: Asked) -> Reply:
        return refusal(403, "DENIED", "Your authorization token has expired. Reauthenticate and try again.")


class Ghcr(BearerRegistry):
    """`ghcr.io`: a token even for what is public; no referrers API; opaque tokens that state no end.

    Stale credentials are 403 DENIED at the token service whatever they ask for. An Authorization header that the API
    does not like is 403 DENIED, too, and there is no challenge beside it: only who sends none is challenged.
    """

    registry = "ghcr.io"
    storage = "pkg-containers.githubusercontent.com"
    lifetime = 300.0
    token_for_anybody = False
    referrers_api = False

    def refuse_login(self) -> Reply:
        return refusal(403, "DENIED", "denied")

    def refuse_token(self, account: Account | None) -> Reply:
        if account is None:
            return refusal(401, "UNAUTHORIZED", "authentication required")
        return refusal(403, "DENIED", "requested access to the resource is denied")

    def refuse_header(self, asked: Asked, path: str) -> Reply:
        return refusal(403, "DENIED", "denied")


class Acr(BearerRegistry):
    """`NAME.azurecr.io`: Basic or a form at `/oauth2/token`; Entra ID's tokens are traded at `/oauth2/exchange`.

    `good` is what `az acr login` leaves: the user of zeros and a refresh token as password, good for three hours.
    `identity` is the same refresh token on its own. `principal` is a service principal's (or the admin's) password.
    Referrers are listed without their artifact types.
    """

    registry = "acme.azurecr.io"
    storage = "euwprodacr1.blob.core.windows.net"
    realm_path = "/oauth2/token"
    token_names = ("access_token",)
    lifetime = 75 * 60.0
    posts = True
    token_for_anybody = False
    user = "00000000-0000-0000-0000-000000000000"
    password_seconds = 3 * HOUR
    tenant: str = "72f988bf-86f1-41af-91ab-2d7cd011db47"

    def __init__(self, clock: SettableClock | None = None) -> None:
        super().__init__(clock)
        self.entra: dict[str, Account] = {}

    def principal(self) -> Credential:
        account = self.account("5d2b3c9a-0d3c-4d0c-9d2f-1c1b6f0b7f11")
        account.ends = None
        return self.of(account)

    def entra_token(self, *, reads: bool = True) -> str:
        """An access token of Entra ID for an identity that may pull, as a workload identity gets it."""
        token = self._secret("entra")
        self.entra[token] = self.account(reads=reads)
        return token

    def special(self, asked: Asked) -> Reply | None:
        return self._exchange(asked) if asked.path == "/oauth2/exchange" else super().special(asked)

    def _exchange(self, asked: Asked) -> Reply:
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        if asked.method != "POST" or form.get("grant_type") != "access_token" or form.get("service") != self.registry:
            return refusal(400, "UNSUPPORTED", "grant_type or service")
        account = self.entra.get(form.get("access_token", ""))
        if account is None or form.get("tenant", self.tenant) != self.tenant:
            return refusal(401, "UNAUTHORIZED", "invalid access token")
        token = self.refresh_token(account)
        account.password = token
        return as_json({"refresh_token": token})

    def refuse_login(self) -> Reply:
        return refusal(401, "UNAUTHORIZED", "authentication required, visit https://aka.ms/acr/authorization")

    def refuse_token(self, account: Account | None) -> Reply:
        return self.refuse_login()

    def listing(self, memory: MemoryRepository, subject: Digest) -> bytes:
        index = json.loads(super().listing(memory, subject))
        for entry in index["manifests"]:
            entry.pop("artifactType", None)
        return json.dumps(index).encode()


class Harbor(BearerRegistry):
    """A Harbor of somebody's: `/service/token`, robots with a `$` in their names, referrers called application/json."""

    registry = "harbor.acme.example"
    realm_path = "/service/token"
    service = "harbor-registry"
    stated = 1800
    lifetime = 1800.0
    user = "robot$acme+ci"
    listing_type = "application/json"


class Quay(BearerRegistry):
    """`quay.io`: `/v2/auth`, robots called `org+robot`, blobs elsewhere."""

    registry = "quay.io"
    storage = "cdn01.quay.io"
    realm_path = "/v2/auth"
    user = "acme+ci"
    lifetime = 300.0

    def refuse_login(self) -> Reply:
        return refusal(401, "UNAUTHORIZED", "Could not find robot with username: acme+ci and supplied password.")


class CleanStart(BearerRegistry):
    """`registry.cleanstart.io`: user and password of `docker login`, a generic challenge.

    Whether it has the referrers API is not known: the fake has not.
    """

    registry = "registry.cleanstart.io"
    stated = 300
    lifetime = 300.0
    referrers_api = False


class DistributionToken(BearerRegistry):
    """The CNCF distribution with a token service, which is on its own host or on another.

    Args:
        clock: as everywhere.
        elsewhere: the token service is on a host of its own.
        refused: what those who may not read are told: 401, 403 or 404.
    """

    registry = "registry.acme.example:5000"
    stated = 300
    lifetime = 300.0
    posts = True

    def __init__(self, clock: SettableClock | None = None, *, elsewhere: bool = False, refused: int = 401) -> None:
        super().__init__(clock)
        self.refused = refused
        if elsewhere:
            self.realm_host = "auth.acme.example"
            self.others = (self.realm_host,)


class DistributionBasic(BasicRegistry):
    """The CNCF distribution with htpasswd; it has no private repositories, but nothing is public."""

    registry = "registry.acme.example:5000"
    realm = "Registry Realm"


class DistributionOpen(OpenRegistry):
    """The CNCF distribution with no authentication."""

    registry = "registry.acme.example:5000"
