"""What `sync` may not publish to a channel by itself, after a person has decided otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Set


def decide(
    held: Set[str],
    chosen: str,
    candidate: str | None,
    existing: Iterable[str],
    left: Iterable[str] = (),
) -> frozenset[str]:
    """What is held for a channel once a person made it show `chosen`; all are snapshot ids.

    Who chooses another than what was verified last has seen all there is: none of it comes by
    itself. What upstream brings later does.

    Args:
        held: what was held before; stays so.
        candidate: what was verified last.
        existing: all snapshots of the tree.
        left: what the channel was taken away from.
    """
    passed_over = existing if chosen != candidate else ()
    return frozenset({*held, *left, *passed_over}) - {chosen}
