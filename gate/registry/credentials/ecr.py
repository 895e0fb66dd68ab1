"""Amazon ECR's own credentials: 12 hours, by boto3, for hosts that are ECR's beyond doubt and for no others."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from gate.errors import ParseError
from gate.registry.credentials.cloud import Cloud
from gate.registry.credentials.credential import Credential, decode_basic, is_token
from gate.registry.credentials.renewing import Given, Renewing

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from gate.deadline import Deadline
    from gate.image.reference import Repository

SOURCE: Final = "Amazon ECR (boto3)"
_REFUSED: Final = "let the gate's AWS identity ecr:BatchGetImage and ecr:GetDownloadUrlForLayer of the repository"
_UNAUTHORIZED: Final = "give the gate an AWS identity (IRSA, Pod Identity, a role) that may ecr:GetAuthorizationToken"

# AmazonECR user guide, Registries and ecr-requests; partitions as botocore's partitions.json has them: of each the
# suffix of its hosts, that of those with IPv6 (`on.` where APIs have `api.`), and its regions. No other identity is
# good in a partition. A test goes through botocore's.
_AREA: Final = r"[a-z]{1,20}-[0-9]{1,2}"
_PARTITIONS: Final = (
    ("amazonaws.com", "on.aws", rf"(?!cn-)[a-z]{{2}}(?:-gov)?-{_AREA}"),
    ("amazonaws.com.cn", "on.amazonwebservices.com.cn", rf"cn-{_AREA}"),
    ("amazonaws.eu", "on.amazonwebservices.eu", rf"eusc-[a-z]{{2}}-{_AREA}"),
    ("c2s.ic.gov", "on.aws.ic.gov", rf"us-iso-{_AREA}"),
    ("sc2s.sgov.gov", "on.aws.scloud", rf"us-isob-{_AREA}"),
    ("cloud.adc-e.uk", "on.cloud-aws.adc-e.uk", rf"eu-isoe-{_AREA}"),
    ("csp.hci.ic.gov", "on.aws.hci.ic.gov", rf"us-isof-{_AREA}"),
)
_HOST: Final = re.compile(
    r"(?P<account>[0-9]{12})\.dkr(?:\.|(?P<dual>-))ecr(?P<fips>-fips)?"
    r"\.(?P<region>[a-z0-9-]{1,64})\.(?P<suffix>[a-z0-9.-]{1,64})",
    re.ASCII,
)
_REGIONS: Final = {
    (suffix, dual): re.compile(regions, re.ASCII)
    for plain, both, regions in _PARTITIONS
    for suffix, dual in ((plain, False), (both, True))
}

_LONGEST: Final = 12 * 3600.0  # seconds a token is good for (GetAuthorizationToken)
_UNREACHABLE: Final = frozenset({"HTTPClientError", "ConnectionError"})
_AWS_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9.]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class EcrRegistry:
    """What the host of a private registry says.

    Attributes:
        account: 12 digits.
        region: such as `eu-west-1`.
        fips: its API is to be asked at the endpoint that is validated.
        dual_stack: over IPv6, too.
    """

    account: str
    region: str
    fips: bool = False
    dual_stack: bool = False

    @classmethod
    def of(cls, host: str) -> EcrRegistry | None:
        """Of a canonical host; None for one that is not ECR's."""
        found = _HOST.fullmatch(host)
        if found is None:
            return None
        dual = bool(found["dual"])
        regions = _REGIONS.get((found["suffix"], dual))
        if regions is None or not regions.fullmatch(found["region"]):
            return None
        return cls(found["account"], found["region"], bool(found["fips"]), dual)


@dataclass(frozen=True, slots=True)
class EcrToken:
    """What GetAuthorizationToken gives: base64 of `AWS:` and a password, and its end (aware)."""

    text: str
    ends: datetime


class EcrApi(Protocol):
    """GetAuthorizationToken. It may block, beyond the deadline too, and raise anything."""

    def token(self, registry: EcrRegistry, deadline: Deadline) -> EcrToken:
        """A token for what the identity may read in the registry's region."""


class EcrKeychain:
    """Answers for private ECR registries. Thread-safe."""

    def __init__(self, clock: Callable[[], float], now: Callable[[], datetime], api: EcrApi | None = None) -> None:
        """`clock` is monotonic, in seconds; `now` aware; `api` is boto3, imported when it is first asked."""
        self._now = now
        self._api = api or _Boto3()
        self._renewing = Renewing(clock)
        self._cloud = Cloud(SOURCE, "aws", _UNAUTHORIZED, _UNREACHABLE, _aws_code)

    def find(self, repository: Repository, deadline: Deadline) -> tuple[Credential, ...]:
        """The one for an ECR host; none for others, and then nobody is asked.

        Raises:
            EvidenceUnavailable: boto3 is not installed, finds no identity, or is given no token in time.
        """
        registry = EcrRegistry.of(repository.registry)
        if registry is None:
            return ()
        return (self._renewing.get(repository.registry, partial(self._ask, repository.registry, registry), deadline),)

    def forget(self, repository: Repository) -> None:
        """Its token was refused."""
        self._renewing.drop(repository.registry)

    def _ask(self, host: str, registry: EcrRegistry, deadline: Deadline) -> Given:
        token = self._cloud.ask(host, lambda: self._api.token(registry, deadline), deadline)
        try:
            username, password = decode_basic(token.text)
        except ParseError as error:
            raise self._cloud.no_token(host) from error
        if not username or not is_token(password):
            raise self._cloud.no_token(host)
        credential = Credential(SOURCE, username, password, remedy=_REFUSED)
        return Given(credential, min(_LONGEST, (token.ends - self._now()).total_seconds()))


def _aws_code(error: Exception) -> str:
    """Of a ClientError: `AccessDeniedException` and its like."""
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return code if isinstance(code, str) and _AWS_CODE.fullmatch(code) else ""


class _Boto3:
    """The real one. A session for each token, twice a day: what IRSA or Pod Identity gives meanwhile is seen."""

    def token(self, registry: EcrRegistry, deadline: Deadline) -> EcrToken:
        """Ask ECR of the registry's region, with whatever identity there is."""
        from boto3.session import Session  # noqa: PLC0415 - it is an extra, and takes its time
        from botocore.config import Config  # noqa: PLC0415
        from botocore.session import get_session  # noqa: PLC0415

        left = deadline.check(f"asking {SOURCE}")
        once = Config(connect_timeout=left, read_timeout=left, retries={"mode": "standard", "total_max_attempts": 1})
        session = get_session()
        session.set_default_client_config(once)  # for STS, which gives IRSA's credentials
        endpoint = {
            name: True
            for name, wanted in (("use_fips_endpoint", registry.fips), ("use_dualstack_endpoint", registry.dual_stack))
            if wanted
        }
        client = Session(botocore_session=session).client("ecr", registry.region, config=once.merge(Config(**endpoint)))
        try:
            # Without `registryIds`, which is deprecated: the token is good for all that the identity may read.
            found = client.get_authorization_token()["authorizationData"][0]
        finally:
            client.close()
        return EcrToken(found["authorizationToken"], found["expiresAt"])
