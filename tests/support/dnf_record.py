"""Records from dnf's source what the plugin relies on, version by version.

    python -m tests.support.dnf_record CLONE > tests/unit/dnf_versions.json

CLONE is a clone of rpm-software-management/dnf. tests/unit/test_dnf_versions.py runs the plugin's
questions against objects made from the record, so that EL8 and EL10 are looked at where only EL9's
dnf can be run.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator

VERSIONS = ("4.7.0", "4.14.0", "4.20.0")  # EL8, EL9, EL10
COMMANDS = {
    "install": "install", "upgrade": "upgrade", "remove": "remove", "reinstall": "reinstall",
    "swap": "swap", "downgrade": "downgrade", "distrosync": "distro-sync",
    "autoremove": "autoremove", "repoquery": "repoquery", "history": "history", "mark": "mark",
}  # fmt: skip
# Where what is not :api comes from.
NAMES = {
    "dnf/base.py": ("_goal", "_ds_callback"),
    "dnf/package.py": ("_is_local_pkg", "localPkg"),
    "dnf/util.py": ("_format_resolve_problems",),
    "dnf/plugin.py": ("_run_pre_config", "_run_config", "run_sack", "run_resolved",
                      "run_pre_transaction"),
}  # fmt: skip


class Source:
    """One version in a clone."""

    def __init__(self, clone: str, version: str) -> None:
        self._clone, self._version = clone, version

    def text(self, path: str) -> str:
        command = ["git", "-C", self._clone, "show", f"{self._version}:{path}"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def tree(self, path: str) -> ast.Module:
        return ast.parse(self.text(path))

    def record(self) -> dict[str, object]:
        demands = self._demands()
        return {
            "demands": demands,
            "commands": {
                name: self._command(file, name, demands) for file, name in COMMANDS.items()
            },
            "actions": self._actions(),
            "names": sorted(
                name for path, names in NAMES.items() for name in names
                if name in self._defined(path)
            ),
        }  # fmt: skip

    def _demands(self) -> dict[str, object]:
        sheet = next(_classes(self.tree("dnf/cli/demand.py"), "DemandSheet"))
        return {
            _name(line.targets[0]): ast.literal_eval(
                line.value.args[0] if isinstance(line.value, ast.Call) else line.value
            )
            for line in sheet.body
            if isinstance(line, ast.Assign)
        }

    def _command(self, file: str, name: str, demands: dict[str, object]) -> dict[str, object]:
        for found in _classes(self.tree(f"dnf/cli/commands/{file}.py")):
            aliases = _aliases(found)
            if name in aliases:
                return {
                    "aliases": aliases,
                    "arguments": dict(_arguments(found)),
                    "demands": {
                        _name(line.targets[0]): line.value.value
                        for line in ast.walk(found)
                        if isinstance(line, ast.Assign)
                        and isinstance(line.value, ast.Constant)
                        and _name(line.targets[0]) in demands
                    },
                }
        raise LookupError(f"{self._version}: no command {name} in {file}.py")

    def _actions(self) -> dict[str, list[str]]:
        return {
            _name(line.targets[0]): [
                element.attr.replace("TransactionItemAction_", "")
                for element in line.value.elts
                if isinstance(element, ast.Attribute)
            ]
            for line in self.tree("dnf/transaction.py").body
            if isinstance(line, ast.Assign) and isinstance(line.value, ast.List)
        }

    def _defined(self, path: str) -> set[str]:
        """Names of functions, and of attributes that are assigned."""
        found = set()
        for node in ast.walk(self.tree(path)):
            if isinstance(node, ast.FunctionDef):
                found.add(node.name)
            elif isinstance(node, ast.Assign):
                found.update(_name(target) for target in node.targets)
        return found


def _name(node: ast.expr) -> str:
    return getattr(node, "attr", None) or getattr(node, "id", "")


def _classes(tree: ast.Module, name: str = "") -> Iterator[ast.ClassDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and name in ("", node.name):
            yield node


def _aliases(found: ast.ClassDef) -> list[str]:
    for line in found.body:
        if isinstance(line, ast.Assign) and _name(line.targets[0]) == "aliases":
            value = line.value
            while isinstance(value, ast.BinOp):  # `(…) + tuple(nevra_forms)`
                value = value.left
            return list(ast.literal_eval(value))
    return []


def _arguments(found: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """Positional arguments and what argparse does with them."""
    for node in ast.walk(found):
        if not isinstance(node, ast.Call) or _name(node.func) != "add_argument":
            continue
        first = node.args[0]
        if isinstance(first, ast.Constant) and not str(first.value).startswith("-"):
            actions = [word.value for word in node.keywords if word.arg == "action"]
            yield str(first.value), ast.unparse(actions[0]).strip("'") if actions else "store"


def main(clone: str) -> None:
    record = {version: Source(clone, version).record() for version in VERSIONS}
    json.dump(record, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main(*sys.argv[1:])
