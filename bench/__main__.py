"""`./dev bench [--rounds N] [PART...]`: prints the tables and writes them to bench/results/."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from . import report
from .keys import bench_key
from .scenarios import RESULTS, SCENARIOS, Bench, Row

FOLDER = Path(__file__).parents[1] / "build" / "bench"


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of each work (default 3)")
    parser.add_argument("part", nargs="*", choices=[[], *SCENARIOS], metavar="PART",
                        help=f"of: {', '.join(SCENARIOS)} (default: all)")  # fmt: skip
    args = parser.parse_args()
    bench = Bench(FOLDER, bench_key(FOLDER / "keys"), args.rounds)
    rows: list[Row] = []
    for name in args.part or SCENARIOS:
        print(f"-- {name}", file=sys.stderr, flush=True)
        scenario: Callable[[Bench], list[Row]] = SCENARIOS[name]
        rows += scenario(bench)
    if not rows:
        return 0
    text = report.markdown(rows, args.rounds)
    print(text)
    if not args.part:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "latest.md").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
