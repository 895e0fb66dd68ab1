from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gate.demo.images import LayoutWriter
from tests.unit.cli.support import Shop, gate, gate_process

if TYPE_CHECKING:
    from pathlib import Path


def test_the_text_as_written_with_the_digest(shop: Shop) -> None:
    digest = shop.digests["acme/api:v1"]
    refs = [shop.image(f"acme/api{end}") for end in (":v1", f"@{digest}", f":other@{digest}")]
    ran = gate("resolve", *refs, *shop.flags)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [f"{refs[0]}@{digest}", refs[1], refs[2]]


def test_a_written_digest_asks_nobody(shop: Shop) -> None:
    ref = shop.image(f"acme/none@sha256:{'1' * 64}")
    assert gate("resolve", ref, *shop.flags).out == f"{ref}\n"
    assert shop.asked() == 0


def test_no_tag_is_latest(shop: Shop, tmp_path: Path) -> None:
    LayoutWriter(tmp_path / "nginx").image("latest", "nginx")
    ran = gate("resolve", "nginx", "--layout", "docker.io/library/nginx=nginx", "--offline")
    assert ran.code == 0
    assert ran.out.startswith("nginx@sha256:")


def test_what_fails_leaves_the_others_their_line(shop: Shop) -> None:
    good = shop.image("acme/api:v1")
    ran = gate_process("resolve", shop.image("acme/api:v9"), good, shop.image("acme/none:v1"), *shop.flags)
    assert ran.code == 3
    assert ran.out == f"{good}@{shop.digests['acme/api:v1']}\n"
    assert [line.split(": ")[2] for line in ran.err.splitlines()] == ["IMAGE_NOT_FOUND", "IMAGE_NOT_FOUND"]


@pytest.mark.parametrize("bad", ["Not A Reference", "nginx:", "oci:none", "x@sha256:1", "a\x1b[31mb"])
def test_a_bad_ref_among_good_ones_asks_nobody(bad: str, shop: Shop) -> None:
    ran = gate("resolve", shop.image("acme/api:v1"), bad, *shop.flags)
    assert (ran.code, ran.out, shop.asked()) == (2, "", 0)
    assert all(c == "\n" or c.isprintable() for c in ran.err)


def test_no_ref_at_all() -> None:
    assert gate("resolve").code == 2


def test_a_folder(tmp_path: Path) -> None:
    digest = LayoutWriter(tmp_path / "image").image("v1", "x")
    assert gate("resolve", "oci:image", "--offline").out == f"oci:image@{digest}\n"
