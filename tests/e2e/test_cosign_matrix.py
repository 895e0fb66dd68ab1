"""Our verdict beside cosign's own, over all that cosign can sign without a network. The rows are in matrix.py."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.e2e.commands import Format, KeyType, Shell
from tests.e2e.differences import DIFFERENCES
from tests.e2e.matrix import BLOCKS, ROWS, documented
from tests.e2e.questions import NOT_ASKED, SIGNED_BY_KEY, Check, Row, Signing, answers, equip
from tests.e2e.registries import Process, Repository
from tests.e2e.tables import DOCUMENT, blocks

if TYPE_CHECKING:
    from gate.image.digest import Digest
    from tests.e2e.conftest import Keys

pytestmark = pytest.mark.e2e


@dataclass
class Signed:
    """Images of one repository, each signed when it is first asked for."""

    shell: Shell
    repository: Repository
    _made: dict[Signing, Digest] = field(default_factory=dict)
    _moved: dict[Signing, Digest] = field(default_factory=dict)

    def of(self, signing: Signing) -> Digest:
        if signing not in self._made:
            self._made[signing] = self._image(f"{signing}")
            self._sign(signing, self._made[signing])
        return self._made[signing]

    def moved(self, signing: Signing) -> Digest:
        """Another image, with the evidence of that one."""
        if signing not in self._moved:
            other = self._moved[signing] = self._image(f"not {signing}")
            attach_elsewhere(self.repository, self.of(signing), other, signing)
        return self._moved[signing]

    def _image(self, content: str) -> Digest:
        return self.repository.image(None, content)

    def _sign(self, signing: Signing, digest: Digest) -> None:
        if signing.beside is not None:
            self._sign(signing.beside, digest)
        if not signing.flags:
            return
        image = self.repository.at(digest)
        if signing.type_:
            self.shell.attest_as(image, signing.form, signing.type_, f"{signing.type_}.json", *signing.flags)
        else:
            self.shell.sign_as(image, signing.form, *signing.flags)


def attach_elsewhere(repository: Repository, signed: Digest, other: Digest, signing: Signing) -> None:
    """As anybody does who may write to the repository: the same signed bytes, under another image."""
    if signing.form is Format.LEGACY:
        suffix = "att" if signing.type_ else "sig"
        repository.manifest(_document(repository, f"{signed.tag}.{suffix}"), f"{other.tag}.{suffix}")
        return
    listed = repository.content(signed.tag)
    index = json.loads(listed) if listed is not None else None
    (referrer,) = [entry["digest"] for entry in index["manifests"]] if index else repository.referrers(signed)
    document = _document(repository, str(referrer))
    about = repository.described(other)
    document["subject"] |= {"digest": str(about.digest), "size": about.size}
    entry = repository.manifest(document)
    if index:
        index["manifests"][0] |= {"digest": str(entry.digest), "size": entry.size}
        repository.manifest(index, other.tag)


def _document(repository: Repository, target: str) -> dict[str, dict[str, object]]:
    content = repository.content(target)
    assert content is not None
    value: dict[str, dict[str, object]] = json.loads(content)
    return value


@pytest.fixture(scope="session")
def equipped(shell: Shell, keys: Keys) -> Shell:
    """The home with all the files that the rows name."""
    equip(shell, keys)
    return shell


@pytest.fixture(scope="session")
def registries(plain: Process, modern: Process, equipped: Shell) -> list[Signed]:
    """One repository in each."""
    return [Signed(equipped, Repository(process.host, "acme/matrix")) for process in (plain, modern)]


@pytest.fixture(scope="session")
def text() -> str:
    return DOCUMENT.read_text()


def _cosign(shell: Shell, image: str, row: Row, type_: str) -> bool:
    check = row.check
    done = shell.cosign_verify_as(image, check.form or row.signing.form, *check.flags, *check.cosign, type_=type_)
    assert not any(words in done.err for words in NOT_ASKED), done.text
    return done.code == 0


def _gate(shell: Shell, image: str, check: Check, type_: str) -> str:
    """Why it refuses; "" where it accepts."""
    wanted = ["--type", type_] if type_ else []
    insecure = ["--insecure-registry", image.partition("/")[0]]
    done = shell.gate("verify", image, *check.flags, *check.gate, *wanted, *insecure, "--output", "json")
    assert done.code in (0, 1), done.text
    assert done.json["verdict"] == ("deny" if done.code else "allow"), done.text
    codes = [finding["code"] for finding in done.json["findings"]]
    assert bool(codes) is (done.code == 1), done.text
    return "+".join(codes)


def _name(row: Row) -> str:
    return "-".join(row.name)


def _measure(signed: Signed, row: Row) -> tuple[bool, str]:
    """Whether cosign accepts, and why the gate refuses."""
    digest = signed.moved(row.signing) if row.check.moved else signed.of(row.signing)
    type_ = row.signing.type_ if row.check.type_ is None else row.check.type_
    image = signed.repository.at(digest)
    return _cosign(signed.shell, image, row, type_), _gate(signed.shell, image, row.check, type_)


@pytest.mark.parametrize("row", ROWS, ids=_name)
def test_both_verdicts_are_what_the_document_says(registries: list[Signed], text: str, row: Row) -> None:
    with ThreadPoolExecutor() as pool:
        without_api, with_api = pool.map(_measure, registries, [row] * len(registries))
    assert without_api == with_api, "by the registry without and with the referrers API"
    cosign, code = with_api
    if row.difference:
        expected = DIFFERENCES[row.difference]
        assert (cosign, not code) == (expected.cosign, expected.gate)
    else:
        assert cosign is not bool(code), f"cosign {'accepts' if cosign else 'refuses'}, the gate: {code or 'accepts'}"
    assert answers(cosign, code) == documented(text)[row.name]


def test_the_document_has_these_rows_and_no_others(text: str) -> None:
    assert [name for name, times in Counter(row.name for row in ROWS).items() if times > 1] == []
    assert documented(text) == {row.name: row.answers for row in ROWS}


@pytest.mark.parametrize("name", BLOCKS)
def test_the_tables_are_as_the_tests_have_them(text: str, name: str) -> None:
    """`python -m tests.e2e.matrix` writes them."""
    assert blocks(text)[name] == BLOCKS[name]()


def test_each_difference_is_one_and_is_measured() -> None:
    assert {row.difference for row in ROWS} - {""} == set(DIFFERENCES)
    assert all(it.cosign is not it.gate for it in DIFFERENCES.values())
    assert all(bool(row.code) is not DIFFERENCES[row.difference].gate for row in ROWS if row.difference)


@pytest.mark.parametrize("kind", SIGNED_BY_KEY, ids=lambda kind: kind.name)
def test_each_kind_of_key_is_accepted_and_refused(kind: KeyType) -> None:
    verdicts = {(row.signing.form, not row.code) for row in ROWS if row.signing.signer == f"key {kind.value}"}
    assert verdicts == {(form, accepted) for form in Format for accepted in (True, False)}
