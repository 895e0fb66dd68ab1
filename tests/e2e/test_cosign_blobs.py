"""Our verdict on files and their bundles beside cosign's own. The rows are in blob_matrix.py."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.e2e import matrix, questions
from tests.e2e.blob_matrix import (
    BLOB_DIFFERENCES,
    BLOB_ROWS,
    BLOCKS,
    CONTENT,
    FILE,
    OTHER,
    SUBJECTS,
    BlobRow,
    BlobSigning,
    documented,
)
from tests.e2e.conftest import Keys
from tests.e2e.differences import DIFFERENCES
from tests.e2e.questions import NOT_ASKED, SIGNED_BY_KEY, answers, equip
from tests.e2e.registries import Process, Repository
from tests.e2e.tables import DOCUMENT, blocks

if TYPE_CHECKING:
    from tests.e2e.commands import KeyType, Shell

pytestmark = pytest.mark.e2e

# `cosign sign-blob` and `attest-blob` know no registries.
OFFLINE = ("-y", "--tlog-upload=false", "--use-signing-config=false")


@dataclass
class Signed:
    """Bundles as files of one home, each made when it is first asked for.

    Attributes:
        shell: of that home.
        images: where those are that are signed as images.
    """

    shell: Shell
    images: Repository
    _made: dict[BlobSigning, tuple[str, str]] = field(default_factory=dict)

    def of(self, signing: BlobSigning) -> tuple[str, str]:
        """The bundle and the file that it is about."""
        if signing not in self._made:
            bundle = f"{len(self._made)}.sigstore.json"
            self._made[signing] = bundle, self._image(signing, bundle) if signing.image else self._file(signing, bundle)
        return self._made[signing]

    def digest(self, file: str) -> str:
        return hashlib.sha256((self.shell.home / file).read_bytes()).hexdigest()

    def _file(self, signing: BlobSigning, bundle: str) -> str:
        flags = (*OFFLINE, *signing.flags, "--bundle", bundle)
        if not signing.type_:
            old = ["--new-bundle-format=false"] if signing.old else []
            done = self.shell.cosign("sign-blob", *flags, *old, FILE)
        elif signing.subjects:
            statement = self._statement(signing)
            done = self.shell.cosign("attest-blob", *flags, "--type", signing.type_, "--statement", statement)
        else:
            what = ("--type", signing.type_, "--predicate", f"{signing.type_}.json")
            done = self.shell.cosign("attest-blob", *flags, *what, FILE)
        assert done.code == 0, done.text
        return FILE

    def _statement(self, signing: BlobSigning) -> str:
        statement = {
            "_type": "https://in-toto.io/Statement/v1",
            "predicateType": "https://spdx.dev/Document",
            "subject": [{"name": FILE, "digest": digests} for digests in SUBJECTS[signing.subjects]],
            "predicate": questions.PREDICATES[signing.type_],
        }
        name = f"{len(self._made)}.statement.json"
        (self.shell.home / name).write_text(json.dumps(statement))
        return name

    def _image(self, signing: BlobSigning, bundle: str) -> str:
        digest = self.images.image(None, f"{signing}")
        image = self.images.at(digest)
        if signing.type_:
            self.shell.attest_as(image, signing.form, signing.type_, f"{signing.type_}.json", *signing.flags)
        else:
            self.shell.sign_as(image, signing.form, *signing.flags)
        (entry,) = self._manifest(digest.tag)["manifests"]
        (layer,) = self._manifest(entry["digest"])["layers"]
        status, _, content = self.images._ask("GET", f"{self.images._base}/blobs/{layer['digest']}")
        assert status == 200, content
        (self.shell.home / bundle).write_bytes(content)
        manifest = self.images.content(digest)
        assert manifest is not None
        (self.shell.home / f"{bundle}.manifest").write_bytes(manifest)
        return f"{bundle}.manifest"

    def _manifest(self, target: str) -> dict[str, list[dict[str, str]]]:
        content = self.images.content(target)
        assert content is not None
        value: dict[str, list[dict[str, str]]] = json.loads(content)
        return value


@pytest.fixture(scope="module")
def signed(shell: Shell, plain: Process, tmp_path_factory: pytest.TempPathFactory) -> Signed:
    home = shell.elsewhere(tmp_path_factory.mktemp("blobs"))
    equip(home, Keys(home))
    for name, content in CONTENT.items():
        (home.home / name).write_bytes(content)
    return Signed(home, Repository(plain.host, "acme/blobs"))


@pytest.fixture(scope="session")
def text() -> str:
    return DOCUMENT.read_text()


def _cosign(signed: Signed, row: BlobRow, type_: str) -> bool:
    bundle, file = signed.of(row.signing)
    file = OTHER if row.check.moved else file
    digest = signed.digest(file)
    if type_:
        blob = ["--digest", digest, "--digestAlg", "sha256"] if row.check.by_digest else [file]
        command = ["verify-blob-attestation", "--type", type_, *blob]
    else:
        command = ["verify-blob", f"sha256:{digest}" if row.check.by_digest else file]
    done = signed.shell.cosign(*command, "--bundle", bundle, *row.check.flags, *row.check.cosign)
    assert not any(words in done.err for words in NOT_ASKED), done.text
    return done.code == 0


def _gate(signed: Signed, row: BlobRow, type_: str) -> str:
    """Why it refuses; "" where it accepts."""
    bundle, file = signed.of(row.signing)
    file = OTHER if row.check.moved else file
    digest = f"sha256:{signed.digest(file)}"
    wanted = ["--type", type_] if type_ else []
    flags = ["--bundle", bundle, *row.check.flags, *row.check.gate, *wanted, "--output", "json"]
    done = signed.shell.gate("verify-blob", digest if row.check.by_digest else file, *flags)
    assert done.code in (0, 1), done.text
    assert done.json["verdict"] == ("deny" if done.code else "allow"), done.text
    assert done.json["digest"] == digest
    codes = [finding["code"] for finding in done.json["findings"]]
    assert bool(codes) is (done.code == 1), done.text
    return "+".join(codes)


def _name(row: BlobRow) -> tuple[str, ...]:
    """What no two rows share: all of them are stored as bundles."""
    return row.name[:3]


@pytest.mark.parametrize("row", BLOB_ROWS, ids=lambda row: "-".join(_name(row)))
def test_both_verdicts_are_what_the_document_says(signed: Signed, text: str, row: BlobRow) -> None:
    type_ = row.signing.type_ if row.check.type_ is None else row.check.type_
    signed.of(row.signing)
    with ThreadPoolExecutor() as pool:
        theirs, ours = pool.submit(_cosign, signed, row, type_), pool.submit(_gate, signed, row, type_)
        cosign, code = theirs.result(), ours.result()
    if row.difference:
        expected = row.known[row.difference]
        assert (cosign, not code) == (expected.cosign, expected.gate)
    else:
        assert cosign is not bool(code), f"cosign {'accepts' if cosign else 'refuses'}, the gate: {code or 'accepts'}"
    assert answers(cosign, code) == documented(text)[_name(row)]


def test_the_document_has_these_rows_and_no_others(text: str) -> None:
    assert [name for name, times in Counter(map(_name, BLOB_ROWS)).items() if times > 1] == []
    assert documented(text) == {_name(row): row.answers for row in BLOB_ROWS}


@pytest.mark.parametrize("name", BLOCKS)
def test_the_tables_are_as_the_tests_have_them(text: str, name: str) -> None:
    """`python -m tests.e2e.matrix` writes them."""
    assert blocks(text)[name] == BLOCKS[name]()


def test_no_table_of_the_document_is_of_neither_matrix(text: str) -> None:
    assert set(blocks(text)) == set(matrix.BLOCKS) | set(BLOCKS)


def test_each_difference_is_one_and_is_measured() -> None:
    named = {row.difference for row in BLOB_ROWS} - {""}
    assert set(BLOB_DIFFERENCES) <= named <= set(BlobRow.known)
    assert not set(BLOB_DIFFERENCES) & set(DIFFERENCES)
    assert all(it.cosign is not it.gate for it in BLOB_DIFFERENCES.values())
    assert all(bool(row.code) is not row.known[row.difference].gate for row in BLOB_ROWS if row.difference)


@pytest.mark.parametrize("kind", SIGNED_BY_KEY, ids=lambda kind: kind.name)
def test_each_kind_of_key_is_accepted_and_refused(kind: KeyType) -> None:
    verdicts = {not row.code for row in BLOB_ROWS if row.signing.signer == f"key {kind.value}"}
    assert verdicts == {True, False}
