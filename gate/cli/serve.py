"""`gate serve`: the admission webhook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gate.cli.common import common_flags, say, settings_of
from gate.errors import UsageError
from gate.feeds.folder import require
from gate.webhook.server import Serving, parse_address, serve


@click.command("serve")
@click.option(
    "-p",
    "--policy",
    "policies",
    multiple=True,
    metavar="POLICY",
    envvar="IMAGEGATE_POLICY",
    help="Policy file or folder.",
)
@click.option(
    "--listen",
    default="127.0.0.1:8443",
    show_default=True,
    metavar="HOST:PORT",
    envvar="IMAGEGATE_LISTEN",
    help="Where the API server asks.",
)
@click.option(
    "--tls-cert", metavar="F", envvar="IMAGEGATE_TLS_CERT", help="PEM certificate chain; read again when it changes."
)
@click.option("--tls-key", metavar="F", envvar="IMAGEGATE_TLS_KEY", help="Its PEM key.")
@click.option(
    "--metrics-listen",
    default="127.0.0.1:9090",
    show_default=True,
    metavar="HOST:PORT",
    envvar="IMAGEGATE_METRICS_LISTEN",
    help="Where metrics and health are.",
)
@click.option(
    "--workers", type=click.IntRange(1, 64), default=2, show_default=True, envvar="IMAGEGATE_WORKERS", help="Processes."
)
@common_flags("10s")
def command(**flags: Any) -> None:
    """Answer AdmissionReviews on /validate and /mutate.

    \b
    Example:
      gate serve -p policies/ --tls-cert tls.crt --tls-key tls.key

    Every flag is also an environment variable: --tls-cert is IMAGEGATE_TLS_CERT.
    """
    if not flags["policies"]:
        raise UsageError("no policy", remedy="name one with -p")
    if not flags["tls_cert"] or not flags["tls_key"]:
        raise UsageError("the API server speaks TLS only", remedy="give --tls-cert and --tls-key")
    settings = settings_of(flags)
    policies = require([Path(p) for p in flags["policies"]]).set
    for address in (flags["listen"], flags["metrics_listen"]):
        parse_address(address)
    say(
        f"gate: {len(policies.policies)} policies; webhook on https://{flags['listen']}, metrics on http://{flags['metrics_listen']}"
    )
    serve(
        Serving(
            flags["listen"], flags["metrics_listen"], Path(flags["tls_cert"]), Path(flags["tls_key"]), flags["workers"]
        ),
        settings,
        policies,
    )
