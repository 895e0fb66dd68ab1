from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import click
import pytest

from gate.cli.main import main
from gate.demo.cluster import free_port, write_certificate
from tests.unit.cli.support import ANYTHING, NOTHING, gate, gate_process, write

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _files(tmp_path: Path) -> None:
    write(tmp_path, "policy.yaml", ANYTHING)
    write(tmp_path, "bad.yaml", NOTHING.replace("mode", "mood"))
    write(tmp_path, "labels.yaml", ANYTHING.replace("match: {}", "match: {namespaces: {matchLabels: {env: dev}}}", 1))
    (tmp_path / "other").mkdir()
    write_certificate(tmp_path / "other")
    write_certificate(tmp_path)


PAIR = ["--tls-cert", "tls.crt", "--tls-key", "tls.key"]
POLICY = ["-p", "policy.yaml"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        pytest.param(PAIR, "-p", id="no policy"),
        pytest.param([*PAIR, "-p", ""], "an empty POLICY", id="an empty policy"),
        pytest.param([*PAIR, "-p", "none.yaml"], "none.yaml", id="no policy file"),
        pytest.param([*PAIR, "-p", "labels.yaml"], "namespaces: {names", id="a policy that wants labels"),
        pytest.param(POLICY, "--tls-cert", id="no certificate"),
        pytest.param([*POLICY, *PAIR[:2]], "--tls-key", id="no key"),
        pytest.param([*POLICY, *PAIR, "--listen", "8443"], "8443", id="a port alone"),
        pytest.param([*POLICY, *PAIR, "--listen", "127.0.0.1:http"], "127.0.0.1:http", id="a port's name"),
        pytest.param([*POLICY, *PAIR, "--listen", "127.0.0.1:65536"], "127.0.0.1:65536", id="no port"),
        pytest.param([*POLICY, *PAIR, "--metrics-listen", ":9090"], ":9090", id="no host"),
        pytest.param(
            [*POLICY, *PAIR, "--listen", "127.0.0.1:9090", "--metrics-listen", "127.0.0.1:9090"],
            "--listen and --metrics-listen are both 127.0.0.1:9090",
            id="one port for both",
        ),
        pytest.param([*POLICY, *PAIR, "--workers", "0"], "--workers", id="no workers"),
        pytest.param([*POLICY, *PAIR, "--workers", "many"], "--workers", id="many workers"),
        pytest.param([*POLICY, *PAIR, "--timeout", "soon"], "soon", id="no duration"),
        pytest.param([*POLICY, *PAIR, "--layout", "x"], "--layout", id="no layout"),
        pytest.param([*POLICY, *PAIR, "--mirror", "docker.io"], "--mirror", id="a mirror of nothing"),
        pytest.param([*POLICY, *PAIR, "--trusted-root", "x"], "x: cannot be read", id="no trusted root"),
        pytest.param([*POLICY, *PAIR, "--cache", "redis://x:y"], "the store's URL", id="cache, no port"),
        pytest.param([*POLICY, *PAIR, "--prewarm", "none.txt"], "none.txt cannot be read", id="no list"),
        pytest.param([*POLICY, *PAIR, "--prewarm", "tls.crt"], "tls.crt: line 1", id="no list of images"),
        pytest.param([*POLICY, *PAIR, "--prewarm-requests", "0"], "--prewarm-requests", id="no requests"),
        pytest.param([*POLICY, *PAIR, "--nope"], "--nope", id="an unknown flag"),
        pytest.param([*POLICY, *PAIR, "extra"], "extra", id="an argument"),
    ],
)
def test_a_flag_that_cannot_be_used_is_exit_code_2(arguments: list[str], named: str) -> None:
    ran = gate("serve", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert named in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("certificate", "key"),
    [
        ("none.crt", "tls.key"),
        ("tls.crt", "none.key"),
        ("tls.key", "tls.key"),
        ("tls.crt", "tls.crt"),
        ("tls.crt", "other/tls.key"),
        ("policy.yaml", "tls.key"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_exit_code_2(certificate: str, key: str) -> None:
    ports = ["--listen", f"127.0.0.1:{free_port()}", "--metrics-listen", f"127.0.0.1:{free_port()}"]
    ran = gate_process("serve", *POLICY, "--tls-cert", certificate, "--tls-key", key, *ports)
    assert (ran.code, ran.out) == (2, "")
    assert certificate in ran.err.splitlines()[-1]
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("flag", ["--listen", "--metrics-listen"])
def test_a_port_in_use_is_exit_code_2(flag: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = f"127.0.0.1:{taken.getsockname()[1]}"
        ports = {"--listen": f"127.0.0.1:{free_port()}", "--metrics-listen": f"127.0.0.1:{free_port()}", flag: busy}
        ran = gate_process("serve", *POLICY, *PAIR, *(part for pair in ports.items() for part in pair))
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines()[-1] == f"gate: cannot listen on {busy}: Address already in use; name a free port"


def _flags() -> list[click.Option]:
    context = click.Context(main)
    command = main.get_command(context, "serve")
    assert command is not None
    return [parameter for parameter in command.params if isinstance(parameter, click.Option)]


FLAGS = {max(flag.opts, key=len): flag for flag in _flags()}


@pytest.mark.parametrize("name", sorted(FLAGS))
def test_every_flag_has_its_environment_variable(name: str) -> None:
    assert FLAGS[name].envvar == f"IMAGEGATE_{name.removeprefix('--').replace('-', '_').upper()}"


def test_the_flags_that_are_promised() -> None:
    assert {
        "--policy", "--listen", "--tls-cert", "--tls-key", "--metrics-listen", "--workers", "--cache", "--layout",
        "--offline", "--timeout", "--jobs", "--at", "--registry-config", "--insecure-registry", "--private-registry",
        "--registry-ca", "--mirror", "--trusted-root",
    } <= set(FLAGS)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("POLICY", "none.yaml", "none.yaml"),
        ("LISTEN", "nowhere", "nowhere"),
        ("METRICS_LISTEN", "nowhere", "nowhere"),
        ("WORKERS", "65", "--workers"),
        ("TIMEOUT", "soon", "soon"),
        ("REGISTRY_CONFIG", "none.json", "none.json"),
        ("REGISTRY_CA", "x", "--registry-ca"),
        ("INSECURE_REGISTRY", "http://x", "http://x"),
        ("PRIVATE_REGISTRY", "x/y", "x/y"),
        ("LAYOUT", "x", "--layout"),
        ("AT", "now", "now"),
        ("JOBS", "0", "--jobs"),
        ("MIRROR", "docker.io", "--mirror"),
        ("TRUSTED_ROOT", "x", "x: cannot be read"),
        ("CACHE", "https://cache.test", "the store's URL"),
        ("OFFLINE", "perhaps", "--offline"),
    ],
)
def test_the_environment_is_read(name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for other, good in (("POLICY", "policy.yaml"), ("TLS_CERT", "tls.crt"), ("TLS_KEY", "tls.key"), (name, value)):
        monkeypatch.setenv(f"IMAGEGATE_{other}", good)
    ran = gate("serve")
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_a_certificate_from_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEGATE_TLS_CERT", "none.crt")
    monkeypatch.setenv("IMAGEGATE_TLS_KEY", "none.key")
    ran = gate_process("serve", *POLICY, "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0")
    assert ran.code == 2
    assert "none.crt" in ran.err
    assert "none.key" in ran.err
