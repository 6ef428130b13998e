"""modules.yaml: the documents of a repository, each as it stands there.

Source of the format: libmodulemd's modulemd v1 and v2; defaults, obsoletes and translations are
kept as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml

from ..core.errors import MetadataError
from ..core.policy.builds import ModuleBuild, ModuleNeed

# No block scalar can hold such a line, so documents can be told apart as text.
_START = re.compile(rb"^---(?=\s|$)", re.MULTILINE)
# Wherever there is an alias or an anchor, these match; and elsewhere.
_ALIAS = re.compile(rb"\*[^\s*]")
_ANCHOR = re.compile(rb"&[^\s&]")
# What can open lists and mappings at the beginning of a line.
_INDENT = re.compile(rb"^[ \t?:-]+", re.MULTILINE)
_HARMLESS = 500
_DEEPEST = 64


class Document(NamedTuple):
    """`build` is None for what is no version of a stream."""

    text: bytes
    build: ModuleBuild | None


def documents(data: bytes, repository: str) -> list[Document]:
    """In their order. Raises MetadataError where one of them cannot be understood."""
    return [Document(text, _build(text, repository)) for text in _split(data)]


def _split(data: bytes) -> Iterator[bytes]:
    starts = [match.start() for match in _START.finditer(data)]
    if data[: starts[0] if starts else len(data)].strip():
        starts.insert(0, 0)
    for start, end in zip(starts, [*starts[1:], len(data)]):
        text = data[start:end]
        yield text if text.endswith(b"\n") else text + b"\n"


def _check_bounds(text: bytes) -> None:
    """A few aliases of aliases make a document of any size, and a deep one crashes libyaml's
    composer; libmodulemd writes neither.

    Raises:
        ValueError, yaml.YAMLError.
    """
    openers = text.count(b"[") + text.count(b"{")
    indented = max(map(len, _INDENT.findall(text)), default=0)
    if not (_ALIAS.search(text) and _ANCHOR.search(text)) and openers + indented < _HARMLESS:
        return
    # Descriptions hold such characters, too: only the parser can tell.
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("an alias, which makes documents grow without bounds")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise ValueError(f"more than {_DEEPEST} lists and mappings inside each other")


def _build(text: bytes, repository: str) -> ModuleBuild | None:
    try:
        _check_bounds(text)
        document = yaml.load(text, Loader=_LOADER)  # noqa: S506 - a safe loader, in C where it is
        if document is None:
            return None
        if document["document"] != "modulemd":
            return None
        data = document["data"]
        return ModuleBuild(
            repository=repository,
            name=str(data["name"]),
            stream=str(data["stream"]),
            version=int(data["version"]),
            context=str(data.get("context", "")),
            arch=str(data.get("arch", "")),
            artifacts=frozenset(map(str, (data.get("artifacts") or {}).get("rpms") or ())),
            requires=frozenset(_required(data)),
        )
    except (
        yaml.YAMLError,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        RecursionError,
    ) as error:
        raise MetadataError(
            "modules: a document that cannot be understood",
            expected="modulemd as libmodulemd writes it",
            found=str(error).replace("\n", " ")[:200],
            repository=repository,
        ) from None


def _required(data: Mapping[str, Any]) -> Iterator[ModuleNeed]:
    """What it needs of other modules; of the platform nothing is asked.

    A stream with a minus in front of it is one that does not do; no stream at all is any.
    """
    for dependency in data.get("dependencies") or ():
        if not isinstance(dependency, dict):
            continue
        for name, streams in (dependency.get("requires") or {}).items():
            if name == "platform":
                continue
            said = [str(stream) for stream in streams or ()]
            wanted = frozenset(stream for stream in said if not stream.startswith("-"))
            barred = frozenset(stream[1:] for stream in said if stream.startswith("-"))
            yield ModuleNeed(str(name), wanted or barred, not wanted and bool(barred))


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
