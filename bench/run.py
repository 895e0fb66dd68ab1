"""`make bench`: measures on this machine and writes docs/performance.md. Ratios of one run count; figures drift."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import collecting, load, policies
from gate.deadline import Deadline
from gate.demo.cluster import Webhook, free_port, pod_of, review_of, write_certificate
from gate.demo.images import LayoutWriter
from gate.demo.registry import DemoRegistry
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
    from collections.abc import Callable

    from gate.policy.policy_set import PolicySet

ROOT = Path(__file__).parent.parent
SECONDS = 8.0
CONNECTIONS = 16


class Bench:
    """One registry with signed images, and what is measured with it."""

    def __init__(self, folder: Path, registry: DemoRegistry) -> None:
        self.folder = folder
        self.registry = registry
        self.key = SigningKey.generate()
        self.images: dict[str, str] = {}
        for name, bundle in (("legacy", False), ("bundle", True), ("third", False)):
            self._write(name, bundle=bundle)
        (folder / "policy.yaml").write_text(policy(registry.host, self.key), encoding="utf-8")

    def _write(self, name: str, *, bundle: bool) -> None:
        writer = LayoutWriter(self.folder / "registry" / "shop" / name)
        digest = writer.image("v1", name)
        if bundle:
            writer.sign_bundle(digest, self.key)
        else:
            writer.sign_legacy(digest, self.key, f"{self.registry.host}/shop/{name}")
        self.images[name] = f"{self.registry.host}/shop/{name}:v1@{digest}"

    def policies(self) -> PolicySet:
        return require([self.folder / "policy.yaml"]).set

    def settings(self) -> Settings:
        return Settings(Hosts(insecure=frozenset({self.registry.host})))

    def body(self) -> bytes:
        pod = pod_of("")
        pod["spec"]["containers"] = [{"name": n, "image": i} for n, i in self.images.items()]
        return json.dumps(review_of(pod)).encode()

    def warm(self) -> dict[str, Any]:
        """Warm `/validate` beside the constant app: one after the other, twice, best of each."""
        with ExitStack() as stack:
            webhook = stack.enter_context(Webhook(self.folder, self.folder / "policy.yaml", self.registry.host))
            port = stack.enter_context(constant_app(self.folder))
            body = self.body()
            for target in (webhook.port, port):
                load.run(target, "/validate", body, connections=CONNECTIONS, seconds=2)
            ours: list[load.Load] = []
            constant: list[load.Load] = []
            for _ in range(2):
                ours.append(load.run(webhook.port, "/validate", body, connections=CONNECTIONS, seconds=SECONDS))
                constant.append(load.run(port, "/validate", body, connections=CONNECTIONS, seconds=SECONDS))
            single = load.run(webhook.port, "/validate", body, connections=1, seconds=3)
            rss = [_rss(pid) for pid in _children(webhook.process.pid)]
        best, ceiling = max(ours, key=lambda r: r.rate), max(constant, key=lambda r: r.rate)
        if any(r.failed for r in (*ours, single)):
            raise SystemExit("some warm reviews were not allowed: nothing was measured")
        return {"ours": best, "constant": ceiling, "single": single, "rss": max(rss, default=0)}

    def engine(self) -> float:
        """Microseconds of CPU that the engine takes for a warm review of three images."""
        gate = build(self.settings())
        policies = self.policies()
        workload = Workload("Pod", "shop", None, "default")
        subjects = [Subject(text, workload) for text in self.images.values()]

        def once() -> None:
            gate.reviewer.review(policies, subjects, Stage.VALIDATE, Deadline.after(20, time.monotonic))

        once()
        cost = cpu(once, 2000)
        gate.close()
        return cost

    def verify(self) -> float:
        """Microseconds of CPU to verify one signature by key."""
        message = b"x" * 300
        signature = self.key.sign(message)
        public = self.key.public
        return cpu(lambda: public.verifies(signature, message), 2000)


def cpu(work: Callable[[], object], times: int) -> float:
    """Microseconds of CPU each time."""
    started = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - started) / times * 1e6


def constant_app(folder: Path) -> Any:
    """The port of a Flask app that answers a constant, in a process of its own, while it is entered."""
    from contextlib import contextmanager

    @contextmanager
    def running() -> Any:
        certificate, key = write_certificate(folder)
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.constant", f"127.0.0.1:{port}", certificate, key], cwd=ROOT
        )
        time.sleep(2)
        try:
            yield port
        finally:
            process.terminate()
            process.wait(15)

    return running()


def start_up(folder: Path) -> tuple[float, float]:
    """Seconds: `gate check` of one manifest, and `python -c pass`, medians of 9."""
    manifest = folder / "pod.yaml"
    manifest.write_text(json.dumps(pod_of("ghcr.io/acme/api:v1")))

    def median(command: list[str]) -> float:
        times = []
        for _ in range(9):
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            times.append(time.perf_counter() - started)
        return statistics.median(times)

    return median([sys.executable, "-m", "gate", "check", str(manifest)]), median([sys.executable, "-c", "pass"])


def many(bench: Bench, folder: Path) -> float:
    """Seconds of `gate check` over 1,000 manifests with 100 different signed images."""
    names = [f"many{i}" for i in range(100)]
    for name in names:
        bench._write(name, bundle=False)
    manifests = folder / "manifests"
    manifests.mkdir()
    for i in range(1000):
        (manifests / f"{i:04}.yaml").write_text(json.dumps(pod_of(bench.images[names[i % 100]])))
    command = [
        sys.executable,
        "-m",
        "gate",
        "check",
        str(manifests),
        "-p",
        str(folder / "policy.yaml"),
        "--insecure-registry",
        bench.registry.host,
    ]
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


VERIFICATIONS = (
    ("test_key_legacy", "verify a key signature, legacy", "≤ 0.6 ms"),
    ("test_key_bundle_with_promise_and_proof", "verify a key bundle with SET and proof", "≤ 1 ms"),
    ("test_keyless_legacy", "verify a keyless signature, legacy", "≤ 2.5 ms"),
    ("test_keyless_bundle", "verify a keyless bundle", "≤ 2.5 ms"),
    ("test_sigstore_keyless_bundle_rekor[1]", "the same bundle by sigstore-python", ""),
    ("test_keyless_bundle_rekor_2_and_timestamp", "verify a keyless bundle, Rekor v2 and timestamp", "≤ 3 ms"),
    ("test_sigstore_keyless_bundle_rekor[2]", "the same bundle by sigstore-python", ""),
)


def verifications(folder: Path) -> dict[str, float]:
    """Medians in seconds, by the name of the benchmark."""
    result = folder / "result.json"
    command = [
        sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "bench/test_verification.py", f"--benchmark-json={result}",
        "--benchmark-min-rounds=100", "-W", "ignore",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    return {entry["name"]: entry["stats"]["median"] for entry in json.loads(result.read_text())["benchmarks"]}


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def _rss(pid: int) -> int:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) // 1024


def _machine() -> str:
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    try:
        import gunicorn_h1c

        parser = f"gunicorn_h1c {gunicorn_h1c.__version__}"
    except ImportError:
        parser = "gunicorn's Python parser"
    return f"{models[0] if models else platform.processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, {parser}"


def measured() -> list[tuple[str, str, str]]:
    """What, what was got, and where it has to go; in a few minutes."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="imagegate-bench-")))
        registry = stack.enter_context(DemoRegistry(folder / "registry"))
        bench = Bench(folder, registry)
        print("warm reviews …", flush=True)
        warm = bench.warm()
        engine, verify = bench.engine(), bench.verify()
        print("gate check …", flush=True)
        check, nothing = start_up(folder)
        thousand = many(bench, folder)
        print("verification …", flush=True)
        verification = verifications(folder)
    print("cold reviews …", flush=True)
    return [
        *_served(warm),
        ("engine share of a warm review (3 images)", f"{engine:.0f} µs CPU", "≤ 150 µs"),
        ("one ECDSA P-256 signature, the mathematics alone", f"{verify:.0f} µs CPU", ""),
        *((what, f"{verification[name] * 1000:.2f} ms", bar) for name, what, bar in VERIFICATIONS),
        *((row.what, row.got, row.allowed) for row in (*collecting.rows(), *policies.rows())),
        (
            "`gate check` of one manifest, start to end",
            f"{check:.2f} s ({nothing:.2f} s of it Python itself)",
            "≤ 0.25 s",
        ),
        ("`gate check` of 1,000 manifests, 100 signed images, cold", f"{thousand:.1f} s", "≤ 3 s (warm)"),
        ("memory of a worker after the load", f"{warm['rss']} MB RSS", "≤ 120 MB"),
    ]


def _served(warm: dict[str, Any]) -> list[tuple[str, str, str]]:
    ours, constant, single = warm["ours"], warm["constant"], warm["single"]
    return [
        (
            "warm `/validate`, Pod with 3 signed images, 16 connections",
            f"{ours.rate:,.0f} reviews/s, p50 {ours.p50:.1f} ms, p99 {ours.p99:.1f} ms",
            "≥ 2,500/s, p99 ≤ 20 ms",
        ),
        (
            "a Flask app that answers a constant, same server and load",
            f"{constant.rate:,.0f}/s, p99 {constant.p99:.1f} ms",
            "",
        ),
        ("ratio of the two", f"{ours.rate / constant.rate:.2f}", ""),
        ("one connection", f"p50 {single.p50:.2f} ms, p99 {single.p99:.2f} ms", ""),
    ]


def main() -> None:
    """Write docs/performance.md."""
    table = "\n".join(f"| {what} | {got} | {bar} |" for what, got, bar in measured())
    text = f"""# Performance

Measured by `make bench` on {datetime.now(UTC):%Y-%m-%d}: {_machine()}.
Load generator, registry and webhook share the cores, and the machine may be shared with others: compare the rows of
one run, not the figures of two.

| what | measured | where it has to go |
|---|---|---|
{table}

Requests are HTTP requests that the registry saw. Waves are requests that have to wait for each other: the longest chain
of requests that do not overlap where every answer is delayed by {collecting.DELAY * 1000:.0f} ms. Cold is an image that is new to a
process whose connection and token are not. Of repeated measurements there are the median and the best.
A cold unsigned image costs one more: before it is called unsigned, its manifest is read.
"""
    (ROOT / "docs" / "performance.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
