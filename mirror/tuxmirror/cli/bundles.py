"""`tuxmirror export` and `tuxmirror import`: for sites without a network."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from ..core.config import Config
from ..core.errors import ConfigError

_VETTED = "vetted"
_UNITS = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "export",
        help="write snapshots into a signed bundle, for a site without a network",
        description="Writes what a channel shows, or one snapshot, into a directory or a tar file,"
        " signed by the operator's key. A run that was killed goes on where it was.",
    )
    command.add_argument("tree", nargs="*", metavar="TREE", help="such as almalinux/9.2")
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="PATH",
        help="a directory, or a file where it ends in .tar",
    )
    chosen = command.add_mutually_exclusive_group()
    chosen.add_argument(
        "--channel", default=_VETTED, metavar="C", help="what it shows (default: %(default)s)"
    )
    chosen.add_argument("--snapshot", metavar="ID", help="this one, of one TREE")
    command.add_argument(
        "--since", metavar="ID", help="only what this snapshot, which the other site has, has not"
    )
    command.add_argument(
        "--split", metavar="SIZE", help="of a tar file: parts of that size at most, such as 4G"
    )
    command.add_argument("--dry-run", action="store_true", help="say how much it would be")
    _finish(command, run_export)
    command = commands.add_parser(
        "import",
        help="take snapshots from a bundle, verify all of it, publish",
        description="Verifies the bundle's signature by [main] bundle_keys, every digest, and all"
        " signatures of metadata and packages again; then publishes as sync does.",
    )
    command.add_argument(
        "path", type=Path, metavar="PATH", help="what export wrote; of parts the name before .000"
    )
    command.add_argument("--dry-run", action="store_true", help="say what it brings")
    command.add_argument(
        "--no-publish", action="store_true", help="make the snapshots, publish nothing"
    )
    command.add_argument(
        "--allow-rollback", action="store_true", help="accept one older than what is here"
    )
    command.add_argument(
        "--allow-mass-change",
        action="store_true",
        help="let published names get other bytes (they were rebuilt on purpose)",
    )
    _finish(command, run_import)
    command.set_defaults(changes=True)


def _finish(command: argparse.ArgumentParser, handler: Any) -> None:
    command.add_argument("--json", action="store_true", help="one event a line")
    command.add_argument("-q", "--quiet", action="store_true", help="trouble alone")
    command.set_defaults(handler=handler)


def run_export(config: Config, args: argparse.Namespace) -> int:
    from ..usecases.exporting import Wish, export

    trees = [config.tree(name) for name in args.tree] or list(config.trees.values())
    if len(trees) != 1 and (args.snapshot or args.since):
        raise ConfigError(
            "--snapshot and --since speak of one tree",
            expected="one TREE",
            found=", ".join(tree.name for tree in trees) or "none",
        )
    place = _place(args.output, _size(args.split))
    mirror = _mirror(config, args)
    meant = args.snapshot or args.channel
    wishes = [Wish(tree, meant, args.since) for tree in trees]
    export(mirror, wishes, place, args.dry_run)
    mirror.reporter.event("done", exit_status=0)
    return 0


def run_import(config: Config, args: argparse.Namespace) -> int:
    from ..usecases.importing import import_bundle
    from ..usecases.sync import Options

    options = Options(
        dry_run=args.dry_run,
        publish=not args.no_publish,
        allow_rollback=args.allow_rollback,
        allow_mass_change=args.allow_mass_change,
    )
    return import_bundle(_mirror(config, args), _found(args.path), options)


def _place(path: Path, split: int) -> Any:
    from ..adapters.bundle_directory import DirectoryBundle
    from ..adapters.bundle_tar import TarBundle

    if path.name.endswith(".tar"):
        if not path.parent.is_dir():
            raise ConfigError(f"--output {path}: no such directory as {path.parent}")
        return TarBundle(path, split)
    if split:
        raise ConfigError("--split is for a tar file", way_out=f"--output {path}.tar")
    return DirectoryBundle(path)


def _found(path: Path) -> Any:
    from ..adapters.bundle_directory import DirectoryBundle
    from ..adapters.bundle_tar import TarBundle

    if path.is_dir():
        return DirectoryBundle(path)
    # A part was named: that means all of them.
    whole = re.sub(r"\.tar\.[0-9]{3}$", ".tar", path.name)
    return TarBundle(path.with_name(whole))


def _size(text: str | None) -> int:
    """In bytes; 0 where nothing is to be split."""
    if text is None:
        return 0
    match = re.fullmatch(r"([1-9][0-9]{0,8})([kMGT])", text)
    if not match:
        raise ConfigError(f"--split {text}", expected="a number and one of k M G T, such as 4G")
    return int(match[1]) * _UNITS[match[2]]


def _mirror(config: Config, args: argparse.Namespace) -> Any:
    from ..adapters.reporters import JsonReporter, PlainReporter
    from .wiring import make_mirror

    return make_mirror(config, JsonReporter() if args.json else PlainReporter(quiet=args.quiet))
