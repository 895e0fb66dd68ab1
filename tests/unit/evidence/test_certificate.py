from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from gate.codes import Code
from gate.evidence.certificate import find_path
from gate.evidence.facts import FulcioClaims, Identity
from gate.evidence.identity import identity_of
from gate.evidence.limits import MAX_NAMES
from gate.evidence.refusal import Refused
from gate.trust.authority import Authority
from gate.trust.window import Window
from tests.fakes.fulcio import (
    AGES,
    AT,
    ISSUER,
    LIFETIME,
    SUBJECT,
    Fulcio,
    Issuer,
    Profile,
    der,
    email,
    fulcio_extension,
    key_usage,
    leaf_builder,
    shared_key,
    uri,
    user_name,
    utf8_string,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

SECOND = timedelta(seconds=1)
FULCIO = Fulcio.create()
OTHER = Fulcio.create("other.test")
PAST = (AGES[0], AT - SECOND)


def authority(fulcio: Fulcio = FULCIO, window: Window | None = None, chain: slice = slice(None)) -> Authority:
    ders = [issuer.certificate.public_bytes(Encoding.DER) for issuer in fulcio.issuers]
    return Authority.of(fulcio.uri, ders[chain], window or Window())


def leaf(profile: Profile | None = None, fulcio: Fulcio = FULCIO) -> x509.Certificate:
    return fulcio.issue(shared_key(), profile or Profile(), AT).chain[0]


def refused(
    certificate: x509.Certificate,
    authorities: Sequence[Authority],
    times: Sequence[datetime] = (AT,),
    intermediates: Sequence[x509.Certificate] = (),
) -> tuple[Code, str]:
    with pytest.raises(Refused) as caught:
        find_path(certificate, intermediates, authorities, times)
    assert len(caught.value.reason) < 400
    return caught.value.code, caught.value.reason


class TestPath:
    def test_what_is_found(self) -> None:
        certificate, trusted = leaf(), authority()
        found = find_path(certificate, (), [trusted], [AT])
        assert found.authority == trusted
        assert found.certificates == (certificate, *(issuer.certificate for issuer in FULCIO.issuers))
        assert found.window == Window(AT, AT + LIFETIME)

    def test_its_window_is_of_all_in_it(self) -> None:
        narrow = Window(AT + SECOND, AT + 5 * SECOND)
        assert find_path(leaf(), (), [authority(window=narrow)], [AT + SECOND]).window == narrow
        short = Fulcio.create(intermediate_valid=(AT - SECOND, AT + 7 * SECOND))
        assert find_path(leaf(fulcio=short), (), [authority(short)], [AT]).window == Window(AT, AT + 7 * SECOND)

    @pytest.mark.parametrize("at", [AT, AT + SECOND, AT + LIFETIME - SECOND, AT + LIFETIME])
    def test_both_ends_are_inclusive(self, at: datetime) -> None:
        assert find_path(leaf(), (), [authority(window=Window(at, at))], [at]).window == Window(at, at)

    @pytest.mark.parametrize("times", [(AT - SECOND,), (AT + LIFETIME + SECOND,), (AT, AT + LIFETIME + SECOND)])
    def test_an_expired_leaf(self, times: tuple[datetime, ...]) -> None:
        code, reason = refused(leaf(), [authority()], times)
        assert code is Code.CERTIFICATE_EXPIRED
        assert f"{AT:%Y-%m-%dT%H:%M:%SZ}" in reason

    @pytest.mark.parametrize(
        "window", [Window(AT + SECOND), Window(None, AT - SECOND), Window(AT + SECOND, AT - SECOND)]
    )
    def test_an_authority_that_did_not_count_then(self, window: Window) -> None:
        assert refused(leaf(), [authority(window=window)])[0] is Code.CERTIFICATE_EXPIRED
        # of several with one root the one whose time it was counts
        both = [authority(window=window), authority()]
        assert find_path(leaf(), (), both, [AT]).authority == authority()

    @pytest.mark.parametrize("fulcio", [Fulcio.create(intermediate_valid=PAST), Fulcio.create(root_valid=PAST)])
    def test_issuers_that_were_expired_then(self, fulcio: Fulcio) -> None:
        assert refused(leaf(fulcio=fulcio), [authority(fulcio)])[0] is Code.CERTIFICATE_EXPIRED

    def test_without_a_time_it_is_when_it_was_issued(self) -> None:
        assert find_path(leaf(), (), [authority()], ()).window == Window(AT, AT + LIFETIME)
        expired = Fulcio.create(intermediate_valid=PAST)
        assert refused(leaf(fulcio=expired), [authority(expired)], ())[0] is Code.CERTIFICATE_EXPIRED

    def test_each_authority_for_itself(self) -> None:
        for order in ([authority(), authority(OTHER)], [authority(OTHER), authority()]):
            assert find_path(leaf(), (), order, [AT]).authority == authority()
            assert find_path(leaf(fulcio=OTHER), (), order, [AT]).authority == authority(OTHER)
        # one's intermediate does not stand under another's root
        mixed = Authority.of("mixed", [authority().chain[0], authority(OTHER).chain[1]], Window())
        assert refused(leaf(), [mixed])[0] is Code.CERTIFICATE_UNTRUSTED

    def test_nobody_is_trusted(self) -> None:
        assert refused(leaf(), []) == (Code.CERTIFICATE_UNTRUSTED, "no certificate authority is trusted here")
        code, reason = refused(leaf(), [authority(OTHER)])
        assert (code, "does not lead to https://other.test" in reason) == (Code.CERTIFICATE_UNTRUSTED, True)

    def test_what_comes_with_it_is_passed_through_and_never_trusted(self) -> None:
        below, root = (issuer.certificate for issuer in FULCIO.issuers)
        rooted = authority(chain=slice(1, None))
        assert find_path(leaf(), [below], [rooted], [AT]).certificates[1:] == (below, root)
        assert (
            refused(
                leaf(),
                [],
            )[0]
            is Code.CERTIFICATE_UNTRUSTED
        )
        for brought in ([], [root], [OTHER.issuers[0].certificate], [leaf()]):
            assert refused(leaf(), [rooted], intermediates=brought)[0] is Code.CERTIFICATE_UNTRUSTED
        for brought in ([below], [root], [below, root], [root, below]):
            assert refused(leaf(), [authority(OTHER)], intermediates=brought)[0] is Code.CERTIFICATE_UNTRUSTED

    def test_an_intermediate_is_no_root(self) -> None:
        # an authority whose chain ends in what itself was issued
        alone = authority(chain=slice(0, 1))
        found = find_path(leaf(), [FULCIO.issuers[1].certificate], [alone], [AT])
        assert found.certificates[-1] == FULCIO.issuers[0].certificate == alone.root

    def test_a_root_signs_nothing(self) -> None:
        root = FULCIO.issuers[1].certificate
        assert refused(root, [authority()])[0] is Code.CERTIFICATE_UNTRUSTED

    @pytest.mark.parametrize(
        ("profile", "why"),
        [
            (Profile(usages=None), "no extended key usage"),
            (Profile(usages=(ExtendedKeyUsageOID.SERVER_AUTH,)), "not for codeSigning"),
            (Profile(usages=(ExtendedKeyUsageOID.TIME_STAMPING,)), "not for codeSigning"),
            (Profile(usages=(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)), "not for codeSigning"),
            (Profile(signs=False), "not for digital signatures"),
            (Profile(more=((x509.UnrecognizedExtension(ObjectIdentifier("1.2.3"), b"\5\0"), True),)), "does not lead"),
            (Profile(more=((x509.BasicConstraints(ca=True, path_length=None), True),)), "does not lead"),
        ],
        ids=count(),
    )
    def test_what_a_leaf_may_not_be(self, profile: Profile, why: str) -> None:
        code, reason = refused(leaf(profile), [authority()])
        assert (code, why in reason) == (Code.CERTIFICATE_UNTRUSTED, True), reason

    @pytest.mark.parametrize(
        "profile",
        [
            Profile(usages=(ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.CLIENT_AUTH)),
            Profile(signs=None),
            Profile(more=((x509.UnrecognizedExtension(ObjectIdentifier("1.2.3"), b"\5\0"), False),)),
            Profile(more=((x509.BasicConstraints(ca=False, path_length=None), True),)),
        ],
        ids=count(),
    )
    def test_what_it_may_be(self, profile: Profile) -> None:
        assert find_path(leaf(profile), (), [authority()], [AT]).authority == authority()

    def test_another_usage(self) -> None:
        stamper = leaf(Profile(usages=(ExtendedKeyUsageOID.TIME_STAMPING,)))
        usage = ExtendedKeyUsageOID.TIME_STAMPING
        assert find_path(stamper, (), [authority()], [AT], usage).certificates[0] == stamper
        with pytest.raises(Refused, match="not for timeStamping"):
            find_path(leaf(), (), [authority()], [AT], usage)

    def test_a_leaf_issues_nothing(self) -> None:
        parent = FULCIO.issue(shared_key(), Profile(), AT).chain[0]
        issuer = replace(FULCIO.issuers[0], key=shared_key(), certificate=parent)
        child = Fulcio(FULCIO.uri, (issuer,)).issue(shared_key(), Profile(), AT).chain[0]
        assert refused(child, [authority()], intermediates=[parent])[0] is Code.CERTIFICATE_UNTRUSTED


Usages = tuple[ObjectIdentifier, ...]


def certified(*, root: Usages = (), below: Usages = (), bare: bool = False) -> Fulcio:
    """A root and one below it, each for its usages."""
    top = Issuer.root("usage root", usages=root, bare=bare)
    return Fulcio("https://usage.test", (top.intermediate("usage", usages=below, bare=bare), top))


class TestAuthorities:
    @pytest.mark.parametrize("where", ["root", "below"])
    @pytest.mark.parametrize(
        ("usages", "code", "stamps"),
        [
            ((), True, True),
            ((ExtendedKeyUsageOID.CODE_SIGNING,), True, False),
            ((ExtendedKeyUsageOID.TIME_STAMPING,), False, True),
            ((ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,), True, True),
            ((ExtendedKeyUsageOID.SERVER_AUTH,), False, False),
            ((ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CODE_SIGNING), True, False),
        ],
        ids=count(),
    )
    def test_what_they_certify_for(
        self,
        usages: Usages,
        code: bool,  # noqa: FBT001 - of a table
        stamps: bool,  # noqa: FBT001
        where: str,
    ) -> None:
        fulcio = certified(root=usages) if where == "root" else certified(below=usages)
        wanted = {ExtendedKeyUsageOID.CODE_SIGNING: code, ExtendedKeyUsageOID.TIME_STAMPING: stamps}
        for usage, may in wanted.items():
            signer = leaf(Profile(usages=(usage,)), fulcio=fulcio)
            if may:
                assert find_path(signer, (), [authority(fulcio)], [AT], usage).certificates[0] == signer
                continue
            with pytest.raises(Refused, match=f"is not for {usage._name}") as caught:
                find_path(signer, (), [authority(fulcio)], [AT], usage)
            assert caught.value.code is Code.CERTIFICATE_UNTRUSTED

    def test_they_may_say_no_more_than_that_they_are_some(self) -> None:
        fulcio = certified(bare=True)
        assert find_path(leaf(fulcio=fulcio), (), [authority(fulcio)], [AT]).authority == authority(fulcio)

    def test_a_key_usage_that_is_there_has_to_let_them_certify(self) -> None:
        root = Issuer.root("corp root")
        key = shared_key("P-384", "no cert sign")
        builder = leaf_builder("sub", key, AGES).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        for usage, may in ((key_usage(signs=True), False), (key_usage(issues=True), True)):
            below = Issuer(key, root.sign(builder.add_extension(usage, critical=True)))
            fulcio = Fulcio("https://corp.test", (below, root))
            if may:
                assert (
                    find_path(leaf(fulcio=fulcio), (), [authority(fulcio)], [AT]).certificates[1] == below.certificate
                )
            else:
                code, reason = refused(leaf(fulcio=fulcio), [authority(fulcio)])
                assert (code, reason.endswith("must be asserted in a CA certificate")) == (
                    Code.CERTIFICATE_UNTRUSTED,
                    True,
                )

    def test_the_window_of_another_that_a_path_goes_through(self) -> None:
        root = Issuer.root("corp root")
        first, second = (Fulcio(f"https://{n}.test", (root.intermediate(n), root)) for n in ("first", "second"))
        retired = authority(first, window=Window(None, AT - SECOND))
        brought = [first.issuers[0].certificate]
        signer = leaf(fulcio=first)
        for known in ([retired, authority(second)], [authority(second), retired]):
            assert refused(signer, known, intermediates=brought)[0] is Code.CERTIFICATE_EXPIRED
        # its own is not another's, and what nobody has listed has no window
        assert find_path(signer, brought, [authority(second)], [AT]).authority == authority(second)
        assert find_path(leaf(fulcio=second), (), [retired, authority(second)], [AT]).authority == authority(second)
        # a path that goes round it counts
        rooted = authority(first, chain=slice(1, None))
        again = authority(first)
        assert find_path(signer, brought, [retired, rooted, again], [AT]).authority == again

    def test_who_stands_above_a_leaf(self) -> None:
        found = find_path(leaf(), (), [authority()], [AT])
        assert found.issuers == tuple(issuer.key.public.fingerprint for issuer in FULCIO.issuers)

    def test_reasons_are_words(self) -> None:
        said = [refused(leaf(), [authority(OTHER)])[1], refused(leaf(fulcio=certified(bare=True)), [authority()])[1]]
        assert said == [
            "its certificate does not lead to https://other.test: no certificate at hand leads there",
            "its certificate does not lead to https://fulcio.test: no certificate at hand leads there",
        ]


def unknown_name() -> x509.GeneralName:
    return x509.OtherName(ObjectIdentifier("1.2.3"), utf8_string("x"))


class TestIdentity:
    @pytest.mark.parametrize(
        ("names", "subjects"),
        [
            ((uri(SUBJECT),), (SUBJECT,)),
            ((email("a@acme.test"),), ("a@acme.test",)),
            ((user_name("al!acme.test"),), ("al!acme.test",)),
            # URIs, then addresses, then user names, each in their own order
            (
                (user_name("u2"), email("b@b"), uri("z:1"), user_name("u1"), email("a@a"), uri("a:1")),
                ("z:1", "a:1", "b@b", "a@a", "u2", "u1"),
            ),
            ((uri("a:1"), uri("a:1")), ("a:1", "a:1")),
            # names of other kinds name nobody
            ((x509.DNSName("acme.test"), unknown_name(), email("a@a")), ("a@a",)),
            ((uri(""), email("a@a")), ("a@a",)),
            (tuple(uri(f"a:{i}") for i in range(MAX_NAMES)), tuple(f"a:{i}" for i in range(MAX_NAMES))),
        ],
        ids=count(),
    )
    def test_subjects(self, names: tuple[x509.GeneralName, ...], subjects: tuple[str, ...]) -> None:
        assert identity_of(leaf(Profile(names=names))) == Identity(ISSUER, subjects)
        assert identity_of(leaf(Profile(names=names))).subject == " + ".join(subjects)

    @pytest.mark.parametrize(
        ("names", "why"),
        [
            ((), "names no URI"),
            ((x509.DNSName("acme.test"),), "names no URI"),
            ((unknown_name(),), "names no URI"),
            ((uri(""),), "names no URI"),
            (tuple(uri(f"a:{i}") for i in range(MAX_NAMES + 1)), f"{MAX_NAMES + 1} names; at most {MAX_NAMES}"),
            ((user_name("a\nb"),), "control characters"),
            ((user_name("a\0"),), "control characters"),
            ((user_name("a\N{RIGHT-TO-LEFT OVERRIDE}b"),), "control characters"),
        ],
        ids=count(),
    )
    def test_nobody(self, names: tuple[x509.GeneralName, ...], why: str) -> None:
        with pytest.raises(Refused) as caught:
            identity_of(leaf(Profile(names=names)))
        assert caught.value.code is Code.CERTIFICATE_UNTRUSTED
        assert why in caught.value.reason

    @pytest.mark.parametrize(
        ("profile", "issuer"),
        [
            (Profile(), ISSUER),
            (Profile(issuer_v1=None), ISSUER),
            (Profile(issuer=None, issuer_v1="https://old.test"), "https://old.test"),
            # the second extension says it where there are both
            (Profile(issuer_v1="https://old.test"), ISSUER),
            (Profile(issuer="", issuer_v1="https://old.test"), ""),
            (Profile(issuer=None, issuer_v1=None), ""),
            (Profile(issuer="https://" + "x" * 200), "https://" + "x" * 200),
            (Profile(issuer="https://" + "x" * 300), "https://" + "x" * 300),
            (Profile(issuer="https://\N{SNOWMAN}.test"), "https://\N{SNOWMAN}.test"),
        ],
        ids=count(),
    )
    def test_issuers(self, profile: Profile, issuer: str) -> None:
        assert identity_of(leaf(profile)).issuer == issuer

    @pytest.mark.parametrize(
        ("value", "why"),
        [
            (b"", "no UTF8String"),
            (b"\x0c", "no UTF8String"),
            (b"https://raw.test", "no UTF8String"),
            (der(0x13, b"https://printable.test"), "no UTF8String"),
            (der(0x16, b"https://ia5.test"), "no UTF8String"),
            (der(0x30, utf8_string("https://a.test")), "no UTF8String"),
            (b"\x0c\x02a", "wrong length"),
            (b"\x0c\x01ab", "wrong length"),
            (b"\x0c\x00a", "wrong length"),
            (utf8_string("a") + b"\0", "wrong length"),
            (utf8_string("a") * 2, "wrong length"),
            # DER has one form of each length, and knows where it ends
            (b"\x0c\x80a\0\0", "malformed length"),
            (b"\x0c\x81\x01a", "malformed length"),
            (b"\x0c\x81\x7f" + b"a" * 127, "malformed length"),
            (b"\x0c\x82\x00\x01a", "malformed length"),
            (b"\x0c\x83\x00\x00\x01a", "malformed length"),
            (b"\x0c\x84\xff\xff\xff\xffa", "malformed length"),
            (b"\x0c\xff" + b"a" * 127, "malformed length"),
            (b"\x0c\x81", "malformed length"),
            (b"\x0c\x82\x01", "malformed length"),
            (b"\x0c\x81\x80" + b"a" * 127, "wrong length"),
            (b"\x0c\x82\x01\x00" + b"a" * 255, "wrong length"),
            (der(0x0C, b"\xff\xfe"), "not UTF-8"),
            (der(0x0C, b"\xc0\xaf"), "not UTF-8"),
            (der(0x0C, b"\xed\xa0\x80"), "not UTF-8"),
            (der(0x0C, b"https://a.test\0.evil.test"), "control characters"),
            (der(0x0C, b"https://a.test\n"), "control characters"),
            (der(0x0C, "https://a.test\N{ZERO WIDTH SPACE}".encode()), "control characters"),
        ],
        ids=count(),
    )
    def test_malformed_extensions(self, value: bytes, why: str) -> None:
        for number in (8, 9, 12, 22):
            with pytest.raises(Refused) as caught:
                identity_of(leaf(Profile(more=((fulcio_extension(number, value), False),))))
            assert caught.value.code is Code.CERTIFICATE_UNTRUSTED
            assert why in caught.value.reason

    @pytest.mark.parametrize("value", [b"https://\xff.test", b"https://a.test\0", b"https://a.test\n"])
    def test_a_malformed_first_issuer(self, value: bytes) -> None:
        v1 = ((fulcio_extension(1, value), False),)
        with pytest.raises(Refused):
            identity_of(leaf(Profile(issuer=None, more=v1)))
        # nobody reads it where there is the second
        assert identity_of(leaf(Profile(more=v1))).issuer == ISSUER

    def test_claims(self) -> None:
        claims = {number: f"claim {number}" for number in range(9, 23)}
        found = identity_of(leaf(Profile(claims={**claims, 23: "x", 99: "x"}))).claims
        assert found == FulcioClaims(*claims.values())
        assert (found.build_signer_uri, found.source_repository_visibility) == ("claim 9", "claim 22")
        assert identity_of(leaf()).claims == FulcioClaims()
        one = identity_of(leaf(Profile(claims={15: "486325809"}))).claims
        assert one == FulcioClaims(source_repository_id="486325809")

    def test_older_extensions_are_not_read(self) -> None:
        # .2 to .6 are raw texts of GitHub's that .9 and later replace
        old = tuple((fulcio_extension(number, b"\xff\0"), False) for number in range(2, 7))
        assert identity_of(leaf(Profile(more=old))) == Identity(ISSUER, (SUBJECT,))


def test_times_are_shown_in_utc() -> None:
    code, reason = refused(leaf(), [authority()], [datetime(2026, 1, 1, tzinfo=UTC)])
    assert code is Code.CERTIFICATE_EXPIRED
    assert "it was signed at 2026-01-01T00:00:00Z" in reason
