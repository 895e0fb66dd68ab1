"""ECR's hosts in every partition and region that botocore knows of: a new one is seen here when botocore is renewed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from gate.registry.credentials.ecr import EcrRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator

loaders = pytest.importorskip("botocore.loaders", reason="botocore, whose partitions these are, is not installed")
ACCOUNT = "123456789012"


class Partition(NamedTuple):
    """`suffix` of its hosts, `dual` of those with IPv6."""

    suffix: str
    dual: str
    regions: tuple[str, ...]


def _partitions() -> Iterator[Partition]:
    for partition in loaders.create_loader().load_data("partitions")["partitions"]:
        outputs = partition["outputs"]
        start, dot, rest = outputs["dualStackDnsSuffix"].partition(".")
        assert (start, dot) == ("api", ".")  # of APIs; what customers have is at `on.`
        # `aws-global` and its like are no places.
        regions = tuple(region for region in partition["regions"] if not region.endswith("-global"))
        yield Partition(outputs["dnsSuffix"], f"on.{rest}", regions)


PARTITIONS = tuple(_partitions())


def _hosts(region: str, partition: Partition) -> dict[str, EcrRegistry]:
    return {
        f"{ACCOUNT}.dkr{dot}ecr{'-fips' if fips else ''}.{region}.{suffix}": EcrRegistry(ACCOUNT, region, fips, dual)
        for dot, suffix, dual in ((".", partition.suffix, False), ("-", partition.dual, True))
        for fips in (False, True)
    }


def test_there_are_partitions_to_go_through() -> None:
    assert {"amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "c2s.ic.gov"} <= {p.suffix for p in PARTITIONS}
    assert all(partition.regions for partition in PARTITIONS)


@pytest.mark.parametrize(
    ("region", "partition"), [(region, partition) for partition in PARTITIONS for region in partition.regions]
)
def test_the_hosts_of_a_region_are_known_in_its_own_partition_and_in_no_other(
    region: str, partition: Partition
) -> None:
    for host, registry in _hosts(region, partition).items():
        assert EcrRegistry.of(host) == registry
    for other in PARTITIONS:
        if other.suffix != partition.suffix:
            assert [host for host in _hosts(region, other) if EcrRegistry.of(host)] == []
