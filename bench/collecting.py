"""`python -m bench.collecting`: what an image costs that was never seen, in requests, in waves and in time of our own.

The registry answers late (bench.delayed), so that what waits for what can be counted. Cold is: the image is new to this
process; the connection and the token are not, for an image of the same repository was judged before.
Every verdict has to be "allow": a bench of failures measures nothing.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from bench import stored
from bench.delayed import DelayedRegistry, blobs_fetched_twice, chain, kinds, waves
from bench.rows import Row, table
from gate.cli import serve
from gate.deadline import Deadline
from gate.demo.images import LayoutWriter
from gate.demo.scenario import policy
from gate.demo.signing import SigningKey
from gate.feeds.folder import require
from gate.policy.matching import Workload
from gate.policy.plan import Stage
from gate.registry.guard.hosts import Hosts
from gate.review.review import Subject
from gate.settings import Settings
from gate.wiring import build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.delayed import Exchange
    from gate.demo.images import Writer
    from gate.review.review import ImageReview
    from tests.e2e.registries import Process

ROOT = Path(__file__).parent.parent
DELAY = 0.02
SECONDS = 10.0
COLD_TIMES, POD_TIMES, HERD_TIMES, REAL_TIMES = 15, 7, 5, 21
POD, HERD, REAL, WARM = 20, 200, 3, 1000
BAR_WAVES, BAR_WAVES_PINNED, BAR_REQUESTS = 3, 2, 6
BAR_OWN, BAR_POD, BAR_REAL, BAR_HERD, BAR_MEMORY = 10.0, 1.5, 12.0, 300.0, 120.0


class Signed(Enum):
    """How an image is signed by a key; the values are words for it."""

    LEGACY = "key-signed, legacy"
    """As `cosign sign` of version 2 does: a payload that whoever knows the image can tell."""

    ANNOTATED = "key-signed, legacy, annotated"
    """With `-a`: a payload that has to be read."""

    BUNDLE = "key-signed bundle"
    """As version 3 does: the format needs one wave more, for a list names a manifest that names the bundle."""


@dataclass(frozen=True, slots=True)
class Image:
    """One image by its tag, and by its tag and digest."""

    tagged: str
    pinned: str


class Stock:
    """Signed images in a registry, each of its own content."""

    def __init__(self, host: str, writer: Callable[[str], Writer], folder: Path) -> None:
        """`writer` writes the repository of a path; a policy that wants the key's signature goes into `folder`."""
        self.host = host
        self.key = SigningKey.generate()
        self.policy = folder / "policy.yaml"
        self.policy.write_text(policy(host, self.key), encoding="utf-8")
        self._writer = writer

    def image(self, path: str, tag: str, signed: Signed, key: SigningKey | None = None) -> Image:
        """`key`: another than the one that the policy wants."""
        name = f"{self.host}/{path}"
        writer = self._writer(path)
        digest = writer.image(tag, f"{path} {tag}")
        if signed is Signed.BUNDLE:
            writer.sign_bundle(digest, key or self.key)
        else:
            annotations = {"build": f"{path} {tag}"} if signed is Signed.ANNOTATED else None
            writer.sign_legacy(digest, key or self.key, name, annotations)
        return Image(f"{name}:{tag}", f"{name}:{tag}@{digest}")


@dataclass(frozen=True, slots=True)
class Took:
    """Milliseconds, and those of them that this process computed (all its threads)."""

    elapsed: float
    cpu: float


class Judge:
    """A gate as `gate serve` has one in a worker. Use as a context manager."""

    def __init__(self, host: str, policies: Path) -> None:
        self._gate = build(_settings(host))
        self._policies = require([policies]).set

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._gate.close()

    def judge(self, images: Sequence[str]) -> Took:
        """Review a Pod of these images; it has to be allowed. By tag as `gate check` does, for `/validate` wants digests."""
        cpu, started = time.process_time(), time.perf_counter()
        reviews = self._reviewed(images)
        took = Took((time.perf_counter() - started) * 1000, (time.process_time() - cpu) * 1000)
        for review in reviews:
            if review.decision.verdict.value != "allow":
                raise SystemExit(f"{review.subject.text} was not allowed, nothing was measured: {review.decision}")
        assert len(reviews) == len(images)
        return took

    def refuses(self, image: str) -> None:
        """An image that somebody else signed: or what is allowed here would mean nothing."""
        (review,) = self._reviewed([image])
        if review.decision.verdict.value != "deny":
            raise SystemExit(f"{image} was not denied, nothing was measured: {review.decision}")

    def _reviewed(self, images: Sequence[str]) -> Sequence[ImageReview]:
        stage = Stage.VALIDATE if all("@" in image for image in images) else Stage.CHECK
        subjects = [Subject(image, Workload("Pod", "shop", None, "default")) for image in images]
        deadline = Deadline.after(SECONDS, time.monotonic)
        return self._gate.reviewer.review(self._policies, subjects, stage, deadline)


def _settings(host: str) -> Settings:
    """As `gate serve` makes them of its default flags."""
    settings = Settings(Hosts(insecure=frozenset({host})))
    return replace(settings, threads=max(serve.MAX_IMAGES, settings.jobs))


class Bench:
    """The late registry with everything that is asked of it, and what is measured there."""

    def __init__(self, registry: DelayedRegistry, folder: Path) -> None:
        self.registry = registry
        self.stock = Stock(registry.host, lambda path: LayoutWriter(folder / "registry" / path), folder)
        self.cold_images = {
            signed: self._repository(f"shop/{signed.name.lower()}", 2 * COLD_TIMES + 1, signed) for signed in Signed
        }
        stranger = SigningKey.generate()
        self.refused = {
            signed: self.stock.image(f"shop/{signed.name.lower()}", "strange", signed, stranger) for signed in Signed
        }
        self.pod_images = [self._repository(f"shop/pod{n}", POD_TIMES + 1) for n in range(POD)]
        self.alone = self._repository("shop/alone", POD_TIMES + 1)
        self.herd_images = self._repository("shop/herd", HERD_TIMES + 1, Signed.ANNOTATED)
        self.strange = [self._repository(f"shop/strange{n}", 1) for n in range(POD)]
        registry.load()

    def _repository(self, path: str, count: int, signed: Signed = Signed.LEGACY) -> list[Image]:
        return [self.stock.image(path, f"v{n}", signed) for n in range(count)]

    def _judge(self) -> Judge:
        return Judge(self.registry.host, self.stock.policy)

    def _seen(self, judge: Judge, images: Sequence[str]) -> tuple[Took, list[Exchange]]:
        self.registry.reset()
        return judge.judge(images), self.registry.log()

    def cold(self, signed: Signed) -> Iterator[Row]:
        """New images of a repository, one at a time, by tag and by digest in turn."""
        self.registry.set(delay=DELAY, tokens=True)
        warm, *fresh = self.cold_images[signed]
        seen: dict[bool, list[tuple[Took, list[Exchange]]]] = {False: [], True: []}
        with self._judge() as judge:
            judge.judge([warm.tagged])
            judge.refuses(self.refused[signed].pinned)
            for n, image in enumerate(fresh):
                pinned = n % 2 == 1
                seen[pinned].append(self._seen(judge, [image.pinned if pinned else image.tagged]))
        for pinned, found in seen.items():
            what = f"cold image, {signed.value}, {'pinned' if pinned else 'by tag'}"
            yield from _cold_rows(what, found, BAR_WAVES_PINNED if pinned else BAR_WAVES)

    def pod(self) -> Iterator[Row]:
        """A Pod of new images beside one new image, in turn; then one of repositories that no token is kept of."""
        self.registry.set(delay=DELAY, tokens=True)
        pods: list[tuple[Took, list[Exchange]]] = []
        alone: list[Took] = []
        with self._judge() as judge:
            judge.judge([self.alone[0].tagged])
            judge.judge([images[0].tagged for images in self.pod_images])
            for n in range(1, POD_TIMES + 1):
                alone.append(judge.judge([self.alone[n].tagged]))
                pods.append(self._seen(judge, [images[n].tagged for images in self.pod_images]))
            strange, log = self._seen(judge, [images[0].tagged for images in self.strange])
        what = f"Pod with {POD} new images by tag, beside one new image"
        elapsed, single = [took.elapsed for took, _ in pods], [took.elapsed for took in alone]
        best, median = min(elapsed) / min(single), statistics.median(elapsed) / statistics.median(single)
        note = f"{waves(pods[-1][1])} waves, {len(pods[-1][1])} requests"
        yield Row(what, best, median, "times", BAR_POD, note)
        yield Row.of("- the Pod", elapsed)
        yield Row.of("- one image", single)
        yield Row.of("- CPU of our process, the Pod", [took.cpu for took, _ in pods])
        note = f"{waves(log)} waves, {len(log)} requests"
        yield Row.of("- the Pod, of repositories whose tokens have to be asked for, once", [strange.elapsed], note=note)

    def herd(self) -> Iterator[Row]:
        """Everybody at once, for the same image that nobody has seen."""
        self.registry.set(delay=DELAY, tokens=True)
        took: list[float] = []
        logs: list[list[Exchange]] = []
        with self._judge() as judge:
            judge.judge([self.herd_images[0].tagged])
            for image in self.herd_images[1:]:
                self.registry.reset()
                took.append(_at_once(lambda text=image.tagged: judge.judge([text])))  # type: ignore[misc]
                logs.append(self.registry.log())
        what = f"{HERD} at once for one new image by tag"
        yield Row.count(f"{what}: resolutions", [kinds(log)["tag"] for log in logs], "", 1)
        assert all(kinds(log)["blob"] for log in logs), "there was no blob to fetch"
        twice = [len(blobs_fetched_twice(log)) for log in logs]
        yield Row.count("- blobs fetched more than once", twice, "", 0)
        yield Row.count("- requests", [len(log) for log in logs], "requests", BAR_REQUESTS)
        yield Row.of("- until all were answered", took, "ms", BAR_HERD)

    def memory(self, folder: Path) -> Iterator[Row]:
        """A process that has seen many images, a Pod of twenty at a time."""
        many = [image for n in range(WARM // 10) for image in self._repository(f"shop/many{n}", 10)]
        self.registry.load()
        self.registry.set(delay=0.0, tokens=True)
        listed = folder / "images.json"
        listed.write_text(json.dumps([image.tagged for image in many]))
        command = [sys.executable, "-m", "bench.collecting", self.registry.host, str(self.stock.policy), str(listed)]
        done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise SystemExit(f"the process of its own failed: {done.stderr[-2000:]}")
        found = json.loads(done.stdout)
        note = f"{found['peak']:.0f} MB at its peak, {found['before']:.0f} MB before the first"
        yield Row.of(f"memory, warm with {len(many):,} images", [found["rss"]], "MB", BAR_MEMORY, note)
        note = f"{found['cpu']:.1f} ms of it CPU"
        yield Row.of(f"- each of them, {POD} at a time, registry without delay", [found["each"]], note=note)


def _cold_rows(what: str, found: Sequence[tuple[Took, list[Exchange]]], most_waves: int) -> Iterator[Row]:
    yield Row.count(f"{what}: waves", [waves(log) for _, log in found], "waves", most_waves)
    asked = ", ".join(f"{kind} {n}" for kind, n in sorted(kinds(found[-1][1]).items()))
    yield Row.count("- requests", [len(log) for _, log in found], "requests", BAR_REQUESTS, asked)
    # Of each wave what it took in fact: timers are a little late, and that is not the gate's doing.
    own = [took.elapsed - 1000 * sum(e.end - e.start for e in chain(log)) for took, log in found]
    yield Row.of(f"- on top of its waves of {DELAY * 1000:.0f} ms", own, "ms", BAR_OWN)
    yield Row.of("- CPU of our process", [took.cpu for took, _ in found])


def _at_once(work: Callable[[], object]) -> float:
    """Milliseconds until the last of a herd has its answer."""
    barrier = threading.Barrier(HERD + 1)
    ends: list[float] = []

    def one() -> None:
        barrier.wait(30)
        work()
        ends.append(time.perf_counter())

    threads = [threading.Thread(target=one) for _ in range(HERD)]
    for thread in threads:
        thread.start()
    while barrier.n_waiting < HERD:
        time.sleep(0.005)
    started = time.perf_counter()
    barrier.wait(30)
    for thread in threads:
        thread.join()
    if len(ends) != HERD:
        raise SystemExit(f"{HERD - len(ends)} of {HERD} were not allowed, nothing was measured")
    return (max(ends) - started) * 1000


def warm_process(host: str, policies: Path, listed: Path) -> dict[str, float]:
    """In a process of its own: judge all that is listed, and say what it weighs. MB and milliseconds an image."""
    from gate.webhook.app import create_app  # a worker has it, too

    images = json.loads(listed.read_text())
    with Judge(host, policies) as judge:
        create_app(judge._gate.reviewer, lambda: judge._policies)
        before = _status("VmRSS")
        took = [judge.judge(images[start : start + POD]) for start in range(0, len(images), POD)]
        rss, peak = _status("VmRSS"), _status("VmHWM")
    elapsed, cpu = sum(one.elapsed for one in took), sum(one.cpu for one in took)
    return {"before": before, "rss": rss, "peak": peak, "each": elapsed / len(images), "cpu": cpu / len(images)}


def _status(name: str) -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def real(folder: Path) -> Iterator[Row]:
    """Pods of new images on the CNCF's registry, whose referrers API answers 404; nothing is delayed."""
    from tests.e2e.registries import Repository, distribution
    from tests.e2e.tools import REGISTRY

    what = f"Pod with {REAL} new images, distribution {REGISTRY.version} on loopback"
    if not REGISTRY.program.is_file() and shutil.which("go") is None:
        print(f"skipped: {what}: there is no Go to build it with, and it is not in {REGISTRY.folder}", file=sys.stderr)
        return
    with distribution(folder / "distribution") as running:
        stock = Stock(running.host, lambda path: Repository(running.host, path), folder)
        yield from _real(running, stock, what)


def _real(running: Process, stock: Stock, what: str) -> Iterator[Row]:
    pods = [
        [stock.image(f"shop/real{k}", f"v{n}", Signed.LEGACY) for k in range(REAL)] for n in range(2 * REAL_TIMES + 1)
    ]
    took: dict[bool, list[Took]] = {True: [], False: []}
    with Judge(running.host, stock.policy) as judge:
        judge.judge([image.tagged for image in pods[0]])
        for n, pod in enumerate(pods[1:]):
            pinned = n % 2 == 1
            took[pinned].append(judge.judge([image.pinned if pinned else image.tagged for image in pod]))
    for pinned, found in took.items():
        how = "pinned" if pinned else "by tag"
        yield Row.of(f"{what}, {how}", [one.elapsed for one in found], "ms", BAR_REAL)
        yield Row.of("- CPU of our process", [one.cpu for one in found])


def rows() -> list[Row]:
    """Everything that is measured here, in under 90 seconds."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="imagegate-bench-")))
        registry = stack.enter_context(DelayedRegistry(folder / "registry"))
        bench = Bench(registry, folder)
        found = [
            *(row for signed in Signed for row in bench.cold(signed)),
            *bench.pod(),
            *bench.herd(),
            *bench.memory(folder),
            *stored.rows(),
        ]
        (folder / "real").mkdir()
        return [*found, *real(folder / "real")]


def main(arguments: Sequence[str]) -> Any:
    """Print the table; with arguments, be the process whose memory is measured."""
    if arguments:
        host, policies, listed = arguments
        print(json.dumps(warm_process(host, Path(policies), Path(listed))))
        return
    started = time.perf_counter()
    print(table(rows()))
    print(f"\n{time.perf_counter() - started:.0f} s in all", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
