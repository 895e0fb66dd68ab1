"""SLSA provenance, v0.2 and v1, as one value.

https://slsa.dev/spec/v0.2/provenance and https://slsa.dev/spec/v1.1/provenance say where a builder and times stand;
where the source stands, each build type says for itself. Of build types that are not known here none is told, so that a
rule which asks for a source denies. Taken is what the builder states, never what whoever calls it may set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from gate.policy.content.document import Unreadable, instant, shaped
from gate.policy.content.provenance import Provenance
from gate.policy.content.source import Source, split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MAX_PARAMETERS: Final = 2000
"""Of one provenance; one with more is unreadable."""
MAX_TEXT: Final = 1000
"""Characters of a parameter or its name; a longer one is as none, so that no pattern fits it."""

_GENERATOR: Final = "https://github.com/slsa-framework/slsa-github-generator"
_COMMITS: Final = ("gitCommit", "sha1", "sha256")  # algorithms under which a commit is written


class _Builder(msgspec.Struct):
    id: str


class _Resource(msgspec.Struct):
    uri: str | None = None
    digest: dict[str, str] | None = None


class _Invocation(msgspec.Struct, rename="camel"):
    config_source: _Resource | None = None
    parameters: dict[str, Any] | None = None


class _Metadata02(msgspec.Struct, rename="camel"):
    build_started_on: str | None = None
    build_finished_on: str | None = None


class _Provenance02(msgspec.Struct, rename="camel"):
    builder: _Builder
    build_type: str
    invocation: _Invocation | None = None
    metadata: _Metadata02 | None = None
    materials: list[_Resource] | None = None


class _Definition(msgspec.Struct, rename="camel"):
    build_type: str
    external_parameters: dict[str, Any] | None = None
    resolved_dependencies: list[_Resource] | None = None


class _Metadata1(msgspec.Struct, rename="camel"):
    started_on: str | None = None
    finished_on: str | None = None


class _Details(msgspec.Struct):
    builder: _Builder
    metadata: _Metadata1 | None = None


class _Provenance1(msgspec.Struct, rename="camel"):
    build_definition: _Definition
    run_details: _Details


class _Workflow(msgspec.Struct):
    repository: str
    ref: str


class _OfWorkflow(msgspec.Struct):
    workflow: _Workflow


class _OfContainer(msgspec.Struct):
    source: _Resource


class _OfBuildKit(msgspec.Struct, rename="camel"):
    config_source: _Resource


class _Repository(msgspec.Struct):
    repository: str = ""
    ref: str = ""


class _OfCloudBuild(msgspec.Struct, rename="camel"):
    build_config_source: _Repository | None = None
    source_to_build: _Repository | None = None


def read_v02(value: object) -> Provenance:
    """The provenance of an opened predicate `https://slsa.dev/provenance/v0.2`.

    Raises:
        Unreadable: it has another shape, no builder, no build type, a time that is none, too many parameters.
    """
    found = shaped(value, _Provenance02, "SLSA provenance v0.2")
    invocation = found.invocation or _Invocation()
    metadata = found.metadata or _Metadata02()
    source_of = _SOURCES_02.get(found.build_type)
    source = source_of(found) if source_of else Source("")
    return Provenance(
        version="0.2",
        builder=_said(found.builder.id, "builder"),
        build_type=_said(found.build_type, "build type"),
        source=source.uri,
        ref=source.ref,
        revision=source.revision,
        parameters=_flattened(invocation.parameters or {}),
        started=instant(metadata.build_started_on),
        finished=instant(metadata.build_finished_on),
        materials=_materials(found.materials),
    )


def read_v1(value: object) -> Provenance:
    """The provenance of an opened predicate `https://slsa.dev/provenance/v1`.

    Raises:
        Unreadable: as of v0.2.
    """
    found = shaped(value, _Provenance1, "SLSA provenance v1")
    definition = found.build_definition
    metadata = found.run_details.metadata or _Metadata1()
    source_of = _SOURCES_1.get(definition.build_type)
    source = source_of(definition) if source_of else Source("")
    return Provenance(
        version="1",
        builder=_said(found.run_details.builder.id, "builder"),
        build_type=_said(definition.build_type, "build type"),
        source=source.uri,
        ref=source.ref,
        revision=source.revision,
        parameters=_flattened(definition.external_parameters or {}),
        started=instant(metadata.started_on),
        finished=instant(metadata.finished_on),
        materials=_materials(definition.resolved_dependencies),
    )


def _said(text: str, what: str) -> str:
    if not text:
        raise Unreadable(f"it names no {what}")
    return text


def _resource(resource: _Resource | None) -> Source:
    """A source from a URI with its ref, and the commit from its digests."""
    if resource is None or not resource.uri:
        return Source("")
    source = split(resource.uri)
    digests = resource.digest or {}
    commit = next((digests[name] for name in _COMMITS if digests.get(name)), source.revision)
    return source._replace(revision=commit)


def _config_source(found: _Provenance02) -> Source:
    return _resource(found.invocation.config_source if found.invocation else None)


def _first_material(found: _Provenance02) -> Source:
    return _resource(found.materials[0] if found.materials else None)


def _first_dependency(definition: _Definition) -> Source:
    return _resource(definition.resolved_dependencies[0] if definition.resolved_dependencies else None)


def _workflow(definition: _Definition) -> Source:
    """GitHub's: from the run's OIDC token. Its commit is that of the dependency with the same repository and ref."""
    workflow = shaped(definition.external_parameters, _OfWorkflow, "provenance of a GitHub workflow").workflow
    named = {f"git+{workflow.repository}@{workflow.ref}", f"{workflow.repository}@{workflow.ref}"}
    dependencies = definition.resolved_dependencies or []
    commits = {(d.digest or {}).get("gitCommit", "") for d in dependencies if d.uri in named}
    return Source(workflow.repository, workflow.ref, commits.pop() if len(commits) == 1 else "")


def _container(definition: _Definition) -> Source:
    return _resource(shaped(definition.external_parameters, _OfContainer, "container-based provenance").source)


def _buildkit(definition: _Definition) -> Source:
    return _resource(shaped(definition.external_parameters, _OfBuildKit, "provenance of BuildKit").config_source)


def _cloud_build(definition: _Definition) -> Source:
    """Where the build's configuration was read, as slsa-verifier has it; no source where what is built is elsewhere."""
    found = shaped(definition.external_parameters, _OfCloudBuild, "provenance of Cloud Build")
    config, built = found.build_config_source, found.source_to_build
    if config is None or (built is not None and built.repository and built != config):
        return Source("")
    source = split(f"{config.repository}@{config.ref}") if config.ref else Source(config.repository)
    commits = {
        (dependency.digest or {}).get("gitCommit", "")
        for dependency in definition.resolved_dependencies or []
        if dependency.uri in (config.repository, f"{config.repository}@{config.ref}")
    }
    return source._replace(revision=commits.pop()) if len(commits) == 1 else source


_SOURCES_02: Final[Mapping[str, Callable[[_Provenance02], Source]]] = {
    # Reusable workflows, which the calling one can't change: from the OIDC token of the run.
    f"{_GENERATOR}/generic@v1": _config_source,
    f"{_GENERATOR}/container@v1": _config_source,
    f"{_GENERATOR}/go@v1": _config_source,
    f"{_GENERATOR}-go@v1": _config_source,
    f"{_GENERATOR}@v1": _config_source,
    # Builders that others bring: parameters are theirs; what was checked out is the generator's word.
    f"{_GENERATOR}/delegator-generic@v0": _first_material,
    f"{_GENERATOR}/delegator-lowperms-generic@v0": _first_material,
    # npm publish in a workflow writes it from the environment of its own job: as good as the identity that signs it.
    "https://github.com/npm/cli/gha@v1": _config_source,
    "https://github.com/npm/cli/gha/v1": _config_source,
    "https://github.com/npm/cli/gha/v2": _config_source,
    # Set for a remote context, which BuildKit fetched itself; `vcs` in its metadata is what the client says: not taken.
    "https://mobyproject.org/buildkit@v1": _config_source,
}
_SOURCES_1: Final[Mapping[str, Callable[[_Definition], Source]]] = {
    # npm and actions/attest-build-provenance, from the token of their own job: as good as the identity that signs it.
    "https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1": _workflow,
    "https://actions.github.io/buildtypes/workflow/v1": _workflow,
    # Reusable workflows again.
    "https://slsa.dev/container-based-build/v0.1?draft": _container,
    f"{_GENERATOR}/delegator-generic@v0": _first_dependency,
    f"{_GENERATOR}/delegator-lowperms-generic@v0": _first_dependency,
    # As of v0.2.
    "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md": _buildkit,
    # Where the trigger found its configuration; what is handed in by `gcloud builds submit` has none.
    "https://cloud.google.com/build/gcb-buildtypes/google-worker/v1": _cloud_build,
}


def _materials(resources: list[_Resource] | None) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple(
        (r.uri, tuple(f"{algorithm}:{value}" for algorithm, value in sorted((r.digest or {}).items())))
        for r in resources or ()
        if r.uri
    )


def _flattened(parameters: dict[str, Any]) -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, text in _leaves(parameters):
        if name in flat:
            raise Unreadable(f"two of its parameters are called {name[:MAX_TEXT]!r}, once with the dot in the name")
        if len(flat) == MAX_PARAMETERS:
            raise Unreadable(f"it has more than {MAX_PARAMETERS} parameters")
        flat[name] = text
    return {name: text for name, text in flat.items() if len(name) <= MAX_TEXT and len(text) <= MAX_TEXT}


def _leaves(parameters: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Names joined by dots, without recursion: nothing keeps a document from nesting as deep as JSON may."""
    waiting = [("", parameters)]
    while waiting:
        above, members = waiting.pop()
        for key, value in members.items():
            name = f"{above[: MAX_TEXT + 1]}.{key}" if above else key
            match value:
                case dict():
                    waiting.append((name, value))
                case bool():
                    yield name, "true" if value else "false"
                case str() | int() | float():
                    yield name, str(value)
                case _:  # null, lists
                    pass
