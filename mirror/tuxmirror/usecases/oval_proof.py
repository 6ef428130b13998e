"""OpenSCAP decides right by the OVAL that is to be published; see `core.advisory.proof`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from ..core.advisory import proof
from ..core.advisory.catalogue import Catalogue
from ..core.advisory.formats import oval
from ..core.advisory.model import Advisory, Scope, security
from ..core.advisory.previous import Build, Previous
from ..core.audit import characteristics, results
from ..core.config import Tree
from ..core.errors import ConfigError, MirrorError
from ..core.snapshot import Snapshot
from . import advisories, contents
from .context import Mirror

# In the releases of what was built for a module stream, whichever it is.
_MODULAR = ".module"
# OpenSCAP's schematron takes seconds a hundred definitions.
_SCHEMATRON_SAMPLE = 20


class Subject(NamedTuple):
    """What is judged: the advisories of a tree's snapshot."""

    tree: Tree
    scope: Scope
    snapshot: Snapshot
    catalogue: Catalogue


def judge(mirror: Mirror, subject: Subject, document: bytes) -> dict[str, MirrorError]:
    """What is wrong, by advisory.

    A document is judged once a run, by hosts that are made from the snapshot.

    Raises:
        VerificationError: OpenSCAP does not take it.
        ConfigError: there is no OpenSCAP here, and `oval_proof = required`.
    """
    key = subject.snapshot.id, hashlib.sha256(document).hexdigest()
    return mirror.memory.verdicts.get(key, lambda: _judge(mirror, subject, document))


def _judge(mirror: Mirror, subject: Subject, document: bytes) -> dict[str, MirrorError]:
    tree, scope, _, catalogue = subject
    found = security(catalogue.of(scope))
    if not found:
        return {}
    chosen = proof.sample(found)
    previous = _previous(mirror, subject)
    wrong: dict[str, MirrorError] = {}
    try:
        mirror.scanner.validate(document)
        few = _written(mirror, subject, chosen[:_SCHEMATRON_SAMPLE])
        mirror.scanner.validate(few, schematron=True)
        for batch in proof.batches(chosen):
            wrong.update(_prove(mirror, subject, batch, previous))
    except ConfigError as error:
        if mirror.config.oval_proof == "required":
            raise
        message = f"{tree.name}: OVAL is published unproven: {error.message}"
        mirror.reporter.event("warning", tree=tree.name, message=message)
        return {}
    if not wrong:
        mirror.reporter.event(
            "proven",
            tree=tree.name,
            definitions=len(found),
            tried=len(chosen),
            with_real_builds=len(proof.real_ones(chosen, previous)),
        )
    return wrong


def _written(mirror: Mirror, subject: Subject, chosen: Sequence[Advisory]) -> bytes:
    return oval.write(subject.scope, chosen, subject.catalogue, advisories.issuer(mirror))


def _previous(mirror: Mirror, subject: Subject) -> Previous:
    """What the repositories have, and of module streams what their advisories name."""
    builds = {
        Build(p.name, p.arch, "", p.epoch, p.version, p.release)
        for name, repository in subject.snapshot.repositories.items()
        for p in contents.read(mirror, subject.tree, name, repository).packages
        if _MODULAR not in p.release
    }
    for advisory in subject.catalogue.advisories:
        for p in advisory.packages:
            if p.module:
                stream = p.module.name_stream
                builds.add(Build(p.name, p.arch, stream, p.epoch, p.version, p.release))
    return Previous(builds)


def _prove(
    mirror: Mirror, subject: Subject, batch: Sequence[Advisory], previous: Previous
) -> dict[str, MirrorError]:
    wrong: dict[str, MirrorError] = {}
    path = oval.path(subject.scope)
    definitions = _written(mirror, subject, batch)
    for case in proof.cases(subject.scope, batch, previous):
        described = characteristics.describe(definitions, case.host, path)
        said = mirror.scanner.analyse(definitions, described.data)
        found = proof.check(case, batch, results.findings(said, described.packages))
        wrong.update({name: error.located(path=path) for name, error in found.items()})
    return wrong
