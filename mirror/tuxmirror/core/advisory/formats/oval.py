"""OVAL 5.10 patch definitions of one scope, in AlmaLinux's shape: `true` means "patch needed".

    AND  AlmaLinux 9.2 is installed
         OR  openssl-libs is earlier than 1:3.0.7-20.el9_2.tuxcare.2
             AND  Module nodejs:18 is enabled
                  OR  nodejs is earlier than …
             AND  a kernel of the distribution is running
                  kernel earlier than … is currently running

What silently goes wrong elsewhere, and how it is kept from here:
- an EVR always has its epoch: without one a scanner compares nothing and says "not needed";
- arches are anchored and always there: else a stale i686 twin, or `86` in `x86_64`, decides;
- no definition asks for a signature: scanners before OpenSCAP 1.3.11 see too few of them;
- one file a scope, gated on the release: builds of several streams do not compare;
- of packages that are installed side by side (kernels), *all* must be earlier, or the running one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from xml.etree import ElementTree

from ..catalogue import Catalogue
from ..model import ESSENTIAL, UPSTREAM, Advisory, FixedPackage, Module, Scope
from .claims import Claim
from .context import Issuer, advisory_url, cve_url, day, escape, plain, quoteattr, stamp

NAMESPACE = "http://oval.mitre.org/XMLSchema/oval-definitions-5"
_LINUX = "{http://oval.mitre.org/XMLSchema/oval-definitions-5#linux}"
_DEFINITIONS = f"{{{NAMESPACE}}}"
# dnf's default installonlypkgs, by what they are called.
INSTALLONLY = re.compile(r"kernel(-(64k|debug|rt|uki))*(-(core|modules.*|devel.*|virt|matched))?")
KERNEL = "kernel"
# `uname -r` of a kernel of the distribution; not of kernel-rt or kernel-64k, which sort apart.
_RUNNING = r"^([0-9]+\.[0-9]+\.[0-9]+-[0-9.]+\.el[0-9]+[^+]*)\.(?:x86_64|aarch64|ppc64le|s390x)$"
_EARLIER = " is earlier than "
_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    f'<oval_definitions xmlns="{NAMESPACE}"'
    ' xmlns:oval="http://oval.mitre.org/XMLSchema/oval-common-5"'
    f' xmlns:unix-def="{NAMESPACE}#unix"'
    f' xmlns:red-def="{NAMESPACE}#linux"'
    f' xmlns:ind-def="{NAMESPACE}#independent">\n'
)


def path(scope: Scope) -> str:
    """As the guide has it: `tuxcare/9.2/almalinux9.2-esu-oval.xml`."""
    return f"tuxcare/{scope.release}/{scope.slug}-oval.xml"


def definition_id(advisory: Advisory) -> str:
    """Numeric at its end, as scanners want it: `oval:com.tuxcare.clsa:def:2026001`."""
    match = re.fullmatch(r"[A-Z]+-([0-9]{4})[:-]([0-9]{1,12})", advisory.id)
    number = match[1] + match[2] if match else _number(advisory.id)
    return f"oval:{_authority(advisory.scope)}:def:{number}"


def write(
    scope: Scope, advisories: Sequence[Advisory], catalogue: Catalogue, issuer: Issuer
) -> bytes:
    """The whole file; `advisories` are the security advisories of the scope."""
    document = _Document(scope)
    definitions = [document.definition(a, catalogue, issuer) for a in advisories]
    newest = max((a.updated for a in advisories), default=0)
    parts = [
        _HEAD,
        "<generator>\n",
        f"<oval:product_name>{escape(plain(issuer.name))} advisories</oval:product_name>\n",
        "<oval:schema_version>5.10</oval:schema_version>\n",
        f"<oval:timestamp>{stamp(newest).rstrip('Z')}</oval:timestamp>\n",
        "</generator>\n",
        _section("definitions", definitions),
        *(_section(name, sorted(found.values())) for name, found in document.sections.items()),
        "</oval_definitions>\n",
    ]
    return "".join(parts).encode()


def read(data: bytes) -> dict[str, Claim]:
    """What the definitions test, by advisory: names, EVRs and arches of their states."""
    root = ElementTree.fromstring(data)  # noqa: S314 - our own
    names = {
        element.get("id", ""): element.findtext(f"{_LINUX}name") or ""
        for element in root.iter(f"{_LINUX}rpminfo_object")
    }
    states = {
        element.get("id", ""): (
            element.findtext(f"{_LINUX}evr") or "",
            _arches(element.findtext(f"{_LINUX}arch") or ""),
        )
        for element in root.iter(f"{_LINUX}rpminfo_state")
    }
    tests = {}
    for element in root.iter(f"{_LINUX}rpminfo_test"):
        target = element.find(f"{_LINUX}object")
        state = element.find(f"{_LINUX}state")
        if target is not None and state is not None:
            name = names[target.get("object_ref", "")]
            evr, arches = states[state.get("state_ref", "")]
            tests[element.get("id", "")] = {f"{name}-{evr}.{arch}" for arch in arches}
    found = {}
    for definition in root.iter(f"{_DEFINITIONS}definition"):
        packages: set[str] = set()
        for criterion in definition.iter(f"{_DEFINITIONS}criterion"):
            packages |= tests.get(criterion.get("test_ref", ""), set())
        references = [
            (reference.get("source"), reference.get("ref_id", ""))
            for reference in definition.iter(f"{_DEFINITIONS}reference")
        ]
        cves = frozenset(name for source, name in references if source == "CVE")
        [own] = {name for source, name in references if source != "CVE"}
        found[own] = Claim(cves, frozenset(packages))
    return found


def _arches(pattern: str) -> list[str]:
    match = re.fullmatch(r"\^\(\?:([a-z0-9_|]+)\)\$", pattern)
    return match[1].split("|") if match else []


def _number(*values: object) -> str:
    """Stable digits for a thing, so that others coming and going rename nothing."""
    digest = hashlib.sha256("\0".join(map(str, values)).encode()).hexdigest()
    return str(int(digest[:15], 16))


def _authority(scope: Scope) -> str:
    return "org.almalinux.alsa" if scope.product == ESSENTIAL else "com.tuxcare.clsa"


def _section(name: str, elements: Sequence[str]) -> str:
    return f"<{name}>\n{''.join(elements)}</{name}>\n" if elements else ""


class _Document:
    """Collects tests, objects, states and variables, each once."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.sections: dict[str, dict[str, str]] = {
            "tests": {}, "objects": {}, "states": {}, "variables": {},
        }  # fmt: skip

    def definition(self, advisory: Advisory, catalogue: Catalogue, issuer: Issuer) -> str:
        version = advisory.version if re.fullmatch("[0-9]{1,9}", advisory.version) else "1"
        return (
            f'<definition id="{definition_id(advisory)}" version="{int(version)}" class="patch">\n'
            f"{_metadata(advisory, catalogue, issuer)}{self._criteria(advisory)}</definition>\n"
        )

    def _criteria(self, advisory: Advisory) -> str:
        by_module: dict[Module | None, list[FixedPackage]] = {}
        for package in advisory.packages:
            by_module.setdefault(package.module, []).append(package)
        choices: list[str] = []
        for module, packages in by_module.items():
            tests = self._packages(packages)
            choices += [self._modular(module, tests)] if module else tests
        choices += self._running(advisory)
        gate = self._gate()
        return _group("AND", [gate, _group("OR", choices)])

    def _packages(self, packages: Sequence[FixedPackage]) -> list[str]:
        """A criterion a name and EVR; arches share it."""
        arches: dict[tuple[str, str], set[str]] = {}
        for package in packages:
            arches.setdefault((package.name, package.evr), set()).add(package.arch)
        return [self._earlier(name, evr, found) for (name, evr), found in sorted(arches.items())]

    def _earlier(self, name: str, evr: str, arches: set[str]) -> str:
        comment = f"{name}{_EARLIER}{evr}"
        # Kernels stay beside each other: while one of them is fixed, the others are not at work.
        check = "all" if INSTALLONLY.fullmatch(name) else "at least one"
        obj = self._add(
            "objects", "red-def:rpminfo_object", f"<red-def:name>{escape(name)}</red-def:name>"
        )
        pattern = f"^(?:{'|'.join(sorted(arches))})$"
        state = self._add(
            "states",
            "red-def:rpminfo_state",
            f'<red-def:arch operation="pattern match">{pattern}</red-def:arch>'
            f'<red-def:evr datatype="evr_string" operation="less than">{escape(evr)}</red-def:evr>',
        )
        return self._test("red-def:rpminfo_test", check, comment, obj, state)

    def _modular(self, module: Module, tests: list[str]) -> str:
        obj = self._add(
            "objects",
            "ind-def:textfilecontent54_object",
            f"<ind-def:filepath>/etc/dnf/modules.d/{escape(module.name)}.module</ind-def:filepath>"
            f'<ind-def:pattern operation="pattern match">\\[{_literal(module.name)}\\][\\w\\W]*'
            '</ind-def:pattern><ind-def:instance datatype="int">1</ind-def:instance>',
        )
        stream = rf"\nstream\s*=\s*&quot;?{_literal(module.stream)}&quot;?\s*(\n|$)"
        state = r"\nstate\s*=\s*(enabled|1|true)\b"
        enabled = self._add(
            "states",
            "ind-def:textfilecontent54_state",
            f'<ind-def:text operation="pattern match">(?=[\\w\\W]*{stream})(?=[\\w\\W]*{state})'
            "</ind-def:text>",
        )
        comment = f"Module {module.name_stream} is enabled"
        test = self._test("ind-def:textfilecontent54_test", "all", comment, obj, enabled)
        return _group("AND", [test, _group("OR", tests)])

    def _running(self, advisory: Advisory) -> list[str]:
        """Of an advisory about the kernel: what runs is older, whatever is installed."""
        core = [p for p in advisory.packages if p.name in (f"{KERNEL}-core", KERNEL)]
        core.sort(key=lambda package: package.name, reverse=True)
        if not core:
            return []
        found = []
        for evr in sorted({p.evr for p in core if p.name == core[0].name}):
            uname = self._add("objects", "unix-def:uname_object", "")
            ours = self._add(
                "states",
                "unix-def:uname_state",
                f'<unix-def:os_release operation="pattern match">{_RUNNING}</unix-def:os_release>',
            )
            variable = self._variable(uname)
            release = self._add(
                "objects",
                "ind-def:variable_object",
                f"<ind-def:var_ref>{variable}</ind-def:var_ref>",
            )
            earlier = self._add(
                "states",
                "ind-def:variable_state",
                '<ind-def:value datatype="evr_string" operation="less than">'
                f"{escape(evr)}</ind-def:value>",
            )
            comment = f"{KERNEL} earlier than {evr} is currently running"
            found.append(
                _group(
                    "AND",
                    [
                        self._test(
                            "unix-def:uname_test",
                            "at least one",
                            "a kernel of the distribution is running",
                            uname,
                            ours,
                        ),
                        self._test(
                            "ind-def:variable_test", "at least one", comment, release, earlier
                        ),
                    ],
                )
            )
        return found

    def _variable(self, uname: str) -> str:
        """The running kernel as an EVR."""
        return self._add(
            "variables",
            "local_variable",
            f'<concat><literal_component>0:</literal_component><regex_capture pattern="{_RUNNING}">'
            f'<object_component object_ref="{uname}" item_field="os_release"/>'
            "</regex_capture></concat>",
            ' datatype="evr_string" comment="version of the running kernel"',
        )

    def _gate(self) -> str:
        """By who owns /etc/almalinux-release; 9.2 is no 9.20, and 9 is every 9."""
        release = self._scope.release
        end = r"(?:[^\d]|$)" if "." in release else r"[^\d]"
        empty = "".join(
            f'<red-def:{name} operation="pattern match"/>'
            for name in ("name", "epoch", "version", "release", "arch")
        )
        behaviors = " ".join(
            f'{name}="true"'
            for name in (
                "nolinkto", "nomd5", "nosize", "nouser", "nogroup", "nomtime", "nomode", "nordev",
                "noconfigfiles", "noghostfiles",
            )
        )  # fmt: skip
        owner = self._add(
            "objects",
            "red-def:rpmverifyfile_object",
            f"<red-def:behaviors {behaviors}/>{empty}"
            f"<red-def:filepath>/etc/{UPSTREAM}-release</red-def:filepath>",
        )
        state = self._add(
            "states",
            "red-def:rpmverifyfile_state",
            f'<red-def:name operation="pattern match">^{UPSTREAM}-release</red-def:name>'
            f'<red-def:version operation="pattern match">^{_literal(release)}{end}'
            "</red-def:version>",
        )
        comment = f"AlmaLinux {release} is installed"
        return self._test("red-def:rpmverifyfile_test", "at least one", comment, owner, state)

    def _test(self, kind: str, check: str, comment: str, obj: str, state: str) -> str:
        """Its criterion."""
        prefix = kind.partition(":")[0]
        test = self._add(
            "tests",
            kind,
            f'<{prefix}:object object_ref="{obj}"/><{prefix}:state state_ref="{state}"/>',
            f' check="{check}" comment={quoteattr(comment)}',
        )
        return f'<criterion test_ref="{test}" comment={quoteattr(comment)}/>\n'

    def _add(self, section: str, kind: str, body: str, attributes: str = "") -> str:
        """The id of an element; the same content is there once."""
        letters = {"tests": "tst", "objects": "obj", "states": "ste", "variables": "var"}
        number = _number(kind, attributes, body)
        name = f"oval:{_authority(self._scope)}:{letters[section]}:{number}"
        self.sections[section][name] = (
            f'<{kind} id="{name}" version="1"{attributes}>{body}</{kind}>\n'
        )
        return name


def _group(operator: str, criteria: Sequence[str]) -> str:
    return f'<criteria operator="{operator}">\n{"".join(criteria)}</criteria>\n'


def _literal(text: str) -> str:
    """As a regular expression, in XML."""
    return escape(re.sub(r"([^A-Za-z0-9_])", r"\\\1", text))


def _metadata(advisory: Advisory, catalogue: Catalogue, issuer: Issuer) -> str:
    scope = advisory.scope
    source = advisory.id.partition("-")[0]
    page = advisory_url(issuer, advisory.id)
    title = f"{advisory.id}: {advisory.title} ({advisory.severity})"
    references = [(source, advisory.id, page), *(("CVE", c, cve_url(c)) for c in advisory.cves)]
    lines = [
        "<metadata>",
        f"<title>{escape(plain(title))}</title>",
        '<affected family="unix">',
        f"<platform>AlmaLinux {escape(scope.release)}</platform>",
        "</affected>",
        *(
            f"<reference source={quoteattr(s)} ref_id={quoteattr(i)} ref_url={quoteattr(url)}/>"
            for s, i, url in references
        ),
        f"<description>{escape(plain(advisory.description or advisory.title))}</description>",
        f"<advisory from={quoteattr(plain(advisory.publisher or issuer.contact or issuer.name))}>",
        f"<severity>{advisory.severity}</severity>",
        f"<rights>{escape(plain(advisory.rights))}</rights>",
        f'<issued date="{day(advisory.issued)}"/>',
        f'<updated date="{day(advisory.updated)}"/>',
        "<affected_cpe_list>",
        *(f"<cpe>{cpe}</cpe>" for cpe in _cpes(advisory)),
        "</affected_cpe_list>",
        *(
            f"<bugzilla href={quoteattr(plain(r.url))} id={quoteattr(plain(r.id))}/>"
            for r in advisory.references
            if r.kind == "bugzilla"
        ),
        *(_cve(cve, catalogue) for cve in advisory.cves),
        "</advisory>",
        "</metadata>",
        "",
    ]
    return "\n".join(lines)


def _cpes(advisory: Advisory) -> list[str]:
    """The release's, and its repositories', as AlmaLinux names them."""
    release = advisory.scope.release
    found = [f"cpe:/o:{UPSTREAM}:{UPSTREAM}:{release}"]
    repositories = {p.repository.partition("/")[0].lower() for p in advisory.packages}
    if advisory.scope.product == ESSENTIAL:
        found += [f"cpe:/a:{UPSTREAM}:{UPSTREAM}:{release}::{r}" for r in sorted(repositories) if r]
    return found


def _cve(name: str, catalogue: Catalogue) -> str:
    cve = catalogue.cve(name)
    verdict = cve.verdict
    attributes = [f"href={quoteattr(cve_url(name))}"]
    if cve.disclosed is not None:
        attributes.append(f'public="{day(cve.disclosed).replace("-", "")}"')
    if verdict.score is not None:
        attributes.append(f'impact="{verdict.severity}"')
        score = f"{verdict.score}/{verdict.vector}" if verdict.vector else str(verdict.score)
        attributes.append(f"cvss3={quoteattr(score)}")
    if cve.cwes:
        attributes.append(f"cwe={quoteattr(' '.join(cve.cwes))}")
    return f"<cve {' '.join(attributes)}>{name}</cve>"
