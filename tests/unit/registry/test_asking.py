from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.image.reference import Repository
from gate.registry.answer import Answer, Question
from gate.registry.asking import Asker
from gate.registry.auth import Authenticator
from gate.registry.credentials.credential import Credential
from gate.registry.credentials.keychain import Incomplete, Remembering
from gate.registry.failures import CredentialRefused
from gate.registry.guard.hosts import Hosts
from gate.registry.guard.patience import Patience
from gate.registry.guard.transport import Request, Response
from tests.fakes.clients import Saying, ScriptedTransport
from tests.fakes.clock import SettableClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

A, B, C, D = (Credential(name, name, f"{name}-passw0rd-passw0rd") for name in "abcd")
IDENTITY = Credential("identity", identity_token="refresh-refresh")
AS_IS = Credential("as it is", registry_token="registry-token-registry")
WEB = Repository("registry.test", "acme/web")
API = Repository("registry.test", "acme/api")
QUESTION = Question("GET", "/v2/x", {"Accept": "x/y"}, 100)
BASIC_CHALLENGE = {"www-authenticate": 'Basic realm="x"'}
BEARER_CHALLENGE = {"www-authenticate": 'Bearer realm="https://registry.test/token",service="s"'}


@dataclass
class World:
    """A registry that knows some headers, and somebody who asks it.

    Attributes:
        held: what the keychain gives.
        valid: headers that are let in; "" for none at all.
        challenge: of a 401.
        refusal: the status for headers that are not let in; without one it is always 401.
        found: the status of what is let in.
        foreign: where a question without a header is redirected to.
        grants: whom the token service gives tokens: headers, or refresh tokens.
        away: a host that does not answer.
        where: what is named then; "" for the host itself.
    """

    held: list[Credential] = field(default_factory=list)
    valid: set[str] = field(default_factory=set)
    challenge: dict[str, str] = field(default_factory=lambda: dict(BASIC_CHALLENGE))
    refusal: int = 401
    found: int = 200
    foreign: str = ""
    grants: set[str] = field(default_factory=set)
    clock: SettableClock = field(default_factory=SettableClock)
    issued: int = 0
    hosts: Hosts = field(default_factory=Hosts)
    away: str = ""
    where: str = ""

    def __post_init__(self) -> None:
        self.transport = ScriptedTransport(self._answer)
        self.keychain = Saying(lambda _: self.held)
        hosts = self.hosts
        patience = Patience(self.transport, self.clock.advance)
        remembering = Remembering(self.keychain, self.clock.monotonic)
        authenticator = Authenticator(patience, remembering, hosts, self.clock.monotonic, self.clock.now)
        self.asker = Asker(patience, authenticator, hosts, self.clock.monotonic)

    def _answer(self, request: Request) -> Response:
        header = request.headers.get("Authorization", "")
        if self.away and f"//{self.away}/" in request.url:
            raise EvidenceUnavailable(Code.REGISTRY_TIMEOUT, f"{self.where or self.away} did not answer")
        if "/token" in request.url:
            who = header or (request.body or b"").decode().partition("refresh_token=")[2].rpartition("=")[2]
            if who not in self.grants:
                return Response(401, {}, b"", request.url)
            self.issued += 1
            self.valid.add(f"Bearer token-{self.issued:08}")
            return Response(200, {}, b'{"token": "token-%08d"}' % self.issued, request.url)
        if header in self.valid:
            return Response(self.found, {}, b"", request.url)
        if header and self.refusal != 401:
            return Response(self.refusal, {}, b"", request.url)
        return Response(401, self.challenge, b"", self.foreign if self.foreign and not header else request.url)

    def ask(self, repository: Repository = API) -> Answer:
        return self.asker.ask(repository, QUESTION, self.clock.deadline(100))

    def refused(self, repository: Repository = API) -> Answer | CredentialRefused:
        try:
            answer = self.ask(repository)
        except CredentialRefused as error:
            return error
        assert answer.response.status in (400, 401, 403, 404)
        return answer

    @contextmanager
    def sends(self, *expected: str) -> Iterator[None]:
        """These headers, in this order."""
        self.transport.sent.clear()
        yield
        assert self.transport.authorizations() == list(expected)


# whom it asks with, and in which order


def test_credentials_are_tried_in_their_order_until_one_is_good() -> None:
    world = World([A, B, C], {B.basic})
    with world.sends("", A.basic, B.basic):
        answer = world.ask()
    assert (answer.response.status, answer.credential, answer.others) == (200, B, 0)


def test_what_was_good_the_last_time_is_tried_first() -> None:
    world = World([A, B, C], {C.basic})
    world.ask()
    for _ in range(3):
        with world.sends(C.basic):
            assert world.ask().credential is C
    world.valid = {A.basic}
    with world.sends(C.basic, A.basic):  # in their order again
        world.ask()
    with world.sends(A.basic):
        world.ask()


def test_what_was_good_is_remembered_of_each_repository() -> None:
    world = World([A, B], {B.basic})
    world.ask(API)
    with world.sends(A.basic, B.basic):
        world.ask(WEB)
    world.valid = {A.basic}
    with world.sends(B.basic, A.basic):
        world.ask(API)
    with world.sends(B.basic, A.basic):
        world.ask(WEB)


def test_nobodys_credentials_come_last_and_then_first() -> None:
    """A login that is no longer good does not hide what is public."""
    world = World([A, B], set(), dict(BEARER_CHALLENGE), grants={""})
    with world.sends("", A.basic, B.basic, "", "Bearer token-00000001"):
        answer = world.ask()
    assert answer.credential is None
    for _ in range(3):
        with world.sends("Bearer token-00000001"):
            world.ask()


def test_with_no_credentials_it_asks_once() -> None:
    world = World()
    with world.sends(""):
        refusal = Answer(Response(401, BASIC_CHALLENGE, b"", "https://registry.test/v2/x"), None, refused=True)
        assert world.refused() == refusal
    world.valid = {""}
    with world.sends(""):
        assert world.ask().response.status == 200
    assert world.keychain.forgotten == 0


def test_where_nothing_is_asked_for_nothing_is_sent() -> None:
    world = World([A, AS_IS], {""})
    with world.sends(""):
        answer = world.ask()
    assert answer.credential is None


def test_a_registry_token_is_sent_at_once() -> None:
    world = World([AS_IS, A], {f"Bearer {AS_IS.registry_token}"})
    with world.sends(f"Bearer {AS_IS.registry_token}"):
        assert world.ask().credential is AS_IS


def test_the_question_is_asked_as_it_is() -> None:
    world = World([A], {A.basic})
    world.ask()
    for request in world.transport.sent:
        assert (request.method, request.url, request.limit) == ("GET", "https://registry.test/v2/x", 100)
        assert request.headers["Accept"] == "x/y"


# what it says when all are refused


def test_the_first_refusal_of_somebody_is_told() -> None:
    world = World([A, B])
    assert world.refused() == Answer(Response(401, BASIC_CHALLENGE, b"", "https://registry.test/v2/x"), A, others=2)


def test_a_refusal_without_credentials_is_nobodys() -> None:
    """The registry wants none: they were not sent, and nobody's are not tried a second time."""
    world = World([A], challenge={})
    with world.sends(""):
        answer = world.refused()
    assert isinstance(answer, Answer)
    assert (answer.credential, answer.others) == (None, 0)


@pytest.mark.parametrize("refusal", [400, 401, 403])
def test_a_token_that_is_refused_is_somebodys_refusal(refusal: int) -> None:
    world = World([AS_IS], refusal=refusal, challenge={} if refusal == 401 else dict(BEARER_CHALLENGE))
    answer = world.refused()
    assert isinstance(answer, Answer)
    assert answer.credential is AS_IS


def test_a_token_services_refusal_is_told_as_it_is() -> None:
    world = World([A, B], challenge=dict(BEARER_CHALLENGE))
    error = world.refused()
    assert isinstance(error, CredentialRefused)
    assert error.credential is A


def test_credentials_that_may_not_be_sent_are_told_though_nobody_can_be_asked_either() -> None:
    """A token service elsewhere that can't be reached: what helps is to name it."""
    world = World([A], challenge={"www-authenticate": 'Bearer realm="https://elsewhere.test/token"'})
    inner = world.transport.script

    def script(request: Request) -> Response:
        if "elsewhere" in request.url:
            raise EvidenceUnavailable(Code.REGISTRY_UNREACHABLE, "elsewhere.test could not be reached")
        return inner(request)

    world.transport.script = script
    error = world.refused()
    assert isinstance(error, CredentialRefused)
    assert "they were not sent" in error.message
    assert set(world.transport.authorizations()) == {""}


def test_a_failure_is_no_refusal_and_ends_it() -> None:
    """Nobody else is tried at a registry that does not work: who asked with what it did not say."""
    world = World([A, B], {B.basic}, dict(BEARER_CHALLENGE))
    inner = world.transport.script
    world.transport.script = lambda r: Response(500, {}, b"", r.url) if "/token" in r.url else inner(r)
    with world.sends("", A.basic, A.basic), pytest.raises(EvidenceUnavailable) as caught:
        world.ask()
    assert caught.value.code is Code.REGISTRY_UNREACHABLE
    assert world.keychain.forgotten == 0


def test_not_found_is_an_answer_and_not_what_was_good() -> None:
    world = World([A, B], {A.basic, B.basic}, found=404)
    with world.sends("", A.basic, B.basic):
        assert world.ask().response.status == 404
    world.valid, world.found = {B.basic}, 200
    world.ask()
    world.valid, world.found = {A.basic, B.basic}, 404
    with world.sends(B.basic):
        world.ask()


def test_not_found_to_nobody_is_a_refusal_after_somebodys() -> None:
    world = World([A], {""}, found=404)
    with world.sends("", ""):  # and whether it asks for somebody at all
        assert world.ask().response.status == 404  # before anybody was refused
    world.valid, world.found = {A.basic}, 200
    world.ask()
    world.valid, world.found = {""}, 404
    with world.sends(A.basic, ""):
        answer = world.refused()
    assert isinstance(answer, Answer)
    assert (answer.response.status, answer.credential) == (401, A)


@dataclass
class Hiding(World):
    """It says "not found" to whom it does not let in, once they said who they are."""

    def _answer(self, request: Request) -> Response:
        answer = super()._answer(request)
        hidden = "Authorization" in request.headers and answer.status in (401, 403)
        return Response(404, {}, b"", request.url) if hidden else answer


def test_not_found_to_one_lets_the_others_ask() -> None:
    """kubelet goes on after any failure, too: which of several secrets is the right one nobody says."""
    world = Hiding([A, B, C], {C.basic})
    with world.sends("", A.basic, B.basic, C.basic):
        assert world.ask().credential is C
    with world.sends(C.basic):
        world.ask()


def test_not_found_to_all_is_not_found() -> None:
    world = Hiding([A, B])
    with world.sends("", A.basic, B.basic):  # and nobody was asked first
        answer = world.refused()
    assert isinstance(answer, Answer)
    assert (answer.response.status, answer.credential, answer.others) == (404, A, 1)


def test_not_found_to_one_is_none_where_another_was_refused() -> None:
    """His login may have been the one that sees it."""
    world = World([A, B], {B.basic}, found=404)
    answer = world.refused()
    assert isinstance(answer, Answer)
    assert (answer.response.status, answer.credential) == (401, A)
    # but of whom the repository answered just now it is an answer
    world.found = 200
    world.ask()
    world.found = 404
    with world.sends(B.basic):
        assert world.ask().response.status == 404
    world.clock.advance(61)
    answer = world.refused()
    assert isinstance(answer, Answer)
    assert answer.response.status == 401


ABOUT = Question("GET", "/v2/x.sig", {"Accept": "x/y"}, 100, shown="/v2/x")
LISTED = Question("GET", "/v2/referrers", {"Accept": "x/y"}, 100, shown="/v2/x", listed="manifests")


FULL, EMPTY = b'{"manifests": [{}]}', b'{"manifests": []}'


@dataclass
class Repositories(World):
    """The image is shown to some; what is about it is not there, and others are told the same.

    Attributes:
        shown_to: headers; "" for nobody's. Who is neither among them nor among the valid is refused.
    """

    shown_to: set[str] = field(default_factory=set)

    def _answer(self, request: Request) -> Response:
        header = request.headers.get("Authorization", "")
        shown = header in self.shown_to
        if not shown and header not in self.valid:
            return Response(401, self.challenge, b"", request.url)
        if request.url.endswith("/v2/x"):
            return Response(200 if shown else 404, {}, b"", request.url)
        if request.url.endswith("referrers"):
            return Response(200, {}, FULL if shown else EMPTY, request.url)
        return Response(404, {}, b"", request.url)

    def about(self, question: Question = ABOUT) -> Answer:
        return self.asker.ask(API, question, self.clock.deadline(100))


def test_an_old_login_does_not_make_an_unsigned_public_image_unauthorized() -> None:
    """Asked for by its digest: nothing has shown before that anybody may read it."""
    world = Repositories([AS_IS], shown_to={""})
    answer = world.about()
    assert (answer.response.status, answer.credential) == (404, None)


@pytest.mark.parametrize("held", [[A, B], [B, A]], ids=["stale first", "stale last"])
def test_of_two_logins_the_one_that_sees_the_image_says_what_is_not_there(held: list[Credential]) -> None:
    world = Repositories(held, shown_to={B.basic})
    answer = world.about()
    assert (answer.response.status, answer.credential) == (404, B)
    with world.sends(B.basic):  # and from now on alone
        world.about()


@pytest.mark.parametrize("held", [[A, B], [B, A]], ids=["stranger first", "stranger last"])
def test_an_empty_list_for_a_stranger_is_no_list(held: list[Credential]) -> None:
    world = Repositories(held, {A.basic}, shown_to={B.basic})
    for _ in range(2):
        answer = world.about(LISTED)
        assert (answer.response.body, answer.credential) == (FULL, B)


def test_an_empty_list_is_no_answer_where_somebody_was_refused() -> None:
    world = Repositories([AS_IS], {""})
    with world.sends(f"Bearer {AS_IS.registry_token}", "", ""):  # and whether nobody is shown the image itself
        answer = world.about(LISTED)
    assert (answer.response.status, answer.credential) == (401, AS_IS)


def test_a_list_shows_the_repository_to_nobody() -> None:
    """A login that is refused for a moment: what nobody is given then is not what is believed after."""
    world = Repositories([], {""})
    assert world.about(LISTED).response.status == 200
    world.held, world.shown_to, world.valid = [A], {A.basic}, set()
    world.clock.advance(61)
    assert world.about().credential is A
    world.valid = {""}
    with world.sends(A.basic):
        assert world.about(LISTED).response.body == FULL


def test_a_list_that_names_something_is_whole_beside_an_old_login() -> None:
    """Be it that the image itself is kept elsewhere."""
    world = Repositories([AS_IS], {""})
    inner = world.transport.script

    def script(request: Request) -> Response:
        listed = request.url.endswith("referrers") and "Authorization" not in request.headers
        return Response(200, {}, FULL, request.url) if listed else inner(request)

    world.transport.script = script
    answer = world.about(LISTED)
    assert (answer.response.body, answer.credential) == (FULL, None)


@pytest.mark.parametrize("status", [405, 429, 500])
def test_where_the_image_cannot_be_asked_for_a_refusal_stays_one(status: int) -> None:
    world = Repositories([A, B], {B.basic}, shown_to=set())
    inner = world.transport.script

    def script(request: Request) -> Response:
        return Response(status, {}, b"", request.url) if request.method == "HEAD" else inner(request)

    world.transport.script = script
    answer = world.about(LISTED)
    assert (answer.response.status, answer.credential) == (401, A)


@pytest.mark.parametrize("earlier", [False, True], ids=["at once", "after it was public"])
def test_a_list_that_is_empty_for_whoever_does_not_say_who_they_are(*, earlier: bool) -> None:
    """And which nobody is challenged for: the image itself is, and then it is known how to say it."""
    world = Repositories([A], {""}, shown_to={A.basic})
    inner = world.transport.script

    def script(request: Request) -> Response:
        if earlier and not world.clock.monotonic() - begun:
            return Response(200, {}, b"", request.url)
        if request.url.endswith("/v2/x") and "Authorization" not in request.headers:
            return Response(401, BASIC_CHALLENGE, b"", request.url)
        return inner(request)

    begun = world.clock.monotonic()
    world.transport.script = script
    if earlier:
        assert world.ask().credential is None
    world.clock.advance(7200)
    answer = world.about(LISTED)
    assert (answer.response.body, answer.credential) == (FULL, A)


@pytest.mark.parametrize("status", [401, 403, 405, 429, 500, 503])
def test_where_it_is_not_said_who_may_see_the_image_an_empty_list_is_no_answer(status: int) -> None:
    """It may be what strangers are given, and who asks was not asked who he is."""
    world = Repositories([A], {""}, shown_to={A.basic})
    inner = world.transport.script

    def script(request: Request) -> Response:
        probed = request.method == "HEAD" and "Authorization" not in request.headers
        return Response(status, {}, b"", request.url) if probed else inner(request)

    world.transport.script = script
    for question in (LISTED, ABOUT):
        answer = world.about(question)
        assert answer.response.status == status
        assert answer.refused is (status in (401, 403, 405))


@dataclass
class AtTheDoor(World):
    """It says at `/v2/` whom it wants; elsewhere strangers are told that there is nothing.

    Attributes:
        door: the status of `/v2/` for those whom it does not let in.
    """

    door: int = 401

    def _answer(self, request: Request) -> Response:
        if request.headers.get("Authorization", "") in self.valid or "/token" in request.url:
            return super()._answer(request)
        at_door = request.url.endswith("/v2/")
        return Response(self.door if at_door else 404, self.challenge if at_door else {}, b"", request.url)


@pytest.mark.parametrize("question", [QUESTION, ABOUT, LISTED], ids=["a tag", "a signature", "a list"])
@pytest.mark.parametrize("challenge", [BASIC_CHALLENGE, BEARER_CHALLENGE], ids=["Basic", "Bearer"])
def test_a_registry_that_says_at_its_door_only_whom_it_wants(question: Question, challenge: dict[str, str]) -> None:
    """Its tags, and signatures that are kept beside no image, are shown to nobody who was not asked who he is."""
    world = AtTheDoor([A], {A.basic}, dict(challenge), grants={A.basic})
    for _ in range(2):
        answer = world.asker.ask(API, question, world.clock.deadline(100))
        assert (answer.response.status, answer.credential) == (200, A)
    world.transport.sent.clear()
    world.asker.ask(WEB, question, world.clock.deadline(100))
    assert not any(request.url.endswith("/v2/") for request in world.transport.sent)  # it is known


@pytest.mark.parametrize("door", [200, 404, 405])
def test_a_registry_that_wants_nobody_is_asked_for_it_once_in_a_while(door: int) -> None:
    world = AtTheDoor([A], {A.basic}, challenge={}, door=door)
    assert world.refused().response.status == 404  # type: ignore[union-attr]
    for repository in (API, WEB):
        with world.sends(""):
            assert world.ask(repository).response.status == 404
    world.clock.advance(61)
    with world.sends("", ""):
        world.ask()


@pytest.mark.parametrize("door", [401, 403, 429, 500, 503])
def test_where_the_door_does_not_say_whom_it_wants_not_found_is_no_answer(door: int) -> None:
    world = AtTheDoor([A], {A.basic}, challenge={}, door=door)
    answer = world.ask()
    assert answer.response.status == door
    assert answer.refused is (door in (401, 403))
    world.door, world.challenge = 401, dict(BASIC_CHALLENGE)  # nor is it remembered
    assert world.ask().credential is A


def test_without_credentials_no_door_is_knocked_at() -> None:
    world = AtTheDoor(challenge={}, door=500)
    with world.sends(""):
        assert world.ask().response.status == 404


def test_of_who_was_refused_no_more_is_kept_than_is_told() -> None:
    world = World([A, B], challenge={**BASIC_CHALLENGE, "retry-after": "7", "x": "y" * 60_000})
    answer = world.refused()
    assert isinstance(answer, Answer)
    assert answer.response.headers == {**BASIC_CHALLENGE, "retry-after": "7"}


def test_an_empty_list_from_elsewhere_lets_the_others_ask() -> None:
    world = Repositories([A, B], {A.basic}, shown_to={B.basic})
    inner = world.transport.script

    def script(request: Request) -> Response:
        answer = inner(request)
        away = request.headers.get("Authorization") == A.basic and request.url.endswith("referrers")
        return replace(answer, elsewhere="store.test") if away else answer

    world.transport.script = script
    assert world.about(LISTED).response.body == FULL


def test_where_a_keychain_fails_a_public_image_is_judged() -> None:
    world = Repositories(shown_to={""})
    failing(world)
    assert world.about().response.status == 404
    world.shown_to, world.valid = set(), {""}
    world.clock.advance(61)
    with pytest.raises(EvidenceUnavailable, match="the helper is not there"):
        world.about()


def test_a_token_that_is_taken_back_does_not_make_a_listing_empty() -> None:
    """Refused without a challenge, and "not found" to nobody: a new one is got; where that is refused, it says so."""
    world = World([A], set(), dict(BEARER_CHALLENGE), refusal=403, grants={A.basic})
    world.ask()
    inner = world.transport.script

    def script(request: Request) -> Response:
        if "Authorization" not in request.headers and "/token" not in request.url:
            return Response(404, {}, b"", request.url)
        return inner(request)

    world.transport.script = script
    world.valid.clear()
    with world.sends("Bearer token-00000001", "", A.basic, "Bearer token-00000002"):
        assert world.ask().credential is A
    world.valid.clear()
    world.grants.clear()
    error = world.refused()
    assert isinstance(error, CredentialRefused)
    assert error.credential is A


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_registry_token_that_is_taken_back_is_refused(status: int) -> None:
    world = World([AS_IS], {""}, challenge={}, refusal=status, found=404)
    inner = world.transport.script

    def script(request: Request) -> Response:
        answer = inner(request)
        return Response(status, {}, b"", request.url) if "Authorization" in request.headers else answer

    world.transport.script = script
    answer = world.ask()
    assert (answer.response.status, answer.credential, answer.refused) == (status, AS_IS, True)


def test_a_login_that_was_renewed_is_tried_before_nobody() -> None:
    """What nobody was shown may have been less."""
    world = World([A], {""}, dict(BASIC_CHALLENGE))
    inner = world.transport.script

    def script(request: Request) -> Response:
        answer = inner(request)
        wants = "Authorization" not in request.headers and world.held == [B]
        return Response(401, BASIC_CHALLENGE, b"", request.url) if wants else answer

    world.transport.script = script
    assert world.ask().credential is None
    world.held, world.valid = [B], {B.basic}
    world.clock.advance(61)
    assert world.ask().credential is B


def test_a_challenge_beside_not_found_is_answered() -> None:
    """A repository that became private, of a registry that hides it."""
    world = World([A], {A.basic})
    inner = world.transport.script

    def script(request: Request) -> Response:
        answer = inner(request)
        return Response(404, answer.headers, b"", answer.url) if answer.status == 401 else answer

    world.transport.script = script
    with world.sends("", A.basic):
        assert world.ask().credential is A


# tokens that are refused


@pytest.mark.parametrize("refusal", [400, 401, 403])
def test_a_refused_token_is_replaced_once(refusal: int) -> None:
    """ghcr.io says 403 and public.ecr.aws 400, without a challenge."""
    world = World([A], set(), dict(BEARER_CHALLENGE), refusal, grants={A.basic})
    assert world.ask().credential is A
    world.valid.clear()
    without = [] if refusal == 401 else [""]
    with world.sends("Bearer token-00000001", *without, A.basic, "Bearer token-00000002"):
        assert world.ask().credential is A


def test_what_a_redirects_target_wants_is_not_given() -> None:
    """After a token was refused without a challenge, as before."""
    world = World([AS_IS, A], set(), dict(BASIC_CHALLENGE), 403, foreign="https://evil.test/x")
    world.refused()
    assert A.basic not in world.transport.authorizations()


# the keychain asked anew


def test_a_keychain_is_asked_anew_once_all_were_refused() -> None:
    world = World([A, B])
    world.refused()
    assert (world.keychain.asked, world.keychain.forgotten) == (2, 1)


def test_only_what_is_new_is_tried_after_that() -> None:
    world = World([A, B], {C.basic})
    world.keychain.says = lambda _: [A, B] if world.keychain.asked == 1 else [B, D, C]
    with world.sends("", A.basic, B.basic, "", D.basic, C.basic):
        assert world.ask().credential is C
    with world.sends(C.basic):
        world.ask()


@pytest.mark.parametrize(("seconds", "forgotten"), [(0, 1), (4.9, 1), (5, 2), (60, 2)])
def test_a_keychain_is_not_asked_anew_again_for_five_seconds(seconds: float, forgotten: int) -> None:
    """Of a repository: whoever names an image that nobody may read starts no helper for each try."""
    world = World([A])
    world.refused()
    world.clock.advance(seconds)
    world.refused()
    assert world.keychain.forgotten == forgotten
    world.refused(WEB)
    assert world.keychain.forgotten == forgotten + 1


def test_a_keychain_that_has_nothing_is_not_asked_anew() -> None:
    world = World()
    world.refused()
    assert (world.keychain.asked, world.keychain.forgotten) == (1, 0)


def test_a_keychain_that_fails_when_asked_anew_says_why() -> None:
    world = World([A])
    failure = EvidenceUnavailable(Code.REGISTRY_UNAUTHORIZED, "the file cannot be read")

    def says(_: Repository) -> list[Credential]:
        if world.keychain.asked > 1:
            raise failure
        return [A]

    world.keychain.says = says
    with pytest.raises(EvidenceUnavailable, match="the file cannot be read"):
        world.ask()


def failing(world: World) -> EvidenceUnavailable:
    failure = EvidenceUnavailable(Code.REGISTRY_UNAUTHORIZED, "the helper is not there", remedy="install it")

    def says(_: Repository) -> list[Credential]:
        raise Incomplete(failure, tuple(world.held))

    world.keychain.says = says
    return failure


@pytest.mark.parametrize("challenge", [BASIC_CHALLENGE, BEARER_CHALLENGE], ids=["basic", "bearer"])
def test_a_keychain_that_fails_does_not_hide_what_is_public(challenge: dict[str, str]) -> None:
    world = World(challenge=challenge, grants={""})
    if challenge is BASIC_CHALLENGE:
        world.valid = {""}
    failing(world)
    answer = world.ask()
    assert (answer.response.status, answer.credential, answer.others) == (200, None, 0)


@pytest.mark.parametrize(
    "world",
    [
        World(),
        World(challenge=BEARER_CHALLENGE),  # its token service refuses, too
        World(valid={""}, found=404),  # which may be how it hides what is private
        World([A], {A.basic}, found=404),  # likewise, though another keychain has something
        World([A]),
    ],
    ids=["refused", "no token", "not found", "not found to another", "another is refused"],
)
def test_a_keychain_that_fails_is_the_reason_where_nobody_is_answered(world: World) -> None:
    failure = failing(world)
    with pytest.raises(EvidenceUnavailable) as raised:
        world.ask()
    assert (raised.value.code, raised.value.remedy) == (failure.code, failure.remedy)
    assert raised.value.message.startswith(failure.message)


# what hostile registries cost


HOSTILE: dict[str, Callable[[int], tuple[int, dict[str, str]]]] = {
    "wants Basic": lambda n: (401, BASIC_CHALLENGE),
    "wants tokens": lambda n: (401, BEARER_CHALLENGE),
    "wants other tokens": lambda n: (
        401,
        {"www-authenticate": f'Bearer realm="https://registry.test/token?{n}",service="{n}"'},
    ),
    "forbids": lambda n: (403, {}),
    "forbids and challenges": lambda n: (403, BEARER_CHALLENGE),
    "wants nothing it says": lambda n: (401, {}),
    "changes its mind": lambda n: (401, BASIC_CHALLENGE if n % 2 else BEARER_CHALLENGE),
    "wants both": lambda n: (401, {"www-authenticate": 'Basic realm="x", Bearer realm="https://registry.test/token"'}),
    "says different things": lambda n: (
        (401, 403, 401, 403)[n % 4],
        (BEARER_CHALLENGE, {}, {}, BASIC_CHALLENGE)[n % 4],
    ),
}


@pytest.mark.parametrize("gives_tokens", [True, False])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_registry_that_refuses_everything_costs_a_few_requests_for_each_credential(
    name: str,
    gives_tokens: bool,  # noqa: FBT001
) -> None:
    """Five for each way to ask, and twice as many ways where the keychain has others meanwhile."""
    world = World([A, B, IDENTITY, AS_IS])
    count = 0

    def script(request: Request) -> Response:
        nonlocal count
        count += 1
        if "/token" in request.url:
            return Response(200 if gives_tokens else 401, {}, b'{"token": "t%d"}' % count, request.url)
        status, headers = HOSTILE[name](count)
        return Response(status, headers, b"", request.url)

    world.transport.script = script
    world.keychain.says = lambda _: [Credential(f"{world.keychain.asked}", f"{i}", "p") for i in range(4)] + [AS_IS]
    for _ in range(4):
        count = 0
        world.refused()
        assert 0 < count <= 5 * 11
    assert world.keychain.forgotten == 1


def test_what_is_remembered_of_repositories_is_bounded() -> None:
    world = World([], {B.basic})
    world.keychain.says = lambda _: [A] if world.keychain.asked % 2 else [B]
    for i in range(10_010):
        world.ask(Repository("registry.test", f"acme/{i}"))
    assert len(world.asker._good) == len(world.asker._renewed) == 10_000
    assert Repository("registry.test", "acme/10009") in world.asker._good


# what looks like what was sent


def test_a_token_service_whose_name_looks_like_a_password_is_a_refusal_that_does_not_name_it() -> None:
    login = Credential("login", "robot", "production")
    challenge = {"www-authenticate": 'Bearer realm="https://production.other.test/token",service="s"'}
    world = World([login], challenge=challenge)
    refused = world.refused()
    assert isinstance(refused, CredentialRefused)
    assert "or a name that looks like them" in refused.message
    assert "production" not in str(refused)
    world.grants.add("")  # which others may be given a token by
    assert world.ask().response.status == 200


def test_a_token_service_that_the_operator_names_is_no_echo() -> None:
    login = Credential("login", "robot", "tokens.other.test-robot")
    challenge = {"www-authenticate": 'Bearer realm="https://tokens.other.test/token",service="s"'}
    hosts = Hosts(token_realms={"registry.test": frozenset({"https://tokens.other.test"})})
    world = World([login], challenge=challenge, hosts=hosts)
    world.away = "tokens.other.test"
    with pytest.raises(EvidenceUnavailable, match=r"was not heard: tokens\.other\.test did not answer"):
        world.ask()


@pytest.mark.parametrize(
    "secret",
    [
        Credential("x", "robot", "hunter2pass"),
        Credential("x", identity_token="hunter2pass"),
        Credential("x", registry_token="hunter2pass"),
    ],
    ids=["password", "identity token", "registry token"],
)
def test_whatever_is_secret_of_a_credential_is_not_told(secret: Credential) -> None:
    world = World([secret])
    world.away, world.where = "registry.test", "hunter2pass.evil.test"
    with pytest.raises(EvidenceUnavailable, match=r"^registry\.test sent back the credentials"):
        world.ask()


def test_what_somebody_was_asked_with_is_not_told_when_nobody_asks() -> None:
    login = Credential("x", "robot", "hunter2pass")
    world = World([login], {login.basic})
    world.ask()
    world.away, world.where = "registry.test", "hunter2pass.evil.test"
    with pytest.raises(EvidenceUnavailable, match=r"^registry\.test sent back the credentials"):
        world.asker.once(API, QUESTION, None, world.clock.deadline(100))
