"""What a run would do to files, without doing it.

A Preview takes the same calls as a journalled Run and shows them as unified diffs. A secret's
bytes are not shown.
"""

import difflib
from typing import Dict, List, Optional

from tuxctl.context import Context
from tuxctl.journal import Writer
from tuxctl.records import SECRET


class Preview(Writer):
    """Remembers what would be written; nothing is."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._before: Dict[str, Optional[bytes]] = {}
        self._after: Dict[str, Optional[bytes]] = {}
        self._secrets: List[str] = []

    def put(
        self, path: str, data: Optional[bytes], kind: str, mode: int = 0o644, stands: bool = False
    ) -> bool:
        if path not in self._before:
            self._before[path] = self._context.system.read(path)
        changes = data != self._after.get(path, self._before[path])
        self._after[path] = data
        if kind == SECRET:
            self._secrets.append(path)
        return changes

    def diffs(self) -> List[str]:
        """Unified diffs, one line an item, of every file that would change."""
        lines: List[str] = []
        for path, before in self._before.items():
            if before != self._after[path]:
                lines += self._diff(path, before, self._after[path])
        return lines

    def _diff(self, path: str, before: Optional[bytes], after: Optional[bytes]) -> List[str]:
        name = self._context.paths.inside(path)
        if path in self._secrets:
            return ["{}: {}".format(name, "removed" if after is None else "written; not shown")]
        return unified(name, before, after)


def unified(name: str, before: Optional[bytes], after: Optional[bytes]) -> List[str]:
    """What changes in a file, as patch(1) takes it: line endings and a missing last one too."""
    lines = difflib.unified_diff(
        _lines(before),
        _lines(after),
        "/dev/null" if before is None else name,
        "/dev/null" if after is None else name,
    )
    return [piece for line in lines for piece in _without_end(line)]


def _without_end(line: str) -> List[str]:
    """A line of a diff as it is printed."""
    if line.endswith("\n"):
        return [line[:-1]]
    return [line, "\\ No newline at end of file"]


def _lines(data: Optional[bytes]) -> List[str]:
    """Lines end with a line feed, nothing else; bytes that are no text are shown as such."""
    text = (data or b"").decode("utf-8", "backslashreplace")
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]
