"""`gate serve`: the admission webhook."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gate.cli.common import begin, common_flags, say, settings_of
from gate.errors import EvidenceUnavailable, ParseError, UsageError
from gate.feeds.folder import load_policies
from gate.local import read_local
from gate.policy.reading.last_good import Standing, standing
from gate.review.warming import Warming, parse_list
from gate.settings import with_config
from gate.webhook.server import Serving, parse_address, serve

if TYPE_CHECKING:
    from gate.policy.policy_set import PolicySet

_LIST_BYTES: Final = 4 * 1024 * 1024
MAX_IMAGES: Final = 32
"""Images judged at a time in a worker, beside the first of each review: one has `--jobs` of them, not all."""


@click.command("serve")
@click.option(
    "-p",
    "--policy",
    "policies",
    multiple=True,
    metavar="POLICY",
    show_envvar=True,
    envvar="IMAGEGATE_POLICY",
    help="Policy file or folder.",
)
@click.option(
    "--listen",
    default="127.0.0.1:8443",
    show_default=True,
    metavar="HOST:PORT",
    show_envvar=True,
    envvar="IMAGEGATE_LISTEN",
    help="Where the API server asks.",
)
@click.option(
    "--tls-cert",
    metavar="F",
    show_envvar=True,
    envvar="IMAGEGATE_TLS_CERT",
    help="PEM certificate chain; read again when it changes.",
)
@click.option("--tls-key", metavar="F", show_envvar=True, envvar="IMAGEGATE_TLS_KEY", help="Its PEM key.")
@click.option(
    "--metrics-listen",
    default="127.0.0.1:9090",
    show_default=True,
    metavar="HOST:PORT",
    show_envvar=True,
    envvar="IMAGEGATE_METRICS_LISTEN",
    help="Where metrics and health are.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    show_envvar=True,
    envvar="IMAGEGATE_WORKERS",
    help="Processes.",
)
@click.option(
    "--prewarm",
    metavar="FILE",
    show_envvar=True,
    envvar="IMAGEGATE_PREWARM",
    help="A list of images, one a line, whose evidence is fetched before it is asked for.",
)
@click.option(
    "--prewarm-requests",
    type=click.IntRange(1, 1_000_000),
    default=1000,
    show_default=True,
    show_envvar=True,
    envvar="IMAGEGATE_PREWARM_REQUESTS",
    help="Requests to registries that a worker may send for it.",
)
@click.option(
    "--prewarm-wait", is_flag=True, show_envvar=True, envvar="IMAGEGATE_PREWARM_WAIT", help="Be ready only after it."
)
@common_flags("10s")
def command(**flags: Any) -> None:
    """Answer AdmissionReviews on /validate and /mutate.

    \b
    Example:
      gate serve -p policies/ --tls-cert tls.crt --tls-key tls.key

    Every flag is also an environment variable: --tls-cert is IMAGEGATE_TLS_CERT.
    """
    if not flags["policies"] or "" in flags["policies"]:
        raise UsageError("no policy" if not flags["policies"] else "an empty POLICY", remedy="name one with -p")
    if not flags["tls_cert"] or not flags["tls_key"]:
        raise UsageError("the API server speaks TLS only", remedy="give --tls-cert and --tls-key")
    for address in (flags["listen"], flags["metrics_listen"]):
        parse_address(address)
    if parse_address(flags["listen"]) == parse_address(flags["metrics_listen"]) and not flags["listen"].endswith(":0"):
        raise UsageError(
            f"--listen and --metrics-listen are both {flags['listen']}", remedy="give metrics a port of its own"
        )
    settings = replace(settings_of(flags), threads=max(MAX_IMAGES, flags["jobs"]))
    found = load_policies([Path(p) for p in flags["policies"]], may_be_empty=True)
    stands = standing(found.parsed, Standing())
    for problem in found.parsed.errors:
        say(f"gate: {problem}")
    policies = stands.set
    _refuse_labels(policies)
    settings = with_config(settings, policies.config)
    serving = Serving(
        flags["listen"],
        flags["metrics_listen"],
        Path(flags["tls_cert"]),
        Path(flags["tls_key"]),
        flags["workers"],
        Warming(
            _images(flags["prewarm"], settings.timeout),
            flags["prewarm_requests"],
            flags["prewarm_wait"],
            settings.timeout,
        ),
    )
    serve(serving, settings, policies, say)


def _images(file: str | None, seconds: float) -> tuple[str, ...]:
    """The list of --prewarm.

    Raises:
        UsageError: it can't be read, or has a line that is no image.
    """
    if file is None:
        return ()
    try:
        content = read_local(file, _LIST_BYTES, begin(seconds))
        if len(content) > _LIST_BYTES:
            raise ParseError(f"more than {_LIST_BYTES} bytes", remedy="name the images that matter")
        return parse_list(content.decode())
    except (OSError, UnicodeDecodeError, EvidenceUnavailable) as error:
        why = error.message if isinstance(error, EvidenceUnavailable) else getattr(error, "strerror", "not UTF-8")
        raise UsageError(f"--prewarm {file} cannot be read: {why}", remedy="name a list of images") from error
    except ParseError as error:
        raise UsageError(f"--prewarm {file}: {error.message}", remedy=error.remedy) from error


def _refuse_labels(policies: PolicySet) -> None:
    """Labels of namespaces are the cluster's to tell, and nobody asks it yet."""
    for policy in policies.policies:
        if policy.match.namespaces.wants_labels:
            raise UsageError(
                f"{policy.kind} {policy.name} selects namespaces by labels, which gate serve can't look up yet",
                remedy="write `namespaces: {names: […]}`",
            )
