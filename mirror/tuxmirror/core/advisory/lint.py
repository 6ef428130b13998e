"""What a scanner would silently get wrong in a file of OVAL patch definitions, whoever wrote it.

Errors decide wrongly, or not at all, on some host; warnings do under conditions that are common.
Each rule has a name, and says in how many places it was broken.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree import ElementTree

from ..audit.characteristics import parse
from .formats.oval import INSTALLONLY, KERNEL, NAMESPACE

ERROR, WARNING = "error", "warning"
_COMMENT = re.compile(r"(\S+) is earlier than (\S+)")
_ID = re.compile(r"oval:[A-Za-z0-9_.-]+:(def|tst|obj|ste|var):[1-9][0-9]*")
_ANCHORED = re.compile(r"\^(\([^()]*\)|[A-Za-z0-9_]+)\$")
_SECTIONS = ("definitions", "tests", "objects", "states", "variables")
_SHOWN = 3

RULES = {
    "evr-without-epoch": (ERROR, "an EVR without an epoch compares with nothing: always false"),
    "evr-datatype": (ERROR, "an EVR that is not compared as evr_string"),
    "evr-operation": (WARNING, "a test for a fix compares otherwise than 'less than'"),
    "epoch-lost": (ERROR, "the comment has another epoch than what is compared"),
    "comment": (WARNING, "the comment names another package or version than what is compared"),
    "arch-missing": (WARNING, "without an arch a stale package of another one decides"),
    "arch-unanchored": (WARNING, "an arch pattern that matches parts of other arches"),
    "signature-gate": (
        WARNING,
        "asks for a signature: scanners before OpenSCAP 1.3.11 do not see all, and answer false",
    ),
    "dangling": (ERROR, "refers to something that is not in the file"),
    "duplicate-id": (ERROR, "an id that is there twice"),
    "duplicate-advisory": (ERROR, "an advisory with two definitions"),
    "malformed-id": (ERROR, "an id that scanners do not take"),
    "no-packages": (WARNING, "a definition that looks at no package"),
    "no-release-gate": (WARNING, "a definition that does not ask for the release"),
    "kernel-running": (WARNING, "a kernel's definition that does not look at the running one"),
    "kernel-installed": (
        WARNING,
        "true while any old kernel is installed, though another one runs",
    ),
    "module-gate": (WARNING, "modular packages without a look at which stream is enabled"),
}


class Complaint(NamedTuple):
    """A rule that was broken: how often, and where first."""

    rule: str
    level: str
    message: str
    times: int
    examples: tuple[str, ...]


def lint(data: bytes, path: str) -> list[Complaint]:
    """Errors first.

    Raises:
        VerificationError: not OVAL definitions.
    """
    broken: dict[str, list[str]] = {}
    for rule, where in _Linter(parse(data, path)).run():
        broken.setdefault(rule, []).append(where)
    found = [
        Complaint(rule, *RULES[rule], len(places), tuple(dict.fromkeys(places))[:_SHOWN])
        for rule, places in broken.items()
    ]
    return sorted(found, key=lambda c: (c.level != ERROR, c.rule))


class _Test(NamedTuple):
    element: ElementTree.Element
    object: ElementTree.Element | None
    states: list[ElementTree.Element]


_Broken = Iterator[tuple[str, str]]


class _Linter:
    def __init__(self, root: ElementTree.Element) -> None:
        self._sections = {
            name: [e for s in root.iterfind(f"{{{NAMESPACE}}}{name}") for e in s]
            for name in _SECTIONS
        }
        self._by_id = {e.get("id", ""): e for found in self._sections.values() for e in found}
        self._tests: dict[str, _Test] = {}

    def run(self) -> _Broken:
        yield from self._ids()
        for element in self._sections["tests"]:
            yield from self._test(element)
        advisories: Counter[str] = Counter()
        for definition in self._sections["definitions"]:
            yield from self._definition(definition)
            advisories.update(_advisories(definition))
        for name, count in advisories.items():
            if count > 1:
                yield "duplicate-advisory", name

    def _ids(self) -> _Broken:
        seen = Counter(e.get("id", "") for found in self._sections.values() for e in found)
        for name, count in seen.items():
            if count > 1:
                yield "duplicate-id", name
            if not _ID.fullmatch(name):
                yield "malformed-id", name

    def _test(self, element: ElementTree.Element) -> _Broken:
        name = element.get("id", "")
        target, states = None, []
        for child in element:
            reference = child.get("object_ref") or child.get("state_ref") or ""
            found = self._by_id.get(reference)
            if found is None:
                yield "dangling", f"{name} -> {reference}"
            elif _tag(child) == "object":
                target = found
            else:
                states.append(found)
        self._tests[name] = test = _Test(element, target, states)
        if _tag(element) == "rpminfo_test":
            yield from self._rpminfo(name, test)

    def _rpminfo(self, name: str, test: _Test) -> _Broken:
        evrs = [child for state in test.states for child in state if _tag(child) == "evr"]
        package = _text(test.object, "name") if test.object is not None else ""
        for evr in evrs:
            text = evr.text or ""
            if not re.match(r"\d+:", text):
                yield "evr-without-epoch", f"{name}: {package} {text}"
            if evr.get("datatype") != "evr_string":
                yield "evr-datatype", name
            if evr.get("operation") != "less than":
                yield "evr-operation", f"{name}: {evr.get('operation', 'equals')}"
            yield from _compare_comment(name, test.element.get("comment", ""), package, text)
        if evrs:
            yield from _arches(name, test.states)

    def _definition(self, definition: ElementTree.Element) -> _Broken:
        name = definition.get("id", "")
        tests = []
        for criterion in definition.iter(f"{{{NAMESPACE}}}criterion"):
            reference = criterion.get("test_ref", "")
            if reference in self._tests:
                tests.append(self._tests[reference])
            else:
                yield "dangling", f"{name} -> {reference}"
        fixes = [test for test in tests if _fixes(test)]
        packages = {_text(test.object, "name") for test in fixes if test.object is not None}
        kinds = {_tag(test.element) for test in tests}
        if not fixes:
            yield "no-packages", name
        if not kinds & {"rpmverifyfile_test", "family_test"} and not any(map(_is_gate, tests)):
            yield "no-release-gate", name
        if any(_tag(c) == "signature_keyid" for t in tests for s in t.states for c in s):
            yield "signature-gate", name
        modular = any(".module" in _text(s, "evr") for t in fixes for s in t.states)
        if modular and "textfilecontent54_test" not in kinds:
            yield "module-gate", name
        if packages & {KERNEL, f"{KERNEL}-core"}:
            if not kinds & {"uname_test", "variable_test"}:
                yield "kernel-running", name
            if any(_any_installed(test) for test in fixes):
                yield "kernel-installed", name


def _compare_comment(test: str, comment: str, package: str, evr: str) -> _Broken:
    match = _COMMENT.fullmatch(comment.strip())
    if match is None:
        return
    said = match[2]
    if said.partition(":")[0] != evr.partition(":")[0] and ":" in said:
        yield "epoch-lost", f"{test}: {comment}, compared with {evr}"
    elif (match[1], said) != (package, evr):
        yield "comment", f"{test}: {comment}, compared with {evr}"


def _arches(test: str, states: list[ElementTree.Element]) -> _Broken:
    arches = [child for state in states for child in state if _tag(child) == "arch"]
    if not arches:
        yield "arch-missing", test
    for arch in arches:
        pattern = arch.text or ""
        if arch.get("operation") == "pattern match" and not _ANCHORED.fullmatch(pattern):
            yield "arch-unanchored", f"{test}: {pattern}"


def _advisories(definition: ElementTree.Element) -> set[str]:
    """The ids it is for; what it was taken from (RHSA) may be shared."""
    references = definition.iter(f"{{{NAMESPACE}}}reference")
    found = {r.get("ref_id", "") for r in references if r.get("source") not in ("CVE", "RHSA")}
    title = _text(definition.find(f"{{{NAMESPACE}}}metadata"), "title")
    return {name for name in found if name in title}


def _fixes(test: _Test) -> bool:
    return any(_tag(child) == "evr" for state in test.states for child in state)


def _is_gate(test: _Test) -> bool:
    """A test of a package that tells the release."""
    return test.object is not None and _text(test.object, "name").endswith("-release")


def _any_installed(test: _Test) -> bool:
    name = _text(test.object, "name") if test.object is not None else ""
    return bool(INSTALLONLY.fullmatch(name)) and test.element.get("check") != "all"


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _text(element: ElementTree.Element | None, name: str) -> str:
    for child in element if element is not None else ():
        if _tag(child) == name:
            return child.text or ""
    return ""
