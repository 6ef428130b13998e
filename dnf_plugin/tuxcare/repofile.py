"""A yum/dnf .repo file, edited line by line: what is not edited keeps every byte. Pure.

Files are bytes with any line ending, mixed ones included; the last line may lack its own.
"""

import re
from typing import Iterator, List, NamedTuple, Optional, Tuple

_SECTION = re.compile(rb"\[([^\]]+)\]")
_OPTION = re.compile(
    rb"(?P<key>[A-Za-z_][A-Za-z0-9_]*)(?P<sign>[ \t]*=[ \t]*)(?P<value>.*?)[ \t]*\Z"
)
_COMMENTED = re.compile(rb"[#;][ \t]*")
_EOL = re.compile(rb"(\r\n|\n|\r)\Z")


def split_eol(line: bytes) -> Tuple[bytes, bytes]:
    """A line's text and its ending (empty at the end of some files)."""
    found = _EOL.search(line)
    return (line[: found.start()], found.group()) if found else (line, b"")


class Option(NamedTuple):
    """`key = value` and where it stands.

    `line`: its number; `end`: the line after its continuation lines; `commented`: whether it is
    only a comment of that form; `values`: the words of the value, those of the continuation
    lines included.
    """

    key: str
    values: List[str]
    commented: bool
    line: int
    end: int


class RepoFile:
    """The lines of a .repo file, and edits of them."""

    def __init__(self, data: bytes) -> None:
        self._lines = data.splitlines(True)

    def data(self) -> bytes:
        return b"".join(self._lines)

    def sections(self) -> List[str]:
        return [name for name, _start, _end in self._ranges()]

    def options(self, section: str) -> List[Option]:
        """All options of a section in order, commented ones too; none if it is not there."""
        options: List[Option] = []
        for name, start, end in self._ranges():
            if name == section:
                options.extend(self._options(start + 1, end))
        return options

    def get(self, section: str, key: str) -> Optional[Option]:
        """The option that counts: the last one, as dnf reads it. Comments do not count."""
        found = None
        for option in self.options(section):
            if option.key == key and not option.commented:
                found = option
        return found

    def is_enabled(self, section: str) -> bool:
        """As dnf sees it: no `enabled` option means enabled."""
        option = self.get(section, "enabled")
        value = option.values[0].lower() if option and option.values else "1"
        return value in ("1", "yes", "true", "on")

    # -- edits: line numbers of options taken before an edit that adds lines are void after it --

    def set_value(self, option: Option, value: str) -> None:
        """Give an option one value. Its further lines become comments, as does nothing else."""
        text, eol = split_eol(self._lines[option.line])
        if option.commented:
            found = _COMMENTED.match(text)
            text = text[found.end() :] if found else text
        match = _OPTION.match(text)
        if not match:
            raise ValueError("not an option line: {!r}".format(text))
        head = match.group("key") + match.group("sign")
        self._lines[option.line] = head + value.encode() + eol
        self._comment_range(option.line + 1, option.end)

    def comment_out(self, option: Option) -> None:
        """Turn an option, its continuation lines included, into comments."""
        self._comment_range(option.line, option.end)

    def add(self, section: str, key: str, value: str) -> None:
        """Add an option after the section's last one."""
        position, eol = None, b"\n"
        for name, start, end in self._ranges():
            if name == section:
                inside = self._options(start + 1, end)
                active = [option.end for option in inside if not option.commented]
                position = max(active) if active else start + 1
        if position is None:
            raise KeyError(section)
        text, before = split_eol(self._lines[position - 1])
        eol = before or self._eol()
        self._lines[position - 1] = text + eol
        # A file without a final line ending stays one.
        self._lines.insert(position, "{}={}".format(key, value).encode() + (before and eol))

    def _eol(self) -> bytes:
        return split_eol(self._lines[0])[1] or b"\n"

    def _comment_range(self, start: int, end: int) -> None:
        for index in range(start, end):
            line = self._lines[index]
            if line.strip() and not _COMMENTED.match(line):
                self._lines[index] = b"# " + line

    def _ranges(self) -> Iterator[Tuple[str, int, int]]:
        """Sections as (name, line of the header, line after the last)."""
        name, start = None, 0
        for index, line in enumerate(self._lines):
            found = _SECTION.match(line)
            if not found:
                continue
            if name is not None:
                yield name, start, index
            name, start = found.group(1).decode("utf-8", "replace"), index
        if name is not None:
            yield name, start, len(self._lines)

    def _options(self, start: int, end: int) -> List[Option]:
        options: List[Option] = []
        index = start
        while index < end:
            text, _eol = split_eol(self._lines[index])
            comment = _COMMENTED.match(text)
            match = _OPTION.match(text[comment.end() :] if comment else text)
            following = index + 1
            if match:
                values = _words(match.group("value"))
                if not comment:
                    following = self._continuation(index + 1, end, values)
                key = match.group("key").decode()
                options.append(Option(key, values, bool(comment), index, following))
            index = following
        return options

    def _continuation(self, start: int, end: int, values: List[str]) -> int:
        """Collect the words of indented lines; the line after them."""
        index = start
        while index < end:
            text, _eol = split_eol(self._lines[index])
            if text[:1] not in (b" ", b"\t") or not text.strip():
                break
            values.extend(_words(text))
            index += 1
        return index


def _words(text: bytes) -> List[str]:
    return text.decode("utf-8", "replace").replace(",", " ").split()
