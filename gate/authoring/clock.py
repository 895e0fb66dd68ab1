"""What has ended, or ends soon, or too late."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, assert_never

from gate.policy.age import shown
from gate.policy.exceptions import EXPIRING
from gate.policy.reading.checks import Check
from gate.policy.signers import CertificateSpec, KeylessSpec, KeySpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from gate.documents import Path
    from gate.policy.config import Config
    from gate.policy.reading.notes import Notes
    from gate.policy.signers import SignerSpec
    from gate.policy.waiver import Waiver

_RENEW: Final = "renew it, or mend what it waives and remove it"


def check_waivers(notes: Notes, waivers: Sequence[Waiver], config: Config, now: datetime) -> None:
    """Note when the exceptions of a document end."""
    for i, waiver in enumerate(waivers):
        path = ("spec", "exceptions", i, "until")
        left = waiver.end - now
        if waiver.end <= now:
            notes.add(Check.EXCEPTION_ENDED, path, f"the exception ended {_day(waiver.end)}", _RENEW)
        elif left > config.longest_exception:
            last = now + config.longest_exception
            notes.add(
                Check.EXCEPTION_TOO_FAR,
                path,
                f"it ends more than {shown(config.longest_exception)} from now (GateConfig.exceptions.max): "
                "it does not count yet",
                f"write {last - timedelta(days=1):%Y-%m-%d} or an earlier day",
            )
        elif left <= EXPIRING:
            notes.add(Check.EXCEPTION_ENDING, path, f"the exception ends {_day(waiver.end)}", _RENEW)


def check_signers(notes: Notes, signers: Mapping[str, SignerSpec], now: datetime) -> None:
    """Note which keys and certificates count no more."""
    for name, spec in signers.items():
        path: Path = ("spec", "signers", name)
        match spec:
            case KeySpec():
                end = spec.window.end
                if end is not None and end < now:
                    said = f"the key of {name} counts for nothing signed after {_day(end)}"
                    notes.add(Check.KEY_ENDED, (*path, "key", "validUntil"), said, "give the key that followed it")
            case CertificateSpec():
                _check_certificates(notes, (*path, "certificate"), spec, now)
            case KeylessSpec():
                pass
            case _:
                assert_never(spec)


def _check_certificates(notes: Notes, path: Path, spec: CertificateSpec, now: datetime) -> None:
    """Of a chain the root is last; the others are intermediates, the same in every chain."""
    if spec.authorities is None:
        return
    chains = [authority.certificates for authority in spec.authorities.authorities]
    for field, certificates in (("roots", [chain[-1] for chain in chains]), ("intermediates", list(chains[0][:-1]))):
        for certificate in certificates:
            end = certificate.not_valid_after_utc
            if end < now:
                said = f"{certificate.subject.rfc4514_string()[:200]} expired {_day(end)}"
                remedy = "what was signed before that still counts; give the certificate that followed it too"
                notes.add(Check.CERTIFICATE_ENDED, (*path, field), said, remedy)


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
