"""OVAL system characteristics of a host, so that a scanner judges it without access to it.

For each object that the definitions ask about, the items that the host has, as the scanner's own
probes would have found them (OVAL 5.10, schema linux, independent and unix). What is not known
of the host is `not collected`: the scanner then answers "unknown" where it matters, never "not
affected".

OpenSCAP 1.3 loses the element after one that closes itself, so that no `<object/>` is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from ..errors import VerificationError
from .host import RELEASE_PACKAGE, Host, Installed

_DEFINITIONS = "http://oval.mitre.org/XMLSchema/oval-definitions-5"
_CHARACTERISTICS = "http://oval.mitre.org/XMLSchema/oval-system-characteristics-5"
_RELEASE_FILE = "/etc/almalinux-release"
_MODULES = "/etc/dnf/modules.d/"
# What OVAL allows beside `equals` and these is not met in definitions about packages.
_OPERATIONS = ("equals", "pattern match")

_HEAD = f"""<?xml version="1.0" encoding="UTF-8"?>
<oval_system_characteristics xmlns="{_CHARACTERISTICS}"
 xmlns:oval="http://oval.mitre.org/XMLSchema/oval-common-5"
 xmlns:linux="{_CHARACTERISTICS}#linux"
 xmlns:ind="{_CHARACTERISTICS}#independent"
 xmlns:unix="{_CHARACTERISTICS}#unix">
<generator>
<oval:product_name>tuxmirror</oval:product_name>
<oval:schema_version>5.10</oval:schema_version>
<oval:timestamp>1970-01-01T00:00:00</oval:timestamp>
</generator>
"""


class _Collected(NamedTuple):
    """What an object found: items without their id; None where it could not look."""

    items: list[str] | None


class Characteristics(NamedTuple):
    """`packages` are by the id of their item; `not_collected` are object ids and what each asks."""

    data: bytes
    packages: dict[str, Installed]
    not_collected: dict[str, str]


def describe(definitions: bytes, host: Host, path: str) -> Characteristics:
    """What the host answers to the definitions; every package has an epoch.

    Raises:
        VerificationError: not OVAL definitions, or with a DOCTYPE; `path` names the file.
    """
    root = parse(definitions, path)
    collector = _Collector(host, _kernel_variables(root))
    objects = []
    for element in root.iterfind(f"{{{_DEFINITIONS}}}objects/*"):
        identity = element.get("id", "")
        flag, references = collector.collect(identity, element)
        version = element.get("version", "1")
        attributes = f"id={quoteattr(identity)} version={quoteattr(version)} flag={quoteattr(flag)}"
        lines = "".join(f'<reference item_ref="{number}"/>\n' for number in references)
        objects.append(f"<object {attributes}>\n{lines}</object>\n")
    body = (
        f"{_HEAD}<system_info>\n<os_name>AlmaLinux</os_name>\n"
        f"<os_version>{escape(host.release or 'unknown')}</os_version>\n"
        f"<architecture>{escape(host.arch)}</architecture>\n"
        f"<primary_host_name>{escape(host.name)}</primary_host_name>\n"
        "<interfaces>\n</interfaces>\n</system_info>\n"
        f"<collected_objects>\n{''.join(objects)}</collected_objects>\n"
        f"<system_data>\n{''.join(collector.items)}</system_data>\n</oval_system_characteristics>\n"
    )
    return Characteristics(body.encode(), collector.packages, collector.not_collected)


def parse(definitions: bytes, path: str) -> ElementTree.Element:
    """OVAL definitions; `path` names the file in errors.

    Raises:
        VerificationError: they are none, or have a DOCTYPE.
    """
    if re.search(rb"<!(DOCTYPE|ENTITY)", definitions):
        raise VerificationError("has a DOCTYPE", expected="plain OVAL definitions", path=path)
    try:
        root = ElementTree.fromstring(definitions)  # noqa: S314 - no DOCTYPE, see above
    except ElementTree.ParseError as error:
        raise VerificationError(f"not XML: {error}", path=path) from None
    if root.tag != f"{{{_DEFINITIONS}}}oval_definitions":
        raise VerificationError(
            "not OVAL definitions", expected="<oval_definitions>", found=root.tag, path=path
        )
    return root


def _kernel_variables(root: ElementTree.Element) -> dict[str, tuple[str, str]]:
    """Variables that are a prefix and a part of what `uname -r` says: both, by id."""
    unames = {e.get("id") for e in root.iter() if _tag(e) == "uname_object"}
    found = {}
    for variable in root.iterfind(f"{{{_DEFINITIONS}}}variables/{{{_DEFINITIONS}}}local_variable"):
        parts = [part for part in variable.iter() if part is not variable]
        if [_tag(part) for part in parts] == [
            "concat", "literal_component", "regex_capture", "object_component",
        ]:  # fmt: skip
            _, literal, capture, component = parts
            asked = component.get("object_ref"), component.get("item_field")
            if asked[0] in unames and asked[1] == "os_release":
                found[variable.get("id", "")] = (literal.text or "", capture.get("pattern", ""))
    return found


class _Collector:
    """Answers objects; items are shared between those that find the same."""

    def __init__(self, host: Host, variables: Mapping[str, tuple[str, str]]) -> None:
        self._host = host
        self._variables = variables
        self._by_name: dict[str, list[Installed]] = {}
        for package in host.packages:
            self._by_name.setdefault(package.name, []).append(package)
        self._numbers: dict[str, int] = {}
        self.items: list[str] = []
        self.packages: dict[str, Installed] = {}
        self.not_collected: dict[str, str] = {}

    def collect(self, identity: str, element: ElementTree.Element) -> tuple[str, list[int]]:
        """The object's flag and the numbers of its items."""
        kind = element.tag.rpartition("}")[2]
        answer = {
            "rpminfo_object": self._rpminfo,
            "rpmverifyfile_object": self._owner,
            "textfilecontent54_object": self._module,
            "uname_object": self._uname,
            "variable_object": self._variable,
        }.get(kind)
        numbers = answer(element) if answer else None
        if numbers is None:
            self.not_collected[identity] = _asks(kind, element)
            return "not collected", []
        return ("complete" if numbers else "does not exist"), numbers

    def _number(self, item: str) -> int:
        """The item's id; `item` has {} in its place."""
        number = self._numbers.get(item)
        if number is None:
            number = self._numbers[item] = len(self._numbers) + 1
            self.items.append(item.replace("{}", str(number), 1))
        return number

    def _rpminfo(self, element: ElementTree.Element) -> list[int] | None:
        name = _entity(element, "name")
        if name is None or len([child for child in element if _tag(child) != "behaviors"]) != 1:
            return None
        numbers = []
        for package in self._named(*name):
            number = self._number(_rpminfo_item(package))
            self.packages[str(number)] = package
            numbers.append(number)
        return numbers

    def _named(self, operation: str, value: str) -> Iterable[Installed]:
        if operation == "equals":
            return self._by_name.get(value, [])
        pattern = re.compile(value)
        return [p for n, found in self._by_name.items() if pattern.search(n) for p in found]

    def _owner(self, element: ElementTree.Element) -> list[int] | None:
        """Who owns /etc/almalinux-release; a list of packages tells of no other file."""
        if _entity(element, "filepath") != ("equals", _RELEASE_FILE):
            return None
        owners = self._by_name.get(RELEASE_PACKAGE, [])
        return [self._number(_rpmverifyfile_item(package)) for package in owners]

    def _module(self, element: ElementTree.Element) -> list[int] | None:
        path, pattern = _entity(element, "filepath"), _entity(element, "pattern")
        instance = _entity(element, "instance")
        if not path or path[0] != "equals" or not path[1].startswith(_MODULES):
            return None
        if not pattern or pattern[0] != "pattern match" or instance != ("equals", "1"):
            return None
        text = self._host.modules.get(path[1][len(_MODULES) :])
        if text is None:
            return [] if self._host.modules_complete else None
        match = re.search(pattern[1], text, re.MULTILINE)
        return [self._number(_text_item(path[1], pattern[1], match[0]))] if match else []

    def _uname(self, _element: ElementTree.Element) -> list[int] | None:
        if self._host.running_kernel is None:
            return None
        return [self._number(_uname_item(self._host))]

    def _variable(self, element: ElementTree.Element) -> list[int] | None:
        """The running kernel's version; nothing of it where the pattern is another kernel's."""
        name = (element[0].text or "") if len(element) == 1 else ""
        if self._host.running_kernel is None or name not in self._variables:
            return None
        prefix, pattern = self._variables[name]
        match = re.search(pattern, self._host.running_kernel)
        value = prefix + (match[1] if match else "")
        return [
            self._number(_item("ind:variable_item", [("var_ref", "", name), ("value", "", value)]))
        ]


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _entity(element: ElementTree.Element, name: str) -> tuple[str, str] | None:
    """Operation and value; None for what is not there or asks for more than we can answer."""
    for child in element:
        if _tag(child) == name:
            operation = child.get("operation", "equals")
            if operation not in _OPERATIONS or child.get("var_ref"):
                return None
            return operation, child.text or ""
    return None


def _asks(kind: str, element: ElementTree.Element) -> str:
    values = [child.text for child in element if child.text and child.text.strip()]
    return f"{kind.replace('_object', '')} {' '.join(values[:1])}".strip()


def _item(kind: str, fields: Iterable[tuple[str, str, str]]) -> str:
    prefix = kind.partition(":")[0]
    lines = "".join(
        f"<{prefix}:{name}{attributes}>{escape(value)}</{prefix}:{name}>\n"
        for name, attributes, value in fields
    )
    return f'<{kind} id="{{}}">\n{lines}</{kind}>\n'


def _epoch(package: Installed) -> str:
    # OpenSCAP's probe says (none) where the header has no epoch; 0 stands for both.
    return str(package.epoch) if package.epoch else "(none)"


def _rpminfo_item(package: Installed) -> str:
    evr = f"{package.epoch or 0}:{package.version}-{package.release}"
    key = ("signature_keyid", "", package.key)
    return _item(
        "linux:rpminfo_item",
        [
            ("name", "", package.name),
            ("arch", "", package.arch),
            ("epoch", "", _epoch(package)),
            ("release", "", package.release),
            ("version", "", package.version),
            ("evr", ' datatype="evr_string"', evr),
            key if package.key else ("signature_keyid", ' status="not collected"', ""),  # type: ignore[list-item]
        ],
    )


def _rpmverifyfile_item(package: Installed) -> str:
    return _item(
        "linux:rpmverifyfile_item",
        [
            ("name", "", package.name),
            ("epoch", "", _epoch(package)),
            ("version", "", package.version),
            ("release", "", package.release),
            ("arch", "", package.arch),
            ("filepath", "", _RELEASE_FILE),
        ],
    )


def _text_item(path: str, pattern: str, text: str) -> str:
    folder, _, name = path.rpartition("/")
    return _item(
        "ind:textfilecontent_item",
        [
            ("filepath", "", path),
            ("path", "", folder),
            ("filename", "", name),
            ("pattern", "", pattern),
            ("instance", ' datatype="int"', "1"),
            ("text", "", text),
        ],
    )


def _uname_item(host: Host) -> str:
    return _item(
        "unix:uname_item",
        [
            ("machine_type", "", host.arch),
            ("node_name", "", host.name),
            ("os_name", "", "Linux"),
            ("os_release", "", host.running_kernel or ""),
            ("os_version", "", ""),
            ("processor_type", "", host.arch),
        ],
    )
