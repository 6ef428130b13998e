"""OpenSCAP's results, as far as an audit speaks of them.

    <definition definition_id=… result="true">      criteria below it carry their own results
    <test test_id=… result="true"><tested_item item_id="2" result="true"/></test>

A definition of class `patch` that is true means: the host lacks this patch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import NamedTuple
from xml.etree import ElementTree

from ..errors import VerificationError
from .host import Installed

_RESULTS = "{http://oval.mitre.org/XMLSchema/oval-results-5}"
_DEFINITIONS = "{http://oval.mitre.org/XMLSchema/oval-definitions-5}"
_EARLIER = " is earlier than "
TRUE, FALSE = "true", "false"


class Evidence(NamedTuple):
    """An installed build that is older than `fixed` (epoch:version-release)."""

    package: Installed
    fixed: str


class Finding(NamedTuple):
    """What OpenSCAP said of a definition: `true`, `false`, `unknown`, `error`, ….

    `advisory` is the id in its title or references; `undecided` are the comments of the tests
    that could not be answered.
    """

    definition: str
    advisory: str
    title: str
    result: str
    evidence: tuple[Evidence, ...]
    undecided: tuple[str, ...]


class _Test(NamedTuple):
    result: str
    items: tuple[str, ...]


class _Described(NamedTuple):
    title: str
    advisory: str


def findings(results: bytes, packages: Mapping[str, Installed]) -> list[Finding]:
    """All definitions, in the order of the results.

    Args:
        packages: by item id, as `characteristics.describe` gave them.

    Raises:
        VerificationError: not OVAL results.
    """
    described: dict[str, _Described] = {}
    comments: dict[str, str] = {}
    tests: dict[str, _Test] = {}
    judged: list[tuple[str, str, list[tuple[str, str]]]] = []
    try:
        for element in _elements(results):
            if element.tag == _DEFINITIONS + "definition":
                described[element.get("id", "")] = _description(element)
            elif element.tag == _RESULTS + "definition":
                leaves = [
                    (c.get("test_ref", ""), c.get("result", ""))
                    for c in element.iter(_RESULTS + "criterion")
                ]
                judged.append(
                    (element.get("definition_id", ""), element.get("result", "error"), leaves)
                )
            elif element.tag == _RESULTS + "test":
                tests[element.get("test_id", "")] = _test(element)
            elif element.tag.endswith("_test"):
                comments[element.get("id", "")] = element.get("comment", "")
            else:
                continue
            element.clear()
    except ElementTree.ParseError as error:
        raise VerificationError(f"the scanner's results are not XML: {error}") from None
    return [
        _finding(name, result, leaves, described, comments, tests, packages)
        for name, result, leaves in judged
    ]


def _elements(results: bytes) -> Iterator[ElementTree.Element]:
    for _event, element in ElementTree.iterparse(BytesIO(results)):  # noqa: S314 - our own scanner
        yield element


def _description(element: ElementTree.Element) -> _Described:
    title = element.findtext(f"{_DEFINITIONS}metadata/{_DEFINITIONS}title") or ""
    references = element.iterfind(f"{_DEFINITIONS}metadata/{_DEFINITIONS}reference")
    own = [r.get("ref_id", "") for r in references if r.get("source") not in ("CVE", "RHSA")]
    return _Described(title, own[0] if own else title.partition(" ")[0].strip("[],:"))


def _test(element: ElementTree.Element) -> _Test:
    items = element.iterfind(_RESULTS + "tested_item")
    return _Test(
        element.get("result", ""),
        tuple(item.get("item_id", "") for item in items if item.get("result") == TRUE),
    )


def _finding(
    name: str,
    result: str,
    leaves: list[tuple[str, str]],
    described: Mapping[str, _Described],
    comments: Mapping[str, str],
    tests: Mapping[str, _Test],
    packages: Mapping[str, Installed],
) -> Finding:
    evidence: dict[Evidence, None] = {}
    undecided: dict[str, None] = {}
    for test, found in leaves if result != FALSE else ():
        comment = comments.get(test, test)
        if found not in (TRUE, FALSE):
            undecided[comment] = None
        if found == TRUE and _EARLIER in comment:
            fixed = comment.rpartition(_EARLIER)[2]
            for item in tests[test].items if test in tests else ():
                if item in packages:
                    evidence[Evidence(packages[item], fixed)] = None
    title, advisory = described.get(name, _Described("", name))
    return Finding(name, advisory, title, result, tuple(evidence), tuple(undecided))
