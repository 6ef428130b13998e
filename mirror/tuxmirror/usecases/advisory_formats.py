"""What a channel shows of a tree's advisories: OVAL, feed, CSAF, OSV, JSON and CSV.

All of them are written, read back and compared with the model and with each other; OVAL is judged
by OpenSCAP besides. One difference, and nothing is published.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from ..core.advisory import parity, proof
from ..core.advisory.catalogue import Catalogue
from ..core.advisory.formats import claims, csaf, csaf_provider, osv, oval, rss, tables
from ..core.advisory.formats.claims import Claims
from ..core.advisory.formats.context import Issuer
from ..core.advisory.model import SECURITY, Advisory, Scope
from ..core.advisory.previous import Build, Previous
from ..core.audit import characteristics, results
from ..core.config import Tree
from ..core.errors import ConfigError, MirrorError, VerificationError
from ..core.snapshot import File, Snapshot
from . import advisories, contents
from .context import Mirror
from .csaf_provider import signatures
from .site import Showing

# In the releases of what was built for a module stream, whichever it is.
_MODULAR = ".module"
# OpenSCAP's schematron takes seconds a hundred definitions.
_SCHEMATRON_SAMPLE = 20

# The channel that a snapshot is shown in first, where it is told what is odd about it.
_FIRST = "candidate"

Documents = dict[str, bytes]
# What OpenSCAP found wrong, by SHA-256: the channels of one run mostly show the same.
_known: dict[str, dict[str, MirrorError]] = {}


def make(mirror: Mirror, showing: Showing, owner: str) -> Collection[File]:
    """See `site.Contributor.make`."""
    name = owner.partition("/")[2]
    tree = showing.tree(mirror, name)
    scope = advisories.scope(tree)
    assert scope is not None  # noqa: S101  # not wanted otherwise
    only = showing._replace(snapshots={name: showing.snapshots[name]})
    try:
        catalogue = advisories.catalogue(mirror, only)
        if showing.channel == _FIRST:
            _tell_gaps(mirror, tree, showing)
        previous = _previous(mirror, tree, showing.snapshots[name], catalogue)
        documents = _judged(mirror, tree, scope, catalogue, previous)
        advisories_of_csaf = csaf_provider.documents_of(scope, documents)
        documents.update(csaf_provider.listing(scope, advisories_of_csaf))
        documents.update(signatures(mirror, showing.channel, scope, advisories_of_csaf))
    except MirrorError as error:
        raise error.located(tree=name) from None
    return [File(p, mirror.pool.add(data), len(data)) for p, data in documents.items()]


def _judged(
    mirror: Mirror, tree: Tree, scope: Scope, catalogue: Catalogue, previous: Previous
) -> Documents:
    """All files, compared and proven; of upstream's advisories without those that cannot be: its
    contradictions do not stop the mirror."""
    documents = write(scope, catalogue, issuer(mirror))
    check(tree, scope, catalogue, documents)
    wrong = judge(mirror, tree, scope, catalogue, documents[oval.path(scope)], previous)
    if not wrong:
        return documents
    if advisories.is_ours(tree):
        # A copy: one that is kept must not keep all that it was raised through.
        raise copy.copy(next(iter(wrong.values())))
    mirror.reporter.event(
        "warning",
        tree=tree.name,
        message=f"{tree.name}: {len(wrong)} advisories of upstream cannot be told right in OVAL;"
        " other formats leave them out",
        advisories=sorted(wrong),
    )
    left = tuple(a for a in catalogue.advisories if a.id not in wrong)
    return _judged(mirror, tree, scope, replace(catalogue, advisories=left), previous)


def issuer(mirror: Mirror) -> Issuer:
    config = mirror.config
    return Issuer(config.publisher, config.site_url, config.contact)


def _tell_gaps(mirror: Mirror, tree: Tree, showing: Showing) -> None:
    """What upstream's own advisories name and its repositories do not have."""
    found = advisories.material(mirror, tree, showing.snapshots[tree.name])
    if found.lost or found.conflicts:
        packages = sum(len(names) for names in found.lost.values())
        mirror.reporter.event(
            "warning",
            tree=tree.name,
            message=f"{tree.name}: {len(found.lost)} advisories name {packages} packages that"
            f" upstream does not have, {len(found.conflicts)} contradict themselves; other formats"
            " leave these out",
            advisories=sorted(found.lost),
        )


# --- writing ----------------------------------------------------------------------------------


def security(found: Sequence[Advisory]) -> list[Advisory]:
    """Those that formats about vulnerabilities speak of."""
    return [advisory for advisory in found if advisory.kind == SECURITY]


def write(scope: Scope, catalogue: Catalogue, by: Issuer) -> Documents:
    """All files of a scope, by path below the channel."""
    everything = catalogue.of(scope)
    documents = {
        oval.path(scope): oval.write(scope, security(everything), catalogue, by),
        rss.path(scope): rss.write(scope, everything, catalogue, by),
        tables.json_path(scope): tables.write_json(scope, everything, catalogue),
        tables.csv_path(scope): tables.write_csv(everything, catalogue),
    }
    for advisory in security(everything):
        documents[csaf.path(scope, advisory)] = csaf.write(advisory, catalogue, by)
        documents[osv.path(scope, advisory)] = osv.write(advisory, catalogue, by)
    documents.update(_vex(scope, catalogue, by))
    return documents


def _vex(scope: Scope, catalogue: Catalogue, by: Issuer) -> Documents:
    documents = {}
    for cve in catalogue.cve_ids:
        records = [r for r in catalogue.status(cve) if r.scope == scope]
        if records:
            path = csaf.vex_path(scope, cve, records, catalogue)
            documents[path] = csaf.write_vex(scope, cve, records, catalogue, by)
    return documents


# --- comparing --------------------------------------------------------------------------------


def check(tree: Tree, scope: Scope, catalogue: Catalogue, documents: Documents) -> None:
    """The parity gate, over the bytes that are to be published.

    Raises:
        VerificationError: a format says something else than the model.
    """
    everything = catalogue.of(scope)
    model = claims.of(everything)
    fixes = parity.subset(model, security(everything))
    feed = parity.subset(model, rss.shown(everything, catalogue))
    try:
        formats: dict[str, tuple[Claims, Claims]] = {
            "OVAL": (fixes, oval.read(documents[oval.path(scope)])),
            "CSAF": (
                fixes,
                csaf.read(_below(documents, csaf.folder(scope), csaf.vex_folder(scope))),
            ),
            "OSV": (fixes, osv.read(_below(documents, osv.folder(scope)))),
            "RSS": (feed, rss.read(documents[rss.path(scope)])),
            "JSON": (model, tables.read_json(documents[tables.json_path(scope)])),
            "CSV": (model, tables.read_csv(documents[tables.csv_path(scope)])),
        }
        vex = csaf.read_vex(_below(documents, csaf.vex_folder(scope)))
    except (ValueError, KeyError, TypeError, SyntaxError) as error:
        raise VerificationError(
            f"a file that was just written cannot be read: {error!r}",
            tree=tree.name,
            way_out="nothing was published; this is a bug, please report it",
        ) from None
    by_cve = _by_cve(everything)
    formats["VEX"] = (by_cve, _as_claims(vex, everything))
    model = {**model, **by_cve}
    parity.check(tree.name, model, formats)


def _below(documents: Documents, folder: str, but: str = "\0") -> list[bytes]:
    return [
        data
        for path, data in documents.items()
        if path.startswith(f"{folder}/") and not path.startswith(f"{but}/")
    ]


def _by_cve(found: Sequence[Advisory]) -> dict[str, claims.Claim]:
    """The model turned round, as VEX has it: packages by CVE."""
    packages: dict[str, set[str]] = {}
    for advisory in found:
        for cve in advisory.cves:
            packages.setdefault(cve, set()).update(advisory.identities)
    return {cve: claims.Claim(frozenset((cve,)), frozenset(p)) for cve, p in packages.items()}


def _as_claims(vex: Mapping[str, frozenset[str]], found: Sequence[Advisory]) -> Claims:
    """Of CVEs that something fixes; the documents of all others name no package."""
    fixed = {cve for advisory in found for cve in advisory.cves}
    return {
        cve: claims.Claim(frozenset((cve,)), packages)
        for cve, packages in vex.items()
        if cve in fixed or packages
    }


# --- judging ----------------------------------------------------------------------------------


def _previous(mirror: Mirror, tree: Tree, snapshot: Snapshot, catalogue: Catalogue) -> Previous:
    """What the repositories have, and of module streams what their advisories name."""
    builds = {
        Build(p.name, p.arch, "", p.epoch, p.version, p.release)
        for name, repository in snapshot.repositories.items()
        for p in contents.read(mirror, tree, name, repository).packages
        if _MODULAR not in p.release
    }
    for advisory in catalogue.advisories:
        for p in advisory.packages:
            if p.module:
                stream = p.module.name_stream
                builds.add(Build(p.name, p.arch, stream, p.epoch, p.version, p.release))
    return Previous(builds)


def judge(
    mirror: Mirror,
    tree: Tree,
    scope: Scope,
    catalogue: Catalogue,
    document: bytes,
    previous: Previous,
) -> dict[str, MirrorError]:
    """OpenSCAP takes the file, and its definitions decide right; see `core.advisory.proof`.

    Returns what is wrong, by advisory.

    Raises:
        VerificationError: it does not take it.
        ConfigError: there is no OpenSCAP here, and `oval_proof = required`.
    """
    digest = hashlib.sha256(document).hexdigest()
    if digest not in _known:
        _known[digest] = _judge(mirror, tree, scope, catalogue, document, previous)
    return _known[digest]


def _judge(
    mirror: Mirror,
    tree: Tree,
    scope: Scope,
    catalogue: Catalogue,
    document: bytes,
    previous: Previous,
) -> dict[str, MirrorError]:
    found = security(catalogue.of(scope))
    if not found:
        return {}
    chosen = proof.sample(found)
    wrong: dict[str, MirrorError] = {}
    try:
        mirror.scanner.validate(document)
        few = oval.write(scope, chosen[:_SCHEMATRON_SAMPLE], catalogue, issuer(mirror))
        mirror.scanner.validate(few, schematron=True)
        for batch in proof.batches(chosen):
            wrong.update(_prove(mirror, scope, catalogue, batch, previous))
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


def _prove(
    mirror: Mirror,
    scope: Scope,
    catalogue: Catalogue,
    batch: Sequence[Advisory],
    previous: Previous,
) -> dict[str, MirrorError]:
    wrong: dict[str, MirrorError] = {}
    path = oval.path(scope)
    definitions = oval.write(scope, batch, catalogue, issuer(mirror))
    for case in proof.cases(scope, batch, previous):
        described = characteristics.describe(definitions, case.host, path)
        said = mirror.scanner.analyse(definitions, described.data)
        found = proof.check(case, batch, results.findings(said, described.packages))
        wrong.update({name: error.located(path=path) for name, error in found.items()})
    return wrong
