"""Folders of documents that people or programs write: YAML and JSON, read under limits.

YAML's own types are not used (a version 1.10 is no number, and no is no boolean), nor its anchors,
which can make a small file a large document.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import yaml

from ..core.advisory.documents import Node
from ..core.errors import AdvisoryError, ConfigError
from .files import storage_errors

_MAX_BYTES = 4 << 20
_MAX_DATA_BYTES = 1 << 30
_MAX_DEPTH = 20


class AdvisoryFolder:
    """See `ports.AdvisoryFiles`. Files lie anywhere below `root`, but not hidden."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def _files(self, suffixes: tuple[str, ...]) -> list[Path]:
        if not self._root.is_dir():
            raise ConfigError(f"{self._root}: no such directory")
        with storage_errors(self._root):
            return sorted(
                path
                for path in self._root.rglob("*")
                if path.suffix in suffixes
                and path.is_file()
                and not any(p.startswith(".") for p in path.relative_to(self._root).parts)
            )

    def fingerprint(self) -> str:
        sha = hashlib.sha256()
        for path in self._files((".yaml", ".yml", ".json")):
            with storage_errors(path):
                status = path.stat()
            name = path.relative_to(self._root)
            sha.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
        return sha.hexdigest()

    def nodes(self) -> Iterator[Node]:
        for path in self._files((".yaml", ".yml", ".json")):
            yield from self._nodes(path)

    def json(self) -> Iterator[tuple[str, bytes]]:
        for path in self._files((".json",)):
            yield str(path.relative_to(self._root)), self._read(path, _MAX_DATA_BYTES)

    def _read(self, path: Path, limit: int) -> bytes:
        with storage_errors(path):
            if path.stat().st_size > limit:
                raise AdvisoryError("too large", expected=f"at most {limit} bytes", path=str(path))
            return path.read_bytes()

    def _nodes(self, path: Path) -> Iterator[Node]:
        name = str(path.relative_to(self._root))
        try:
            text = self._read(path, _MAX_BYTES).decode()
        except UnicodeDecodeError as error:
            raise AdvisoryError("not UTF-8", found=str(error), path=name) from None
        if path.suffix == ".json":
            # Only white space can be a tab in JSON, and YAML does not indent by tabs.
            text = text.replace("\t", " ")
        try:
            for node in yaml.compose_all(text, Loader=_loader(name)):
                yield _node(node, name, 0)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            place = f"{name}:{mark.line + 1}" if mark else name
            found = getattr(error, "problem", None) or str(error)
            raise AdvisoryError("cannot be read as YAML", found=found, path=place) from None


def _loader(name: str) -> type[yaml.SafeLoader]:
    class Loader(yaml.SafeLoader):
        """Refuses aliases."""

        def compose_node(self, parent, index):  # type: ignore[no-untyped-def]
            if self.check_event(yaml.AliasEvent):
                line = self.peek_event().start_mark.line + 1
                raise AdvisoryError(
                    "an alias", expected="values written out", path=f"{name}:{line}"
                )
            return super().compose_node(parent, index)

    return Loader


def _node(node: yaml.Node, name: str, depth: int) -> Node:
    place = f"{name}:{node.start_mark.line + 1}"
    if depth > _MAX_DEPTH:
        raise AdvisoryError("nested too deeply", path=place)
    if isinstance(node, yaml.ScalarNode):
        return Node(node.value, place)
    if isinstance(node, yaml.SequenceNode):
        return Node([_node(item, name, depth + 1) for item in node.value], place)
    values: dict[str, Node] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise AdvisoryError("a key that is no word", path=place)
        if key.value in values:
            raise AdvisoryError(
                f"'{key.value[:100]}' is there twice", path=f"{name}:{key.start_mark.line + 1}"
            )
        values[key.value] = _node(value, name, depth + 1)
    return Node(values, place)
