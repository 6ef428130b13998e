"""`tuxmirror init`: a configuration to begin with."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import sys
from pathlib import Path

from ..core import config as configuration
from ..core import kinds, newconfig, releases
from ..core.config import Config
from ..core.errors import ConfigError, MirrorError, StorageError
from ..core.newconfig import Wishes

_OWN = ("base", "esu", "fips")


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "init",
        help="write a configuration for a release",
        description="Writes a commented configuration, from these options or, on a terminal and"
        " without --release, from a few questions. A file that is there is never overwritten.",
    )
    command.add_argument("--release", metavar="R", help="of AlmaLinux, such as 9.2")
    command.add_argument(
        "--arch", action="append", default=[], metavar="A", help="may be repeated (default: ours)"
    )
    command.add_argument(
        "--repo", action="append", default=[], metavar="REPO", help="may be repeated"
    )
    command.add_argument("--store", type=Path, default=Config.store, metavar="DIR")
    command.add_argument("--public", type=Path, default=Config.public, metavar="DIR")
    command.add_argument(
        "--upstream", action="append", default=[], metavar="URL", help="root; may be repeated"
    )
    command.add_argument(
        "--key", action="append", default=[], type=Path, metavar="FILE", help="may be repeated"
    )
    command.add_argument(
        "--esu", action="store_true", help="also trees of your own packages: base, esu and fips"
    )
    command.add_argument(
        "--esu-key", type=Path, metavar="FILE", help="who signs these (default: TuxCare)"
    )
    command.add_argument("--incoming", type=Path, default=Path("/srv/incoming"), metavar="DIR")
    command.add_argument(
        "--images",
        action="append",
        default=[],
        choices=sorted(kinds.IMAGES),
        help="also these images; may be repeated",
    )
    command.add_argument(
        "--kickstart",
        action="append",
        default=[],
        metavar="REPO/ARCH:SHA256",
        help="also this installation tree, pinned by its .treeinfo; may be repeated",
    )
    command.add_argument(
        "--pin",
        action="store_true",
        help="upstream's metadata has no signature: fetch it now and pin its SHA-256",
    )
    command.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="(default: the configuration's place)"
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(handler=run, needs_config=False)


def run(_config: None, args: argparse.Namespace) -> int:
    output = args.output or args.config
    _check_free(output)
    if args.release is None:
        _ask(args)
    wishes = Wishes(
        release=args.release,
        arches=tuple(args.arch) or (platform.machine(),),
        repos=tuple(args.repo),
        store=args.store.absolute(),
        public=args.public.absolute(),
        upstream=tuple(url.rstrip("/") for url in args.upstream),
        keys=tuple(key.absolute() for key in args.key),
        tuxcare_key=args.esu_key.absolute() if args.esu_key else None,
        own=_OWN if args.esu else (),
        incoming=args.incoming.absolute(),
        images=tuple(dict.fromkeys(args.images)),
        kickstart=tuple(args.kickstart),
    )
    releases.check_arches(wishes.release, wishes.arches)
    if args.pin:
        wishes = wishes._replace(pins=_pins(wishes))
    text = newconfig.render(wishes)
    parsed = configuration.parse(text, str(output))
    _write(output, text)
    _tell(args, output, parsed, wishes)
    return 0


def _check_free(output: Path) -> None:
    if output.exists():
        raise ConfigError(
            f"{output} is there already",
            expected="a name that is free: a configuration is never overwritten",
            way_out="move it away, or say --output FILE and take over what you need",
        )


def _ask(args: argparse.Namespace) -> None:
    """The few things that nobody can guess; an empty answer takes what stands in brackets."""
    if not sys.stdin.isatty():
        raise ConfigError("--release is missing", expected="one such as --release 9.2")
    args.release = _answer("Which release of AlmaLinux", "9.2")
    if not args.arch:
        args.arch = _answer("Architectures", platform.machine()).split()
    args.store = Path(_answer("Where packages and snapshots are kept", str(args.store)))
    args.public = Path(_answer("What is served (same file system)", str(args.public)))
    if not args.esu:
        args.esu = _answer("Trees for packages of your own, base, esu and fips", "no").startswith(
            "y"
        )


def _answer(question: str, default: str) -> str:
    print(f"{question} [{default}]: ", end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        raise ConfigError("no answer; nothing was written", way_out="say it with options: --help")
    return line.strip() or default


def _pins(wishes: Wishes) -> dict[str, str]:
    """The SHA-256 of each repomd.xml as upstream shows it now. Raises NetworkError."""
    from ..adapters.curl import CurlTransport
    from ..core import repomd
    from ..ports import DocumentRequest

    transport = CurlTransport(list(wishes.roots), 8)
    pins: dict[str, str] = {}
    problems: dict[str, MirrorError] = {}
    for root in wishes.roots:
        left = [name for name in wishes.repositories if name not in pins]
        requests = [
            DocumentRequest(f"{root}/{name}/os/repodata/repomd.xml", repomd.MAX_BYTES)
            for name in left
        ]
        for name, answer in zip(left, transport.documents(requests)):
            if isinstance(answer, MirrorError):
                problems.setdefault(name, answer)
            elif answer.data is not None:
                repomd.parse(answer.data)
                pins[name] = hashlib.sha256(answer.data).hexdigest()
    for name in wishes.repositories:
        if name not in pins:
            raise problems[name].located(repository=name)
    return pins


def _write(output: Path, text: str) -> None:
    """Whole or not at all; whoever was first with the name keeps it."""
    fresh = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(text, encoding="utf-8")
        fresh.chmod(0o644)
        os.link(fresh, output)
    except FileExistsError:
        _check_free(output)
        raise
    except OSError as error:
        raise StorageError(f"{error.strerror}", path=str(output)) from None
    finally:
        fresh.unlink(missing_ok=True)


def _tell(args: argparse.Namespace, output: Path, parsed: Config, wishes: Wishes) -> None:
    missing = sorted({str(k) for t in parsed.trees.values() for k in t.gpgkey if not k.exists()})
    if args.json:
        facts = {"configuration": str(output), "trees": list(parsed.trees), "missing_keys": missing}
        print(json.dumps(facts, indent=2))
        return
    print(f"wrote {output}: {', '.join(parsed.trees)}")
    if wishes.pins:
        print("the digests are what upstream shows today: compare them with another source")
    for key in missing:
        print(f"not there yet: {key}\n  {_where(key)}")
    option = "" if output == configuration.DEFAULT_PATH else f" -c {output}"
    print(f"next: tuxmirror{option} sync --dry-run")


def _where(key: str) -> str:
    name = Path(key).name
    if name == releases.TUXCARE_KEY.file:
        return f"https://repo.tuxcare.com/tuxcare/{name}; its fingerprint stands in the file"
    return f"{releases.LIVE}/{name}; its fingerprint stands in the file"
