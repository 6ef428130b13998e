"""`./dev bench`: measures part by part, prints the table and writes it to bench/results/latest.md.

What was measured of this commit is not measured again where `--resume` says so.
"""

from __future__ import annotations

import argparse
import compileall
import sys
import time
import traceback
from pathlib import Path

from . import kept, report
from .kept import Part
from .keys import bench_key
from .scenarios import RESULTS, SCENARIOS, Bench

CHECKOUT = Path(__file__).parents[1]
FOLDER = CHECKOUT / "build" / "bench"


def main() -> int:
    args = _arguments()
    # As it is installed: the first round would compile for the others.
    compileall.compile_dir(CHECKOUT / "mirror", quiet=1)
    folder = args.folder.resolve()
    bench = Bench(folder, bench_key(folder / "keys"), args.rounds, args.resume)
    wanted = args.part or list(SCENARIOS)
    failed = [name for name in wanted if not _measured(bench, name, args.resume)]
    parts = kept.load(folder / "parts", list(SCENARIOS))
    text = report.markdown(parts, failed)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "latest.md").write_text(text)
    return 1 if failed else 0


def _measured(bench: Bench, name: str, resume: bool) -> bool:
    """Whether the part's figures are there now; one that fails does not stop the others."""
    folder, commit = bench.folder / "parts", kept.commit()
    known = kept.load(folder, [name]).get(name)
    if resume and known and known.commit == commit and known.rounds == bench.rounds:
        print(f"-- {name}: measured before", file=sys.stderr, flush=True)
        return True
    print(f"-- {name}", file=sys.stderr, flush=True)
    started = time.monotonic()
    try:
        rows = SCENARIOS[name](bench)
    except Exception:  # noqa: BLE001 - told, and the run fails in the end
        traceback.print_exc()
        return False
    seconds = round(time.monotonic() - started, 1)
    part = Part(name, commit, bench.rounds, seconds, kept.machine_load(), rows)
    kept.save(folder, part)
    print(f"-- {name}: {seconds:.0f} s", file=sys.stderr, flush=True)
    return True


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of each work (default 3)")
    parser.add_argument("--resume", action="store_true",
                        help="only what was not measured of this commit")  # fmt: skip
    parser.add_argument("--folder", type=Path, default=FOLDER,
                        help="where upstreams are built, once, and figures kept")  # fmt: skip
    parser.add_argument("part", nargs="*", choices=[[], *SCENARIOS], metavar="PART",
                        help=f"of: {', '.join(SCENARIOS)} (default: all)")  # fmt: skip
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
