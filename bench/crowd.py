"""`python -m bench.crowd`: what a worker of `gate serve` grows by while Pods of many hostile images are judged at once.

Each registry answers what costs most to hold, and then hangs. The worker has verified a signature before, so that what
it loads once is not counted; every answer has to be a denial, in time.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import ssl
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from bench.rows import Row, table
from gate.demo.cluster import Webhook, pod_of, review_of
from gate.demo.signing import SigningKey
from gate.evidence import cosign
from gate.image.digest import Digest
from gate.image.manifest import OCI_INDEX, OCI_MANIFEST
from tests.fakes.loopback import certificate_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOSTS: Final = tuple(f"127.0.1.{number}" for number in range(1, 9))
SIZES: Final = ((8, 8), (60, 4))  # Pods at once, images of each
KINDS: Final = {
    "that answer nothing": "nothing",
    "of lists and signatures just below large": "below",
    "whose last page of referrers hangs": "pages",
    "with large signatures of another kind": "other",
    "with a thousand signatures that are none": "junk",
}
BAR_MEMORY: Final = 40.0
SECONDS: Final = 10.0  # that a review may take, which begin when its connection is there
HANDSHAKES: Final = 3.0  # seconds for those of all of them, on the cores that the webhook has
_CONFIG: Final = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": f"sha256:{'1' * 64}", "size": 2}
_NOTATION: Final = "application/vnd.cncf.notary.signature"
_FOREVER: Final = 1000
IMAGE: Final = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": _CONFIG, "layers": []}).encode()
DIGEST: Final = Digest.of(IMAGE)


def _index(seed: str, count: int) -> bytes:
    return _listed([Digest.of(f"{seed}{number}".encode()) for number in range(count)])


def _listed(digests: list[Digest]) -> bytes:
    listed = [{"mediaType": OCI_MANIFEST, "digest": str(digest), "size": 1} for digest in digests]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}).encode()


def _signatures(payload: bytes, count: int, signature: str, beside: int) -> bytes:
    """One `.sig` manifest; "" signs each with something of its own that is no signature."""
    chain = {cosign.CHAIN: "A" * beside} if beside else {}
    layer = {"mediaType": cosign.SIMPLE_SIGNING, "digest": str(Digest.of(payload)), "size": len(payload)}
    signed = [signature or f"{number:08d}".ljust(88, "A") for number in range(count)]
    layers = [{**layer, "annotations": {cosign.SIGNATURE: one, **chain}} for one in signed]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": _CONFIG, "layers": layers}).encode()


def _notary(seed: str) -> bytes:
    layer = {"mediaType": "x/y", "digest": str(DIGEST), "size": 1, "annotations": {cosign.CERTIFICATE: "A" * 500_000}}
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": _NOTATION, "config": _CONFIG}
    about = {"mediaType": OCI_MANIFEST, "digest": str(DIGEST), "size": len(IMAGE)}
    return json.dumps({**document, "layers": [layer], "subject": about, "annotations": {"n": seed}}).encode()


@dataclass(frozen=True)
class Asked:
    """One question: `/v2/<kind>/<name>/<what>/<last>?page=<page>`, of a repository."""

    repository: str
    kind: str
    name: str
    what: str
    last: str
    path: str
    page: int

    @classmethod
    def of(cls, host: str, path: str) -> Self:
        bare, _, query = path.partition("?")
        _, _, kind, name, what, last = bare.split("/", 5)
        return cls(f"{host}/{kind}/{name}", kind, name, what, last, bare, int(query.partition("page=")[2] or "0"))

    @property
    def signatures(self) -> bool:
        return self.last == f"{DIGEST.tag}.sig"

    @property
    def referrers(self) -> bool:
        return self.what == "referrers"


Reply = tuple[int, bytes, str]
"""Status, body, and the path of a next page."""

_NOTHING: Final[Reply] = (404, b"{}", "")


def _good(asked: Asked, key: SigningKey) -> Reply | None:
    payload, signed = key.simple_signing(DIGEST, asked.repository)
    return (200, _signatures(payload, 1, signed[cosign.SIGNATURE], 0), "") if asked.signatures else _NOTHING


def _junk(asked: Asked, key: SigningKey) -> Reply | None:
    payload, _ = key.simple_signing(DIGEST, asked.repository)
    return (200, _signatures(payload, 1000, "", 1900), "") if asked.signatures else _NOTHING


def _below(asked: Asked, _key: SigningKey) -> Reply | None:
    if asked.signatures:
        return 200, _signatures(asked.name.encode(), 190, "", 0), ""
    return (200, _index(asked.path, 390), "") if asked.referrers or asked.last == DIGEST.tag else None


def _pages(asked: Asked, _key: SigningKey) -> Reply | None:
    following = f"{asked.path}?page={asked.page + 1}"
    return (200, _index(f"{asked.path}{asked.page}", 60), following) if asked.referrers and asked.page < 9 else None


def _other(asked: Asked, _key: SigningKey) -> Reply | None:
    if asked.referrers:
        return 200, _listed([Digest.of(_notary(f"{asked.name}{number}")) for number in range(16)]), ""
    contents = (_notary(f"{asked.name}{number}") for number in range(16 if asked.last.startswith("sha256:") else 0))
    return next(((200, content, "") for content in contents if str(Digest.of(content)) == asked.last), None)


_KINDS: Final[dict[str, Callable[[Asked, SigningKey], Reply | None]]] = {
    "good": _good,
    "junk": _junk,
    "below": _below,
    "pages": _pages,
    "other": _other,
    "nothing": lambda _asked, _key: None,
}


@dataclass
class Registry:
    """Speaks HTTP, or HTTPS, to all that ask, of each image by its kind; where that has no answer, it hangs."""

    key: SigningKey

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                method, path, _ = lines[0].split(" ")
                asked = Asked.of(next(line[6:] for line in lines if line.lower().startswith("host: ")), path)
                reply = (200, IMAGE, "") if asked.last == str(DIGEST) and not asked.referrers else None
                reply = reply or _KINDS[asked.kind](asked, self.key)
                if reply is None:
                    await asyncio.sleep(_FOREVER)
                    return
                status, body, following = reply
                more = f'Link: <{following}>; rel="next"\r\n' if following else ""
                kind = OCI_INDEX if b'"manifests"' in body else OCI_MANIFEST
                head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
                writer.write(head.encode() + (b"" if method == "HEAD" else body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def _serve(pipe: Any, files: tuple[Path, Path] | None) -> None:
    """On one port of each host, with TLS where there are a certificate and its key; port and policy are sent."""
    key = SigningKey.generate()
    registry = Registry(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if files else None
    if context is not None and files is not None:
        context.load_cert_chain(*files)
    start = partial(asyncio.start_server, registry.talk, backlog=1000, ssl=context)

    async def run() -> None:
        first = await start(host=HOSTS[0], port=0)
        port = first.sockets[0].getsockname()[1]
        others = [await start(host=host, port=port) for host in HOSTS[1:]]
        pipe.send((port, _policy(key)))
        await asyncio.sleep(_FOREVER)
        del others

    asyncio.run(run())


def _status(pid: int, field: str) -> int:
    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith(f"{field}:")))


def _worker(pid: int) -> int:
    """The one that answers: the only child of its master."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()[0])


class Crowd:
    """One webhook of one worker."""

    def __init__(self, webhook: Webhook, port: int) -> None:
        self._webhook = webhook
        self._port = port
        self._pid = _worker(webhook.process.pid)

    def _image(self, number: int, kind: str, name: str) -> str:
        return f"{HOSTS[number % len(HOSTS)]}:{self._port}/{kind}/{name}:v1@{DIGEST}"

    def _judge(self, images: list[str]) -> tuple[bool, float]:
        pod = pod_of(images[0])
        pod["spec"]["containers"] = [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]
        started = time.perf_counter()
        answer = self._webhook.post("/validate", review_of(pod))
        return answer["allowed"], time.perf_counter() - started

    def warm(self) -> None:
        """Verify something once."""
        allowed, _ = self._judge([self._image(0, "good", "app")])
        if not allowed:
            raise SystemExit("the good image was not allowed: nothing was measured")

    def grows_by(self, kind: str, pods: int, images: int) -> float:
        """Megabytes, at the most."""
        before, peak, over = _status(self._pid, "VmRSS"), [0], threading.Event()

        def watch() -> None:
            while not over.wait(0.05):
                peak[0] = max(peak[0], _status(self._pid, "VmRSS"))

        watching = threading.Thread(target=watch)
        watching.start()
        with ThreadPoolExecutor(pods) as pool:
            asked = [[self._image(n, KINDS[kind], f"p{n}x{i}") for i in range(images)] for n in range(pods)]
            found = list(pool.map(self._judge, asked))
        over.set()
        watching.join()
        late = max(seconds for _, seconds in found)
        if any(allowed for allowed, _ in found) or late > SECONDS + HANDSHAKES:
            raise SystemExit(f"{kind}: something was allowed, or late ({late:.1f} s)")
        return (peak[0] - before) / 1024


def _policy(key: SigningKey) -> str:
    pem = "\n".join(f"          {line}" for line in key.pem.decode().strip().splitlines())
    return (
        "apiVersion: imagegate.dev/v1\nkind: ClusterGatePolicy\nmetadata: {name: crowd}\nspec:\n"
        f"  signers:\n    release:\n      key:\n        pem: |\n{pem}\n  rules:\n  - signature: {{by: release}}\n"
    )


@contextmanager
def _registry(folder: Path, *, secured: bool) -> Iterator[tuple[list[str], int, str]]:
    """The flags that name it, its port and the policy of what it has."""
    files = certificate_for(folder, HOSTS) if secured else None
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, files), daemon=True)
    process.start()
    try:
        port, rules = ours.recv()
        named = [f"{host}:{port}" for host in HOSTS]
        ways = [("--registry-ca", f"{host}={files[0]}", "--private-registry", host) for host in named] if files else []
        yield [part for way in ways or [("--insecure-registry", host) for host in named] for part in way], port, rules
    finally:
        process.terminate()
        process.join()


def _grown(flags: list[str], port: int, rules: str, kind: str, size: tuple[int, int]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        policy = Path(folder) / "policy.yaml"
        policy.write_text(rules, encoding="utf-8")
        with Webhook(Path(folder), policy, "", workers=1, more=flags) as webhook:
            crowd = Crowd(webhook, port)
            crowd.warm()
            return crowd.grows_by(kind, *size)


def main() -> None:
    """Each kind against a webhook of its own: memory is seldom given back."""
    rows: list[Row] = []
    for secured, (pods, images) in product((False, True), SIZES):
        with tempfile.TemporaryDirectory() as folder, _registry(Path(folder), secured=secured) as (flags, port, rules):
            for kind in KINDS:
                grown = _grown(flags, port, rules, kind, (pods, images))
                what = f"{'TLS' if secured else 'plain HTTP'}, {pods} Pods of {images} images, {kind}"
                rows.append(Row.of(what, [grown], "MB", BAR_MEMORY))
                print(f"{what}: {grown:.1f} MB", file=sys.stderr)
    print(table(rows))


if __name__ == "__main__":
    main()
