from __future__ import annotations

import json

import pytest

from gate.documents import Document, read_documents
from gate.errors import ParseError
from gate.policy.config import Config, Unmatched, Where
from gate.policy.policy import DenyRequirement, ImageRequirement, Kept, Mode, Policy, SignatureRequirement, Tags
from gate.policy.reading.checks import Check
from gate.policy.reading.schema.kinds import KINDS
from gate.policy.reading.schema.policies import RULE_TYPES
from gate.policy.reading.sets import parse_set
from gate.policy.signers import AnyOf, AtLeast, KeySpec, LogUse, One
from gate.trust.key import Hash
from tests.fakes.signing import alice, bob, ed25519_key, p384_key, rsa_key
from tests.unit.policy.build import SIGNERS, Json, config, parsed, policies, policy

PEM = json.dumps(alice().pem.decode())
HEAD = "apiVersion: imagegate.dev/v1\nkind: ClusterGatePolicy\nmetadata: {name: p}\nspec:\n"
TWO = f"{HEAD}  signers:\n    a: {{key: {{pem: {PEM}}}}}\n    b: {{key: {{pem: {json.dumps(bob().pem.decode())}}}}}\n"
"""A head with two signers, of seven lines."""

NAMESPACED = "apiVersion: imagegate.dev/v1\nkind: GatePolicy\nmetadata: {name: p, namespace: n}\nspec:\n"
CONFIG = "apiVersion: imagegate.dev/v1\nkind: GateConfig\nmetadata: {name: default}\nspec:\n"
DENY = "  rules: [{deny: {}}]\n"
ONE_OF = f"5:11: a rule has exactly one of {', '.join(RULE_TYPES)}; this one has "
ELSEWHERE = "  rules: [{signature: {by: a, repository: ghcr.io/s}}]\n"


def key_spec(found: Policy, name: str) -> KeySpec:
    """A signer of a policy that is known by a key."""
    spec = found.signers[name]
    assert isinstance(spec, KeySpec)
    return spec


def problems(text: str) -> list[str]:
    """What is wrong; that a signer is not used is a warning."""
    return [str(p) for p in parsed(text).errors]


def warnings(text: str) -> list[str]:
    return [str(p) for p in parsed(text).problems if p.warning]


def by(expression: str) -> str:
    return f"{TWO}  rules:\n  - signature: {{by: {expression}}}\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        # what a document is
        ("kind: ClusterGatePolicy", "1:1: a ClusterGatePolicy with no apiVersion; write apiVersion: imagegate.dev/v1"),
        ("kind: GateConfig\napiVersion: imagegate.dev/v2", "2:13: a GateConfig with apiVersion 'imagegate.dev/v2'"),
        ("kind: GatePolicy\napiVersion: acme.example/v1", "2:13: a GatePolicy with apiVersion 'acme.example/v1'"),
        ("kind: GateException\napiVersion: v1", "2:13: a GateException with apiVersion 'v1'"),
        ("kind: GateTest\napiVersion: v1", "2:13: a GateTest with apiVersion 'v1'"),
        ("apiVersion: imagegate.dev/v1\nkind: GatePolcy", "2:7: unknown kind 'GatePolcy'; did you mean GatePolicy?"),
        (
            "apiVersion: imagegate.dev/v1\nkind: ClusterImagePolicy",
            "2:7: unknown kind 'ClusterImagePolicy'; did you mean",
        ),
        ("apiVersion: imagegate.dev/v1", "1:1: unknown kind None; known here: ClusterGatePolicy, "),
        ("apiVersion: imagegate.dev/v1\nkind: {}", "2:7: unknown kind {}"),
        ("apiVersion: imagegate.dev/v1\nkind: [GateConfig]", "2:7: unknown kind ['GateConfig']"),
        (f"{HEAD}{DENY}xyz: {{}}", "6:1: unknown field `xyz` in the document; known here: apiVersion, kind"),
        (f"{HEAD}{DENY}sepc: {{}}", "6:1: unknown field `sepc` in the document; did you mean spec?"),
        # names
        (HEAD.replace("name: p", "name: P") + DENY, "3:18: `metadata.name`: expected a lower-case name of a-z, 0-9"),
        (
            HEAD.replace("name: p", "name: 1") + DENY,
            "3:18: `metadata.name`: expected a text, got 1; write it in quotes",
        ),
        (HEAD.replace("name: p", "nam: p") + DENY, "3:11: `metadata` has no `name`; add `name:`"),
        (NAMESPACED.replace(", namespace: n", "") + DENY, "3:18: a GatePolicy without metadata.namespace"),
        (NAMESPACED.replace(": n}", ": N}") + DENY, "3:32: `metadata.namespace`: expected a namespace, got 'N'"),
        (CONFIG.replace("default", "main") + "  {}", "3:18: a GateConfig named 'main'; name it default"),
        # fields
        (f"{HEAD}  ruls: []\n{DENY}", "5:3: unknown field `ruls` in `spec`; did you mean rules?"),
        (f"{HEAD}  match: {{image: []}}\n{DENY}", "5:11: unknown field `image` in `spec.match`; did you mean images?"),
        (f"{HEAD}  rules:\n  - denny: {{}}\n", "6:5: unknown field `denny` in `spec.rules[0]`; did you mean deny?"),
        (
            f"{HEAD}  rules:\n  - image: {{tag: pin}}\n",
            "6:13: unknown field `tag` in `spec.rules[0].image`; did you mean tags?",
        ),
        (f"{HEAD}  rules:\n  - deny: {{mesage: x}}\n", "6:12: unknown field `mesage` in `spec.rules[0].deny`; did you"),
        (
            f"{TWO}  rules:\n  - signature: {{by: a, signer: b}}\n",
            "9:24: unknown field `signer` in `spec.rules[0].signature`",
        ),
        (
            f"{HEAD}  signers: {{a: {{kee: {{}}}}}}\n{DENY}",
            "5:17: unknown field `kee` in `spec.signers.a`; did you mean key?",
        ),
        (
            f"{HEAD}  signers: {{a: {{key: {{alg: y, pem: {PEM}}}}}}}\n{DENY}",
            "5:23: unknown field `alg` in `spec.signers.a.key`",
        ),
        (f"{CONFIG}  unmached: deny", "5:3: unknown field `unmached` in `spec`; did you mean unmatched?"),
        (f"{CONFIG}  pinning: {{were: pods}}", "5:13: unknown field `were` in `spec.pinning`; did you mean where?"),
        # values
        (
            f"{HEAD}  mode: enforec\n{DENY}",
            "5:9: `spec.mode`: expected one of enforce, warn, audit, got 'enforec'; did you",
        ),
        (f"{HEAD}  mode:\n{DENY}", "5:8: `spec.mode`: expected one of enforce, warn, audit, got nothing"),
        (f"{HEAD}  match:\n{DENY}", "5:9: `spec.match`: expected a mapping, got nothing"),
        (
            f"{HEAD}  rules: {{deny: {{}}}}",
            "5:10: `spec.rules`: expected a list, got a mapping of deny; write it as a list",
        ),
        (f"{HEAD}  rules: [deny]", "5:11: `spec.rules[0]`: expected a mapping, got 'deny'"),
        (f"{HEAD}  rules: [{{deny: }}]", "5:18: `spec.rules[0].deny`: expected a mapping, got nothing"),
        (
            f"{HEAD}  match: {{images: ghcr.io/**}}\n{DENY}",
            "5:19: `spec.match.images`: expected a list, got 'ghcr.io/**'",
        ),
        (f"{HEAD}  match: {{images: ['']}}\n{DENY}", "5:20: `spec.match.images[0]`: the text is empty"),
        (
            f"{HEAD}  match: {{namespaces: {{matchLabels: {{env: 1}}}}}}\n{DENY}",
            "5:43: `spec.match.namespaces.matchLabels.env`:",
        ),
        (
            f"{HEAD}  rules: [{{image: {{tags: any}}}}]",
            "5:26: `spec.rules[0].image.tags`: expected one of pin, digest, ",
        ),
        (
            f"{HEAD}  rules: [{{image: {{denyTagsWithDigest: yes}}}}]",
            "5:40: `spec.rules[0].image.denyTagsWithDigest`: expected",
        ),
        (
            f"{HEAD}  rules: [{{image: {{denyTags: [1.2]}}}}]",
            "5:31: `spec.rules[0].image.denyTags[0]`: expected a text, got 1.2",
        ),
        (f"{HEAD}  rules: [{{image: {{denyDigests: ['sha256:0']}}}}]", "5:34: a sha256 digest has 64 hex digits"),
        (
            f"{HEAD}  rules: [{{deny: {{message: {'x' * 501}}}}}]",
            "5:28: `spec.rules[0].deny.message`: the text has more than 500 characters",
        ),
        (f"{CONFIG}  unmatched: allow", "5:14: `spec.unmatched`: expected one of deny, warn, audit, got 'allow'"),
        (
            f"{CONFIG}  pinning: {{where: pod}}",
            "5:20: `spec.pinning.where`: expected one of pods, all, none, got 'pod'; did",
        ),
        # lists that must not be empty
        (f"{HEAD}  rules: []", "5:10: `spec.rules`: the list is empty"),
        (f"{HEAD}  match: {{images: []}}\n{DENY}", "5:19: `spec.match.images`: the list is empty"),
        (
            f"{HEAD}  rules: [{{image: {{registries: []}}}}]",
            "5:32: `spec.rules[0].image.registries`: the list is empty",
        ),
        (by("[]"), "9:21: `spec.rules[0].signature.by`: the list is empty"),
        (by("{all: []}"), "9:27: `spec.rules[0].signature.by.all`: the list is empty"),
        (by("{atLeast: 1, of: []}"), "9:38: `spec.rules[0].signature.by.of`: the list is empty"),
        # and lists that must not be long
        (
            f"{HEAD}  rules: [{', '.join(['{deny: {}}'] * 101)}]",
            "5:10: `spec.rules`: the list has more than 100 entries",
        ),
        # rules
        (
            f"{HEAD}  rules: [{{}}]",
            f"{ONE_OF}none",
        ),
        (
            f"{HEAD}  rules: [{{name: x}}]",
            f"{ONE_OF}none",
        ),
        (
            f"{HEAD}  rules: [{{deny: {{}}, image: {{}}}}]",
            f"{ONE_OF}image, deny; make a rule of each",
        ),
        (
            f"{HEAD}  rules:\n  - {{deny: {{}}, name: image}}",
            "6:22: the rule name image is the name of a type; give it",
        ),
        (
            f"{HEAD}  rules:\n  - {{deny: {{}}, name: x}}\n  - {{deny: {{}}, name: x}}",
            "7:22: the rule name x stands twice; give",
        ),
        (f"{HEAD}  rules: [{{deny: {{}}, name: 'a b'}}]", "5:28: `spec.rules[0].name`: expected a name, got 'a b'"),
        (f"{TWO}  rules: [{{signature: {{}}}}]", "8:23: `spec.rules[0].signature` has no `by`; add `by:`"),
        (
            f"{TWO}  rules: [{{signature: {{by: a, reference: same}}}}]",
            "8:42: `spec.rules[0].signature.reference`: expected one of",
        ),
        (f"{TWO}  rules: [{{signature: {{by: a, repository: Sigs}}}}]", "8:43: "),
        (
            f"{TWO}  rules: [{{signature: {{by: a, repository: 'ghcr.io/s:v'}}}}]",
            "8:43: `repository` has a tag or digest; write ghcr.io/s",
        ),
        (
            f"{TWO}  rules: [{{signature: {{by: a, annotations: {{k: true}}}}}}]",
            "8:48: `spec.rules[0].signature.annotations.k`: ",
        ),
        # patterns
        (
            f"{HEAD}  match: {{images: [nginx]}}\n{DENY}",
            "5:20: 'nginx' names no registry; write docker.io/library/nginx",
        ),
        (f"{HEAD}  match: {{exclude: ['*']}}\n{DENY}", "5:21: a bare `*` matches one path segment"),
        (
            f"{HEAD}  rules: [{{image: {{registries: ['ghcr.io/*']}}}}]",
            "5:33: 'ghcr.io/*': `registries` are prefixes and take no",
        ),
        (
            f"{HEAD}  rules: [{{image: {{registries: [GHCR.io]}}}}]",
            "5:33: 'GHCR.io' has upper case, which no repository has; write ghcr.io",
        ),
        (
            f"{HEAD}  match: {{namespaces: {{matchExpressions: [{{key: a, operator: In}}]}}}}\n{DENY}",
            "5:43: the operator In needs values",
        ),
        (
            f"{HEAD}  match: {{namespaces: {{matchExpressions: [{{key: a, operator: Exists, values: [b]}}]}}}}\n{DENY}",
            "5:43: the operator Exists takes no values",
        ),
        (
            f"{HEAD}  match: {{namespaces: {{matchExpressions: [{{key: a, operator: Is}}]}}}}\n{DENY}",
            "5:62: `spec.match.namespaces.matchExpressions[0].operator`: expected one of In, NotIn, Exists",
        ),
        # signers
        (f"{HEAD}  signers: {{a: {{}}}}\n{DENY}", "5:16: `spec.signers.a`: expected exactly one of key, "),
        (
            f"{HEAD}  signers: {{'a b': {{key: {{pem: x}}}}}}\n{DENY}",
            "5:13: `spec.signers`: expected a name of letters, digits, and . _ - between, got 'a b'",
        ),
        (
            f"{HEAD}  signers: {{a: {{key: {{}}}}}}\n{DENY}",
            "5:22: expected exactly one of pem, file, secret; found none",
        ),
        (
            f"{HEAD}  signers: {{a: {{key: {{pem: x, file: y}}}}}}\n{DENY}",
            "5:22: expected exactly one of pem, file, secret; found pem, file",
        ),
        (f"{HEAD}  signers: {{a: {{key: {{pem: x}}}}}}\n{DENY}", "5:28: signer a: expected one PEM block"),
        (
            f"{HEAD}  signers: {{a: {{key: {{pem: {PEM}, hash: md5}}}}}}\n{DENY}",
            "`spec.signers.a.key.hash`: expected one of sha256, sha384",
        ),
        (
            f"{HEAD}  signers: {{a: {{key: {{secret: {{name: x}}}}}}}}\n{DENY}",
            "5:31: `spec.signers.a.key.secret` has no `key`",
        ),
        (
            f"{HEAD}  signers: {{a: {{key: {{pem: {PEM}, transparencyLog: none}}}}}}\n{DENY}",
            "`spec.signers.a.key.transparencyLog`: expected one of",
        ),
        (
            f"{HEAD}  signers:\n    a: {{key: {{pem: {PEM}}}}}\n    z: {{key: {{pem: {PEM}}}}}\n{DENY}",
            "7:14: signer z has the same key as a",
        ),
        # `by`
        (by("c"), "9:21: no signer is called 'c'; "),
        (by("releese").replace("    b:", "    release:"), "9:21: no signer is called 'releese'; did you mean release?"),
        (f"{HEAD}  rules: [{{signature: {{by: a}}}}]", "5:28: no signer is called 'a'; add it to `signers`"),
        (by("[a, {all: [b, c]}]"), "9:35: no signer is called 'c'"),
        (by("{atLeast: 3, of: [a, b]}"), "9:31: at least 3 of 2 can never be met; write 2 or fewer"),
        (by("{atLeast: 0, of: [a, b]}"), "9:31: `spec.rules[0].signature.by.atLeast`: expected 1 or more, got 0"),
        (by("{atLeast: 1.5, of: [a, b]}"), "9:31: `spec.rules[0].signature.by.atLeast`: expected a whole number"),
        (by("{atLeast: 1, of: [a, b], all: [a]}"), "9:21: `spec.rules[0].signature.by`: expected a signer's name"),
        (by("{all: [a], of: [b]}"), "9:21: `spec.rules[0].signature.by`: expected a signer's name"),
        (by("{any: [a]}"), "9:22: unknown field `any` in `spec.rules[0].signature.by`; known here: all, atLeast, of"),
        (by("{atLeast: 1}"), "9:21: `spec.rules[0].signature.by`: expected a signer's name, a list of which any"),
        (by("{}"), "9:21: `spec.rules[0].signature.by`: expected a signer's name"),
        (by("1"), "9:21: `spec.rules[0].signature.by`: expected a signer's name"),
        (by("[[[[[a]]]]]"), "9:26: signers nested more than 4 deep"),
        (by("{all: [{all: [{all: [{all: [[a]]}]}]}]}"), "9:50: signers nested more than 4 deep"),
        (by(f"[{', '.join(['a'] * 33)}]"), "9:21: more than 32 signers in one expression"),
        (by(f"[[{', '.join(['a'] * 20)}], {{all: [{', '.join(['b'] * 13)}]}}]"), "9:21: more than 32 signers in one"),
        # contradictions
        (
            f"{TWO}  rules:\n  - image: {{tags: unsafeAny}}\n  - signature: {{by: a}}",
            "9:19: `tags: unsafeAny` beside the rule signature",
        ),
        (
            f"{TWO}  rules:\n  - {{signature: {{by: a}}, name: x}}\n  - image: {{tags: unsafeAny}}",
            "10:19: `tags: unsafeAny` beside the rule x",
        ),
        (
            f"{HEAD}  rules:\n  - image: {{tags: unsafeAny, denyDigests: ['sha256:{'0' * 64}']}}",
            "6:19: `tags: unsafeAny` beside the rule",
        ),
        # what a GatePolicy may not have
        (
            f"{NAMESPACED}  signers: {{a: {{key: {{file: k.pem}}}}}}\n{DENY}",
            "5:29: `file` is refused here; write it as `pem`",
        ),
        (
            f"{NAMESPACED}  signers: {{a: {{key: {{pem: {PEM}}}}}}}\n{ELSEWHERE}",
            "6:43: a GatePolicy has no `repository`; remove it",
        ),
    ],
)
def test_every_error_has_its_place(text: str, problem: str) -> None:
    (found,) = problems(text)
    assert found.startswith("p.yaml:")
    assert problem in found
    if problem[0].isdecimal():
        assert found.startswith(f"p.yaml:{problem}")


def test_platform_evidence_is_refused_on_the_rule_too() -> None:
    (found,) = problems(f"{TWO}  rules:\n  - signature: {{by: a}}\n    platformEvidence: all\n")
    assert found.startswith("p.yaml:10:5: ")
    assert "`platformEvidence`" in found


def test_all_kinds_are_known() -> None:
    assert set(KINDS) == {
        *("ClusterGatePolicy", "GatePolicy", "GateException", "GateTrustRoot", "GateRevocation"),
        *("GateBreakGlass", "GateConfig", "GateTest"),
    }


def test_tests_of_policies_are_counted() -> None:
    found = parsed("apiVersion: imagegate.dev/v1\nkind: GateTest\nspec: {whatever: 1}")
    assert (len(found.tests), found.skipped, found.problems) == (1, 0, ())


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: v1\nkind: Pod",
        "apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy",
        "apiVersion: imagegate.development/v1\nkind: Thing",
        "kind: Gateway\napiVersion: gateway.networking.k8s.io/v1",
        "[1, 2]",
        "text",
        "{}",
        "apiVersion: [imagegate.dev/v1]",
        "kind: 5",
    ],
)
def test_other_documents_are_skipped_and_counted(text: str) -> None:
    found = parsed(f"{text}\n---\n{HEAD}{DENY}")
    assert (found.skipped, found.problems, len(found.set.policies)) == (1, (), 1)


def test_all_problems_are_reported_in_order() -> None:
    text = f"{HEAD}  mode: x\n  rules: [{{}}]\n  bogus: 1\n---\n{HEAD}  rules: []\n"
    assert [p.split(" ", maxsplit=1)[0] for p in problems(text)] == ["p.yaml:7:3:", "p.yaml:5:9:", "p.yaml:13:10:"]


def test_every_missing_field_is_named_once() -> None:
    found = problems("apiVersion: imagegate.dev/v1\nkind: ClusterGatePolicy")
    assert found == [
        "p.yaml:1:1: the document has no `metadata`; add `metadata:`",
        "p.yaml:1:1: the document has no `spec`; add `spec:`",
    ]
    found = problems(f"{HEAD}{DENY}  match: {{namespaces: {{matchExpressions: [{{}}, {{key: a}}]}}}}")
    assert [p.partition(" has ")[2] for p in found] == [
        "no `key`; add `key:`",
        "no `operator`; add `operator:`",
        "no `operator`; add `operator:`",
    ]


@pytest.mark.parametrize(
    ("first", "second", "is_error"),
    [
        (HEAD, HEAD, True),
        (NAMESPACED, NAMESPACED, True),
        (NAMESPACED, NAMESPACED.replace(": n}", ": m}"), False),
        (HEAD, NAMESPACED, False),
        (HEAD, HEAD.replace("name: p", "name: q"), False),
    ],
)
def test_two_documents_of_one_name(first: str, second: str, is_error: bool) -> None:  # noqa: FBT001
    kind = first.partition("kind: ")[2].partition("\n")[0]
    expected = [f"p.yaml:9:18: {kind} p stands twice; the other is at p.yaml:3:18; rename one"]
    assert problems(f"{first}{DENY}---\n{second}{DENY}") == (expected if is_error else [])


@pytest.mark.parametrize("kind", ["ClusterGatePolicy", "GateTrustRoot", "GateConfig"])
def test_what_is_of_the_cluster_is_of_no_namespace(kind: str) -> None:
    name = "default" if kind == "GateConfig" else "p"
    text = f"apiVersion: imagegate.dev/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: n}}\nspec:\n"
    body = {"ClusterGatePolicy": DENY, "GateTrustRoot": "  secret: {name: a, key: b}\n", "GateConfig": "  {}\n"}[kind]
    (found,) = problems(f"{text}{body}")
    assert found.startswith("p.yaml:3:")
    assert found.endswith(f": a {kind} belongs to no namespace; remove metadata.namespace")
    assert problems(f"{text.replace(', namespace: n', '')}{body}") == []


def test_a_signer_that_no_rule_speaks_of_is_a_warning() -> None:
    assert warnings(by("a")) == ["p.yaml:7:5: warning: no rule speaks of the signer b; use it, or remove it"]
    assert warnings(by("{atLeast: 1, of: [a, [a, {all: [b]}]]}")) == []
    (one, two) = warnings(f"{TWO}{DENY}")
    assert "signer a" in one
    assert "signer b" in two


def test_an_expression_that_can_be_met_in_too_many_ways() -> None:
    pairs = ", ".join(["{all: [a, b]}"] * 12)
    (found,) = problems(by(f"{{atLeast: 6, of: [{pairs}]}}"))
    assert "it can be met in more than 64 different ways; write `atLeast` over names, or over fewer groups" in found
    assert problems(by(f"{{atLeast: 12, of: [{pairs}]}}")) == []
    assert problems(by("{atLeast: 16, of: [" + ", ".join(["a, b"] * 16) + "]}")) == []


def test_two_configs() -> None:
    (found,) = problems(f"{CONFIG}  {{}}\n---\n{CONFIG}  {{}}\n")
    assert found.startswith("p.yaml:9:18: GateConfig default stands twice")


def test_keys_from_files() -> None:
    asked: list[tuple[str, str]] = []

    def read(document: Document, name: str, _limit: int) -> bytes:
        asked.append((document.file, name))
        if name == "gone.pem":
            raise ParseError("gone.pem cannot be read", remedy="check it")
        return alice().pem

    found = parsed(f"{HEAD}  signers: {{a: {{key: {{file: keys/a.pem}}}}}}\n{DENY}", read, "dir/p.yaml")
    assert found.errors == ()
    assert asked == [("dir/p.yaml", "keys/a.pem")]
    assert key_spec(found.set.policies[0], "a").key == alice().public
    (problem,) = parsed(f"{HEAD}  signers: {{a: {{key: {{file: gone.pem}}}}}}\n{DENY}", read).errors
    assert str(problem) == "p.yaml:5:29: gone.pem cannot be read; check it"
    # even where files can be read, a namespace's policy reads none
    asked.clear()
    (problem,) = parsed(f"{NAMESPACED}  signers: {{a: {{key: {{file: a.pem}}}}}}\n{DENY}", read).errors
    assert "`file` is refused here" in problem.message
    assert asked == []


def test_the_same_key_by_file_and_by_text_is_one_key() -> None:
    text = f"{HEAD}  signers:\n    a: {{key: {{pem: {PEM}}}}}\n    z: {{key: {{file: k}}}}\n{DENY}"
    (problem,) = parsed(text, lambda _document, _name, _limit: alice().pem).errors
    assert "signer z has the same key as a" in problem.message


def test_one_key_with_two_hashes_is_one_key() -> None:
    pem = json.dumps(p384_key().pem.decode())
    text = f"{HEAD}  signers:\n    a: {{key: {{pem: {pem}, hash: sha256}}}}\n    z: {{key: {{pem: {pem}}}}}\n{DENY}"
    (found,) = problems(text)
    assert "signer z has the same key as a" in found


def test_a_key_that_names_no_hash_it_could_have() -> None:
    pem = json.dumps(ed25519_key().pem.decode())
    (found,) = problems(f"{HEAD}  signers: {{a: {{key: {{pem: {pem}, hash: sha256}}}}}}\n{DENY}")
    assert "an Ed25519 key has its own hash; remove `hash`" in found


def test_a_whole_policy() -> None:
    secret = {"key": {"secret": {"name": "cosign", "key": "cosign.pub"}}}
    signers = {
        **SIGNERS,
        "p384": {"key": {"pem": p384_key().pem.decode(), "hash": "sha384", "transparencyLog": "ignore"}},
        "rsa": {"key": {"pem": rsa_key().pem.decode(), "transparencyLog": "optional"}},
        "hidden": secret,
    }
    match = {
        "images": ["ghcr.io/acme/**"],
        "exclude": ["**/test"],
        "namespaces": {
            "names": ["prod"],
            "matchLabels": {"env": "prod"},
            "matchExpressions": [
                {"key": "tier", "operator": "NotIn", "values": ["dev"]},
                {"key": "x", "operator": "Exists"},
            ],
        },
        "kinds": ["Deployment"],
        "serviceAccounts": ["builder"],
    }
    rules: list[Json] = [
        {
            "image": {
                "registries": ["ghcr.io/acme"],
                "tags": "digest",
                "denyTags": ["*-dev"],
                "denyTagsWithDigest": True,
            }
        },
        {"deny": {"message": "no"}, "name": "never"},
        {
            "signature": {
                "by": ["a", {"all": ["b", {"atLeast": 1, "of": ["p384", "hidden"]}]}],
                "annotations": {"env": "prod"},
                "repository": "ghcr.io/acme/signatures",
                "reference": "match",
            },
            "name": "two-people",
        },
    ]
    (found,) = policies(policy(rules, signers=signers, match=match, mode="warn")).policies
    assert (found.kind, found.name, found.mode, found.namespace) == ("ClusterGatePolicy", "p", Mode.WARN, None)
    assert [str(p) for p in found.match.images + found.match.exclude] == ["ghcr.io/acme/**", "**/test"]
    assert found.match.namespaces.names == ("prod",)
    assert found.match.namespaces.labels == {"env": "prod"}
    assert [e.operator for e in found.match.namespaces.expressions] == ["NotIn", "Exists"]
    assert (found.match.kinds, found.match.service_accounts) == (("Deployment",), ("builder",))
    assert [r.name for r in found.rules] == ["image", "never", "two-people"]
    image, deny, signature = (r.requirement for r in found.rules)
    assert isinstance(image, ImageRequirement)
    assert (image.tags, image.deny_tags, image.deny_tags_with_digest) == (Tags.DIGEST, ("*-dev",), True)
    assert deny == DenyRequirement("no")
    assert isinstance(signature, SignatureRequirement)
    inner = AtLeast(1, (One("p384"), One("hidden")))
    assert signature.by == AnyOf((One("a"), AtLeast(2, (One("b"), inner))))
    assert str(signature.kept.repository) == "ghcr.io/acme/signatures"
    assert (signature.annotations, signature.reference_match) == ({"env": "prod"}, True)
    assert key_spec(found, "a").log is LogUse.OPTIONAL
    p384 = key_spec(found, "p384")
    assert p384.key is not None
    assert (p384.log, p384.key.hashes) == (LogUse.IGNORE, (Hash.SHA384,))
    hidden = key_spec(found, "hidden")
    assert hidden.key is None
    assert "Secret cosign (key cosign.pub)" in hidden.missing


def test_defaults() -> None:
    found = policies(policy([{"image": {}}, {"signature": {"by": "a"}}]))
    (one,) = found.policies
    assert one.mode is Mode.ENFORCE
    assert [str(p) for p in one.match.images] == ["**"]
    assert one.rules[0].requirement == ImageRequirement((), Tags.PIN, ("latest",), deny_tags_with_digest=False)
    signature = one.rules[1].requirement
    assert isinstance(signature, SignatureRequirement)
    assert (signature.kept, signature.annotations, signature.reference_match) == (Kept(), {}, False)
    assert found.config == Config(Unmatched.DENY, Where.PODS, ())


def test_a_config() -> None:
    found = policies(config(unmatched="warn", excludeNamespaces=["kube-system"], pinning={"where": "none"}))
    assert found.config == Config(Unmatched.WARN, Where.NONE, ("kube-system",))
    assert policies(config(pinning={})).config == Config()


def test_policies_are_sorted_whatever_the_order_of_the_texts() -> None:
    documents = [policy([{"deny": {}}], name=n, namespace=s) for n, s in [("z", ""), ("a", ""), ("b", "y"), ("c", "x")]]
    expected = [("ClusterGatePolicy", "a"), ("ClusterGatePolicy", "z"), ("GatePolicy", "c"), ("GatePolicy", "b")]
    for order in (documents, documents[::-1]):
        assert [(p.kind, p.name) for p in policies(*order).policies] == expected


def test_the_hash_is_of_what_the_policy_says() -> None:
    rules = [{"image": {"registries": ["ghcr.io"]}}]
    same = f"{HEAD}# a comment\n  rules:\n  - image:\n      registries: ['ghcr.io']\n  signers: {json.dumps(SIGNERS)}\n"
    (mine,) = policies(policy(rules)).policies
    (other,) = parsed(same).set.policies
    assert mine.hash.startswith("sha256:")
    assert mine.hash == other.hash
    changes = [
        policy(rules, mode="warn"),
        policy(rules, name="q"),
        policy(rules, namespace="n"),
        policy(rules, match={"images": ["**"]}),
        policy([{"image": {"registries": ["quay.io"]}}]),
    ]
    hashes = {mine.hash, *(policies(change).policies[0].hash for change in changes)}
    assert len(hashes) == 1 + len(changes)


def test_the_hash_is_of_the_key_that_was_read() -> None:
    text = f"{HEAD}  signers: {{a: {{key: {{file: k}}}}}}\n{DENY}"
    mine = parsed(text, lambda _document, _name, _limit: alice().pem).set.policies[0]
    other = parsed(text, lambda _document, _name, _limit: bob().pem).set.policies[0]
    assert mine.hash != other.hash


@pytest.mark.parametrize("depth", [6, 40, 90])
@pytest.mark.parametrize(("left", "right"), [("[", "]"), ("{all: [", "]}"), ("{atLeast: 1, of: [", "]}")])
def test_an_expression_of_any_depth_is_only_an_error(left: str, right: str, depth: int) -> None:
    depth = depth // len(left.split("["))
    found = list(read_documents(by(left * depth + "a" + right * depth), "p.yaml"))
    documents = [d for d in found if isinstance(d, Document)]
    wrong = parse_set(documents, None).errors
    assert len(wrong) + len(found) - len(documents) == (1 if depth > 4 else 0)


ROLLOUTS = (
    "---\napiVersion: imagegate.dev/v1\nkind: GateConfig\nmetadata: {name: default}\n"
    "spec: {customResources: [{group: argoproj.io, kind: Rollout, images: [spec.a]}]}\n"
)


def of_kinds(*kinds: str) -> str:
    return f"{HEAD}  match: {{kinds: [{', '.join(kinds)}]}}\n{DENY}"


def test_kinds_that_a_config_declares_are_matched() -> None:
    found = parsed(of_kinds("Rollout", "Job") + ROLLOUTS)
    assert found.problems == ()
    assert found.set.policies[0].match.kinds == ("Rollout", "Job")


@pytest.mark.parametrize("kind", ["JobSet", "Deploy", "ReplicationSet", "Deploymnet", "Statefulset", "Pods"])
def test_a_kind_that_nobody_declares_is_an_error_whatever_it_is_like(kind: str) -> None:
    (problem,) = parsed(of_kinds("Rollout", kind) + ROLLOUTS).problems
    assert (problem.check, problem.warning) == (Check.UNDECLARED_KIND, False)
    assert problem.message == (
        f"{kind} is no kind of Kubernetes' own that runs images, and no GateConfig here declares it"
    )
    assert "declare it in GateConfig.customResources; known are Pod, " in problem.remedy
    assert problem.remedy.endswith(", Rollout")


@pytest.mark.parametrize(
    ("kind", "meant"), [("Deploy", "Deployment"), ("Statefulset", "StatefulSet"), ("Rolout", "Rollout"), ("JobSet", "")]
)
def test_a_kind_that_is_nearly_another_is_likely_misspelt(kind: str, meant: str) -> None:
    (problem,) = parsed(of_kinds(kind) + ROLLOUTS).problems
    assert problem.remedy.startswith(f"did you mean {meant}? Else declare" if meant else "declare")


def test_a_config_that_is_not_whole_declares_what_it_names() -> None:
    for wrong in (", moode: x", ", limits: {attestationBytes: 257MiB}"):
        config = ROLLOUTS.replace("]}\n", f"]{wrong}}}\n")
        found = [problem.check for problem in parsed(of_kinds("Rollout", "Deploy") + config).problems]
        assert sorted(set(found) - {Check.UNKNOWN_FIELD, Check.LIMIT}) == [Check.UNDECLARED_KIND]
        assert len(found) == 2


def test_a_kind_that_nobody_declares_is_said_beside_a_wrong_shape() -> None:
    found = parsed(of_kinds("Deploy").replace("match:", "mood: x\n  match:")).problems
    assert {problem.check for problem in found} == {Check.UNKNOWN_FIELD, Check.UNDECLARED_KIND}
