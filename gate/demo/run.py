"""Runs the demonstration: builds the registry, starts the webhook, asks it, compares with what is expected."""

from __future__ import annotations

import signal
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from gate.demo.cluster import Answer, Webhook
from gate.demo.registry import DemoRegistry
from gate.demo.scenario import Case, policy, write_images
from gate.demo.signing import SigningKey

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_HEADS: Final = ("IMAGE", "WHAT HAPPENED TO IT", "VERDICT", "WHY", "MS", "")


def run(say: Callable[[str], None], out: Callable[[str], None], *, keep: bool) -> bool:
    """Show everything.

    Args:
        say: progress, for stderr.
        out: results, for stdout.
        keep: go on serving until interrupted, and say what to try.

    Returns:
        Whether every image was judged as expected.
    """
    with ExitStack() as stack:
        stack.callback(signal.signal, signal.SIGTERM, signal.signal(signal.SIGTERM, _end))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="imagegate-demo-")))
        registry = stack.enter_context(DemoRegistry(folder / "registry"))
        key = SigningKey.generate()
        say(f"registry on http://{registry.host}: signing images …")
        cases = write_images(folder / "registry", key, registry.host)
        (folder / "release.pub").write_bytes(key.pem)
        (folder / "policy.yaml").write_text(policy(registry.host, key), encoding="utf-8")
        say("starting the webhook (gate serve) …")
        webhook = stack.enter_context(Webhook(folder, folder / "policy.yaml", registry.host))
        say(f"webhook on https://127.0.0.1:{webhook.port}: creating a Pod of each image …\n")
        answers = [webhook.admit(case.image) for case in cases]
        rows = [_row(case, answer) for case, answer in zip(cases, answers, strict=True)]
        for line in _table([_HEADS, *rows]):
            out(line)
        out("\n" + _kubectl(next(a for a in answers if not a.allowed)))
        out("\n" + _pinned(next(a for a in answers if a.allowed)))
        good = all(_as_expected(case, answer) for case, answer in zip(cases, answers, strict=True))
        out(f"\n{len(cases)} images, {'every one judged as expected' if good else 'NOT all judged as expected'}.")
        if keep:
            out(_next_steps(folder, registry.host, webhook))
            _wait_for_interrupt(webhook)
        return good


def _as_expected(case: Case, answer: Answer) -> bool:
    return answer.allowed is case.allowed and (case.code is None or case.code in _reason(answer))


def _row(case: Case, answer: Answer) -> tuple[str, ...]:
    verdict = "allowed" if answer.allowed else "denied"
    mark = "ok" if _as_expected(case, answer) else "UNEXPECTED"
    return (case.image, case.story, verdict, _reason(answer), f"{answer.seconds * 1000:.0f}", mark)


def _reason(answer: Answer) -> str:
    """The code of a denial; what an admitted image was pinned to."""
    if answer.allowed:
        return f"pinned to {answer.image.partition('@')[2][:19]}…"
    lines = answer.message.splitlines()
    return (lines[1] if len(lines) > 1 else lines[0]).partition(":")[0]


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _kubectl(answer: Answer) -> str:
    return (
        "$ kubectl apply -f pod.yaml\n"
        'Error from server (Forbidden): error when creating "pod.yaml": admission webhook "validate.imagegate.dev" '
        f"denied the request: {answer.message}"
    )


def _pinned(answer: Answer) -> str:
    return f"$ kubectl get pod demo -o jsonpath='{{.spec.containers[0].image}}'\n{answer.image}"


def _next_steps(folder: Path, host: str, webhook: Webhook) -> str:
    return f"""
Still running; Ctrl-C ends it. To try next:
  gate verify {host}/shop/api:v1 --key {folder}/release.pub --insecure-registry {host}
  gate check image:{host}/shop/worker:v1 -p {folder}/policy.yaml --insecure-registry {host}
  gate resolve {host}/shop/web:v1 --insecure-registry {host}
  curl --cacert {webhook.certificate} https://127.0.0.1:{webhook.port}/readyz
  curl http://127.0.0.1:{webhook.metrics_port}/metrics
"""


def _end(*_: object) -> NoReturn:
    """SIGTERM ends it as Ctrl-C does: with everything that was started."""
    raise KeyboardInterrupt


def _wait_for_interrupt(webhook: Webhook) -> None:
    try:
        while webhook.process.poll() is None:
            time.sleep(0.5)
    except KeyboardInterrupt:
        return
