"""`GateTest`s from files and folders, each with the policies, layouts and trust roots that it names."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gate.authoring.cases import question
from gate.errors import ParseError, UsageError
from gate.feeds.folder import FilesBeside, content_of, documents_of, load_policies, not_text, policy_files
from gate.image.reference import Reference
from gate.policy.reading.checks import Check
from gate.policy.reading.problems import Problem
from gate.policy.reading.schema.kinds import TEST_KIND
from gate.policy.reading.sets import kind_of
from gate.policy.reading.tests import check_references, parse_test
from gate.registry.layout import RECORDED, Layout
from gate.review.kinds import kinds_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TypeAlias

    from gate.authoring.cases import Question
    from gate.deadline import Deadline
    from gate.documents import Document
    from gate.image.reference import Repository
    from gate.policy.config import Config
    from gate.policy.policy_set import PolicySet
    from gate.policy.reading.tests import GateTest, KeptEvidence

    Upstream: TypeAlias = Callable[[Repository], Repository]


@dataclass(frozen=True, slots=True)
class PreparedTest:
    """A test that can be run.

    Attributes:
        policies: under test.
        layouts: what answers for its repositories, by the names that they are judged by, and as they are written.
        questions: its cases.
    """

    test: GateTest
    policies: PolicySet
    layouts: Mapping[Repository, Layout] = field(hash=False)
    questions: tuple[Question, ...]


@dataclass(slots=True)
class FoundTests:
    """What paths hold of tests.

    Attributes:
        documents: `GateTest` documents.
        problems: of the files that they stand in.
        files: that were looked at.
    """

    documents: list[Document] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


@dataclass(slots=True)
class PreparedTests:
    """Tests and everything wrong with them.

    Attributes:
        tests: those that are whole; to be run only where there are no errors.
        problems: of the tests, and what their authors should know.
        policy_problems: errors of policies under test, each once.
        read: files and folders that were read, or looked for.
        texts: of the files with policies under test, by their names.
    """

    tests: list[PreparedTest] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    policy_problems: dict[Problem, None] = field(default_factory=dict)
    read: set[Path] = field(default_factory=set)
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Those with which nothing is judged."""
        return (*(problem for problem in self.problems if not problem.warning), *self.policy_problems)


def find_tests(paths: Iterable[Path], deadline: Deadline | None = None) -> FoundTests:
    """The `GateTest` documents of files and folders.

    A file that does not say `GateTest` is not taken apart: beside tests lie templates and much else.

    Args:
        paths: files, or folders with everything in them (hidden names left out).
        deadline: of pipes; None: they are refused.

    Raises:
        UsageError: a path that cannot be read.
        EvidenceUnavailable: DEADLINE_EXCEEDED.
    """
    found = FoundTests()
    for file in dict.fromkeys(file for path in paths for file in policy_files(path)):
        found.files.append(file)
        content = content_of(file, deadline)
        if TEST_KIND.encode() not in content and not_text(content, str(file)) is None:
            continue
        for read in documents_of(content, str(file)):
            if isinstance(read, Problem):
                found.problems.append(read)
            elif kind_of(read, found.problems) == TEST_KIND:
                found.documents.append(read)
    return found


def _no_mirrors(_config: Config) -> Upstream:
    return lambda repository: repository


def prepare_tests(
    documents: Iterable[Document], upstream_of: Callable[[Config], Upstream] = _no_mirrors
) -> PreparedTests:
    """Read tests and all that they name. Whatever is wrong is in the result.

    Args:
        documents: `GateTest`s.
        upstream_of: under a `GateConfig`, the name that a repository is judged by: that of its origin.
    """
    loader = _Loader(upstream_of)
    for document in documents:
        loader.add(document)
    loader.found.read |= loader.beside.read
    return loader.found


class _Loader:
    """Prepares tests; what several of them name is read once."""

    def __init__(self, upstream_of: Callable[[Config], Upstream]) -> None:
        self.found = PreparedTests()
        self._upstream_of = upstream_of
        self.beside = FilesBeside()
        self._sets: dict[tuple[object, ...], PolicySet | None] = {}
        self._layouts: dict[Path, Layout] = {}
        self._names: set[tuple[str, str]] = set()

    def add(self, document: Document) -> None:
        before = len(self.found.errors)
        test = parse_test(document, self.found.problems, self.beside)
        if test is None:
            return
        if (document.file, test.name) in self._names:
            self._note(
                Check.DUPLICATE_DOCUMENT,
                test,
                ("metadata", "name"),
                f"a GateTest {test.name} stands above",
                "rename one",
            )
        self._names.add((document.file, test.name))
        policies = self._policies(test)
        if policies is None:
            return
        check_references(test, policies, self.found.problems)
        layouts = self._evidence(test, self._upstream_of(policies.config))
        kinds = kinds_of(policies.config.custom_resources)
        questions = []
        for case in test.cases:
            asked, errors = question(document, case, kinds)
            questions.append(asked)
            for error in errors:
                place = error.place or case.place
                self.found.problems.append(Problem(Check.TEST_MANIFEST, place, error.message, error.remedy))
        if len(self.found.errors) == before:
            self.found.tests.append(PreparedTest(test, policies, layouts, tuple(questions)))

    def _policies(self, test: GateTest) -> PolicySet | None:
        """The set under test; None, with the problems noted, where it is not valid."""
        folder = Path(test.document.file).parent
        paths = tuple(dict.fromkeys(folder / name for name in test.policies)) or (folder,)
        key = (paths, tuple(test.trust_roots.items()))
        if key in self._sets:
            return self._sets[key]
        self._sets[key] = None
        self.found.read.update(paths)  # whoever waits for what is missing looks there
        try:
            read = load_policies(paths, may_be_empty=True, stand_ins=test.trust_roots)
        except UsageError as error:
            self._note(Check.TEST_POLICIES, test, ("spec", "policies"), error.message, error.remedy)
            return None
        self.found.read |= read.read
        self.found.texts.update(read.texts)
        self.found.policy_problems.update(dict.fromkeys(read.parsed.errors))
        if not read.parsed.set.policies and not read.parsed.errors:
            where = ", ".join(map(str, paths))
            said = f"there is no policy in {where}"
            self._note(Check.TEST_POLICIES, test, ("spec", "policies"), said, "name what is tested")
        elif not read.parsed.errors:
            self._sets[key] = read.parsed.set
        return self._sets[key]

    def _evidence(self, test: GateTest, upstream: Upstream) -> dict[Repository, Layout]:
        """The layouts of a test by the names that their repositories are judged by, each only once."""
        found: dict[Repository, Layout] = {}
        entries: dict[Repository, KeptEvidence] = {}
        for kept in test.evidence:
            name = upstream(kept.repository)
            if (first := entries.setdefault(name, kept)) is not kept:
                said = f"{kept.repository} and {first.repository} are both judged as {name}"
                remedy = "one layout answers for a repository and its mirrors"
                self._note(Check.DUPLICATE_IN_TEST, test, (*kept.path, "repository"), said, remedy)
            elif (layout := self._layout(test, kept)) is not None:
                found[name] = found[kept.repository] = layout  # where signatures are kept is asked for as it is written
                self._check_origin(test, kept, layout, upstream)
        return found

    def _check_origin(self, test: GateTest, kept: KeptEvidence, layout: Layout, upstream: Upstream) -> None:
        """Note where a layout was recorded of another repository: its tags and signatures are that one's."""
        recorded = layout.index.annotations.get(RECORDED)
        if recorded is None:
            return
        try:
            if upstream(Reference.parse(recorded).name) == upstream(kept.repository):
                return
        except ParseError:
            pass  # it names nothing, which is not this repository either
        said = f"the layout {kept.layout!r} was recorded of {recorded[:200]!r}, and answers here for {kept.repository}"
        remedy = f"name one of {kept.repository}: gate policy test --record REF --into DIR makes it"
        self._note(Check.LAYOUT_OF_ANOTHER, test, (*kept.path, "layout"), said, remedy)

    def _layout(self, test: GateTest, kept: KeptEvidence) -> Layout | None:
        folder = Path(test.document.file).parent / kept.layout
        self.found.read.add(folder)
        if folder not in self._layouts:
            try:
                self._layouts[folder] = Layout.open(folder)
            except UsageError as error:
                self._note(Check.TEST_LAYOUT, test, (*kept.path, "layout"), error.message, error.remedy)
        return self._layouts.get(folder)

    def _note(self, check: Check, test: GateTest, path: tuple[str | int, ...], message: str, remedy: str) -> None:
        self.found.problems.append(Problem(check, test.document.place(path), message, remedy))
