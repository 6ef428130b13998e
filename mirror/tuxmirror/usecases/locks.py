"""The locks of a tree, and who holds which.

<tree>             sync, import, repair: what was verified last changes
shown:<tree>       for the moment in which it is decided and switched what channels show
reading:<tree>     export: nothing that a snapshot names may go
"""

from __future__ import annotations


def shown(tree: str) -> str:
    """No tree can be called that, nor what the others here give."""
    return f"shown:{tree}"


def reading(tree: str) -> str:
    return f"reading:{tree}"


def whole(tree: str) -> tuple[str, ...]:
    """All of them, in the order in which they are taken."""
    return (tree, shown(tree), reading(tree))
