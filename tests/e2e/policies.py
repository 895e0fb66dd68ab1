"""Policies and manifests that the tests judge by and judge."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.e2e.commands import Key


def signed_by(key: Key, *registries: str, mode: str = "enforce") -> str:
    """A policy: from these registries, no `latest`, signed by `key`."""
    return f"""\
apiVersion: imagegate.dev/v1
kind: ClusterGatePolicy
metadata: {{name: shop}}
spec:
  mode: {mode}
  signers:
    release:
      key:
        pem: |
{textwrap.indent(key.public.read_text().strip(), " " * 10)}
  rules:
  - image: {{registries: [{", ".join(f'"{registry}"' for registry in registries)}], denyTags: [latest]}}
  - signature: {{by: release}}
"""


def pod_spec(images: Sequence[str], init_images: Sequence[str] = ()) -> dict[str, Any]:
    spec: dict[str, Any] = {"containers": [{"name": f"app-{n}", "image": image} for n, image in enumerate(images)]}
    if init_images:
        spec["initContainers"] = [{"name": f"init-{n}", "image": image} for n, image in enumerate(init_images)]
    return spec


def deployment(name: str, *images: str, init_images: Sequence[str] = ()) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": pod_spec(images, init_images)},
        },
    }


def cron_job(name: str, *images: str, init_images: Sequence[str] = ()) -> dict[str, Any]:
    spec = {**pod_spec(images, init_images), "restartPolicy": "Never"}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"schedule": "0 4 * * *", "jobTemplate": {"spec": {"template": {"spec": spec}}}},
    }
