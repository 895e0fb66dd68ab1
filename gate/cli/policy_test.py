"""`gate policy test`: what policies say of images, compared with what their authors expect, offline."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gate.authoring.cases import GateTestResult, compare
from gate.authoring.coverage import Coverage, coverage
from gate.cli.common import Exit, begin, common_flags, deliver, one_line, say, settings_of
from gate.cli.render import tests_json, tests_junit
from gate.cli.render.tests_text import TestsText
from gate.cli.signers import kept_flags
from gate.errors import GateError, UsageError
from gate.feeds.policy_tests import find_tests, prepare_tests
from gate.policy.plan import Stage
from gate.settings import hermetic, wants_color, with_config
from gate.wiring import build

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gate.deadline import Deadline
    from gate.feeds.policy_tests import FoundTests, PreparedTest, PreparedTests
    from gate.image.reference import Repository
    from gate.policy.config import Config
    from gate.settings import Settings

_FORMATS: Final = ("text", "json", "junit")


@click.command("test")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--output", "-o", type=click.Choice(_FORMATS), default="text", show_default=True, help="What to print.")
@click.option("--output-file", metavar="F", help="Write it to a file instead.")
@click.option("--filter", "filter_", metavar="TEXT", help="Only cases whose name has this in it.")
@click.option(
    "--coverage/--no-coverage",
    default=None,
    help="Which rules were seen passing and failing, which exceptions used and refused; by default without --filter.",
)
@click.option("--require-coverage", is_flag=True, help="Exit code 1 where one was not.")
@click.option("--watch", is_flag=True, help="Test again whenever a file changes, until Ctrl-C.")
@click.option("--record", metavar="REF", help="Instead: keep what a registry has of an image for tests …")
@click.option("--into", metavar="DIR", help="… in this OCI layout, and print the `evidence` that names it.")
@kept_flags
@common_flags("60s")
def command(paths: tuple[str, ...], **flags: Any) -> None:
    """Run the GateTests of PATH: files or folders, by default the working folder. No network is used.

    Each case is judged as `gate check` judges, at its test's own instant, with what its OCI layouts hold. Exit code 1
    when something is not as expected, 2 when a test or a policy is not valid: then nothing is judged.

    \b
    Examples:
      gate policy test policies/
      gate policy test policies/ --require-coverage --output junit > report.xml
      gate policy test --record ghcr.io/acme/api:v1 --into policies/evidence/api
    """
    if (flags["record"] is None) != (flags["into"] is None):
        raise UsageError("--record REF and --into DIR belong together", remedy="give both, or none")
    if flags["record"] is not None:
        from gate.cli.policy_record import record

        record(flags["record"], paths, flags)
        return
    if flags["signature_repository"] or flags["attachment_tag_prefix"]:
        raise UsageError(
            "--signature-repository and --attachment-tag-prefix go with --record", remedy="policies say where to look"
        )
    if flags["require_coverage"] and (flags["filter_"] or flags["coverage"] is False):
        raise UsageError("--require-coverage asks about all cases", remedy="leave out --filter and --no-coverage")
    if "" in paths:
        raise UsageError("an empty PATH", remedy="name files or folders")
    run = _Run(tuple(map(Path, paths)) or (Path(),), settings_of(flags), flags)
    if flags["watch"]:
        from gate.cli.watching import watch

        written = flags["output_file"]
        watch(run.watched, run.paths, but=Path(written) if written else None)
    sys.exit(run.once())


@dataclass(frozen=True, slots=True)
class _Run:
    """What the flags ask for."""

    paths: tuple[Path, ...]
    settings: Settings
    flags: dict[str, Any]

    def once(self) -> Exit:
        """Test.

        Raises:
            UsageError: there is nothing to test, or it is not valid: nothing is judged then.
            EvidenceUnavailable: DEADLINE_EXCEEDED: a PATH is a pipe that nobody wrote to.
        """
        deadline = begin(self.settings.timeout)
        found = find_tests(self.paths, deadline)
        return self._tested(found, prepare_tests(found.documents, self._upstream_of), deadline)

    def watched(self) -> frozenset[Path]:
        """The same, whatever is wrong being said; the files and folders that it depends on."""
        settings = self.settings
        involved = {*self.paths, *settings.layouts.values()}
        if settings.trusted_root is not None:
            involved.add(settings.trusted_root)
        try:
            found = find_tests(self.paths)
            tests = prepare_tests(found.documents, self._upstream_of)
            involved |= tests.read
            self._tested(found, tests, begin(self.settings.timeout))
        except GateError as error:
            say(f"gate: {error}")
        return frozenset(involved)

    def _upstream_of(self, config: Config) -> Callable[[Repository], Repository]:
        return with_config(self.settings, config).hosts.upstream

    def _tested(self, found: FoundTests, tests: PreparedTests, deadline: Deadline) -> Exit:
        self._check(found, tests)
        chosen = [one for test in tests.tests if (one := self._chosen(test)).questions]
        if not chosen:
            raise UsageError(
                f"no case has {self.flags['filter_']!r} in its name", remedy="without --filter all are shown"
            )
        notes: dict[str, None] = {}
        results = [_judged(test, self.settings, deadline, notes) for test in chosen]
        for note in notes:
            say(f"gate: {note}")
        seen = coverage(results)
        self._write(results, seen)
        failed = any(result.failed for result in results)
        wanting = self.flags["require_coverage"] and not seen.complete
        if wanting:
            say("gate: not every rule and exception was seen both ways (--require-coverage)")
        return Exit.DENIED if failed or wanting else Exit.PASS

    def _check(self, found: FoundTests, tests: PreparedTests) -> None:
        """Say what is wrong, and whether anything can be judged.

        Raises:
            UsageError: nothing can.
        """
        problems = dict.fromkeys((*found.problems, *tests.problems, *tests.policy_problems))
        for problem in problems:
            say(one_line(str(problem)))
        errors = sum(not problem.warning for problem in problems)
        if errors:
            raise UsageError(f"{errors} problem{'s' if errors > 1 else ''}: nothing was tested")
        if not tests.tests:
            where = ", ".join(map(str, self.paths))
            raise UsageError(f"no GateTest in {where}", remedy="docs/policy-testing.md shows how to write one")

    def _chosen(self, test: PreparedTest) -> PreparedTest:
        wanted = self.flags["filter_"] or ""
        return replace(test, questions=tuple(one for one in test.questions if wanted in one.case.name))

    def _write(self, results: Sequence[GateTestResult], seen: Coverage) -> None:
        asked = self.flags["coverage"]
        shown = seen if (not self.flags["filter_"] if asked is None else asked) else None
        file = self.flags["output_file"]
        match self.flags["output"]:
            case "json":
                text = tests_json.render(results, shown)
            case "junit":
                text = tests_junit.render(results, seen if self.flags["require_coverage"] else None)
            case _:
                color = file is None and wants_color(terminal=sys.stdout is not None and sys.stdout.isatty())
                text = TestsText(color).render(results, shown)
        deliver(text, file)


def _judged(test: PreparedTest, settings: Settings, deadline: Deadline, notes: dict[str, None]) -> GateTestResult:
    """What a test's cases come to, in a gate of its own: nothing is left over from another's evidence or roots."""
    own = hermetic(with_config(settings, test.policies.config))
    at = settings.at or test.test.at
    own = replace(own, at=at)
    gate = build(own, test.layouts)
    try:
        subjects = [subject for question in test.questions for subject in question.subjects]
        reviews = iter(gate.reviewer.review(test.policies, subjects, Stage.CHECK, deadline))
        cases = [compare(one.case, [next(reviews) for _ in one.subjects]) for one in test.questions]
    finally:
        gate.close()
    notes.update(gate.roots.notes)
    return GateTestResult(test.test, test.policies, at, tuple(cases))
