"""The administrator's guides as programs: every fenced block, and what is to be typed of it.

    for block in read(guide):
        block.name          "Installing tuxctl/2": the second block below that heading
        block.steps         what to type, in order, each with the output that the guide shows

Three kinds of block: `prompt` (lines after `# ` or `$ `, output between them), `script` (shell with
comments, as in the migration part), `output` (nothing to type). The guides themselves are no part
of the project.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

_HEADING = re.compile(r"#+ +(.*)|\*\*(\d[A-Z]?\. .*)\*\*$")
_PROMPT = re.compile(r"([#$]) (.*)")
KEY = re.compile(r"\b(ES[UA]-)X{8,}\b|\b(ES[UA]-)x{8,}\b")


class Step(NamedTuple):
    """One command, continuation lines included, and the lines that the guide shows after it."""

    command: str
    output: tuple[str, ...] = ()


class Block(NamedTuple):
    guide: str
    name: str
    lines: tuple[str, ...]

    @property
    def kind(self) -> str:
        prompts = [line for line in self.lines if _PROMPT.match(line)]
        if not prompts:
            return "output"
        # A comment is no command; what follows one, without a prompt of its own, is.
        root = all(match.group(1) == "#" for match in map(_PROMPT.match, prompts) if match)
        return "script" if root and self._has_bare_commands() else "prompt"

    def _has_bare_commands(self) -> bool:
        continued = False
        for line in self.lines:
            if line.strip() and not continued and not line.startswith("# "):
                return True
            continued = line.endswith("\\")
        return False

    @property
    def steps(self) -> list[Step]:
        if self.kind == "output":
            return []
        if self.kind == "script":
            code = [line for line in self.lines if line.strip() and not line.startswith("#")]
            return [Step(command) for command in _joined(code)]
        return list(self._prompted())

    def _prompted(self):
        command, output = "", []
        for line in self.lines:
            prompt = _PROMPT.match(line)
            if command.endswith("\\"):
                command += "\n" + line
            elif prompt:
                if command:
                    yield Step(command, tuple(output))
                command, output = prompt.group(2), []
            elif line.strip():
                output.append(line)
        yield Step(command, tuple(output))


def _joined(lines: list[str]) -> list[str]:
    commands: list[str] = []
    for line in lines:
        if commands and commands[-1].endswith("\\"):
            commands[-1] += "\n" + line
        else:
            commands.append(line)
    return commands


def read(path: Path) -> dict[str, Block]:
    """The blocks of a guide by name, in order."""
    blocks: dict[str, Block] = {}
    heading, body, counts = "", None, {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            if body is None:
                body = []
                continue
            counts[heading] = counts.get(heading, 0) + 1
            name = f"{heading}/{counts[heading]}"
            blocks[name] = Block(path.stem, name, tuple(body))
            body = None
        elif body is not None:
            body.append(line)
        elif found := _HEADING.match(line):
            heading = (found.group(1) or found.group(2)).strip("*# ")
    assert body is None, f"{path}: a block that does not end"
    return blocks


def with_key(command: str, key: str) -> str:
    """The command with a licence key in place of the guide's."""
    return KEY.sub(key, command)
