"""The configuration file: INI text in, `Config` or `ConfigError` out.

Every key is known here; an unknown one is an error that names the nearest. Decisions (holds,
approvals) are never in this file, and the program never writes it.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from . import convert, kinds
from .addresses import LOOPBACK, Network, parse_networks
from .convert import duration, nearest, url
from .errors import ConfigError
from .location import Location
from .names import check_name
from .policy import patterns, rules
from .policy.rules import CANDIDATE, VETTED, Channel, Policy
from .tree import Tree, check_tree

DEFAULT_PATH = Path("/etc/tuxmirror/tuxmirror.conf")
CHANNELS = (CANDIDATE, VETTED)


@dataclass(frozen=True)
class MassChange:
    """More than both, removed or re-signed in one step, is refused."""

    percent: float = 10.0
    packages: int = 50


@dataclass(frozen=True)
class Config:
    """The whole file. Times are in seconds; a `deadline` of 0 means never.

    `store` and `public` are folders. With `store_bucket`, pool, snapshots and state lie there, and
    `store` (the key `local`) has what belongs to this machine; with `public_bucket`, `public` is
    not used. `workers` is the address of a Dask scheduler, or
    `local:N`: processes of this machine.
    """

    trees: Mapping[str, Tree]
    store: Path = Path("/var/lib/tuxmirror")
    public: Path = Path("/srv/tuxmirror")
    store_bucket: Location | None = None
    public_bucket: Location | None = None
    workers: str | None = None
    worker_memory: int = 1 << 30
    parallel: int = 16
    grace: int = 48 * 3600
    deadline: int = 24 * 3600
    signing_key: str | None = None
    gnupghome: Path | None = None
    passphrase_file: Path | None = None
    database: str = "sqlite"
    max_age: int = 72 * 3600
    mass_change: MassChange = MassChange()
    trusted_proxies: tuple[Network, ...] = LOOPBACK
    metrics_allow: tuple[Network, ...] = LOOPBACK
    leases: Path | None = None
    vault: str | None = None
    policies: Mapping[str, Policy] = field(default_factory=dict)
    channels: Mapping[str, Channel] = field(default_factory=lambda: {VETTED: Channel(VETTED)})
    cve_data: Path | None = None
    cve_severity: str = "higher"
    oval_proof: str = "when-possible"
    csaf_signatures: bool = False
    site_url: str = "https://repo.tuxcare.com"
    publisher: str = "TuxCare"
    contact: str = ""
    fips_manifests: Path = Path("/usr/share/tuxcare/fips")
    bundle_keys: tuple[Path, ...] = ()
    status_page: Path | None = None
    metrics_file: Path | None = None

    def tree(self, name: str) -> Tree:
        """Raises ConfigError with the nearest name where there is no such tree."""
        if name in self.trees:
            return self.trees[name]
        raise ConfigError(
            f"no tree '{name}' in the configuration",
            expected=", ".join(self.trees) or "at least one [tree] section",
            way_out=nearest(name, self.trees),
        )


def _mass_change(text: str) -> MassChange:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%\s+and\s+(\d+)\s+packages", text)
    if not match:
        raise ValueError("expected such as: 10% and 50 packages")
    return MassChange(float(match[1]), int(match[2]))


def _pinned(text: str) -> Mapping[str, str]:
    pins = {}
    for word in convert.words(text):
        repository, _, digest = word.partition(":")
        if not re.fullmatch(r"[0-9a-f]{64}", digest) or repository in pins:
            raise ValueError(f"'{word}' is not REPO/ARCH:SHA256, each repository once")
        pins[repository] = digest
    return pins


_MAIN: Mapping[str, Callable[[str], object]] = {
    "store": convert.place,
    "public": convert.place,
    "local": convert.path,
    "workers": convert.workers,
    "worker_memory": convert.size,
    "upstream": url,
    "parallel": convert.positive,
    "grace": duration,
    "signing_key": convert.fingerprint,
    "gnupghome": convert.path,
    "passphrase_file": convert.path,
    "database": convert.database,
    "deadline": convert.age,
    "max_age": convert.age,
    "mass_change": _mass_change,
    "trusted_proxies": parse_networks,
    "metrics_allow": parse_networks,
    "leases": convert.path,
    "cve_data": convert.path,
    "cve_severity": convert.one_of("higher", "nvd"),
    "csaf_signatures": convert.boolean,
    "oval_proof": convert.one_of("required", "when-possible"),
    "site_url": url,
    "publisher": convert.text,
    "contact": convert.text,
    "fips_manifests": convert.path,
    "vault": url,
    "bundle_keys": convert.paths,
    "status_page": convert.path,
    "metrics_file": convert.path,
}
_TREE: Mapping[str, Callable[[str], object]] = {
    "type": convert.one_of("rpm-md", "local"),
    "upstream": convert.urls,
    "mirrorlist": convert.mirror_list,
    "source": convert.path,
    "repos": convert.names("a repository"),
    "arches": convert.names("an arch"),
    "gpgkey": convert.paths,
    "fingerprints": convert.fingerprints,
    "metadata_signature": convert.one_of("required", "pinned"),
    "repomd_sha256": _pinned,
    "policy": convert.text,
    "open": convert.boolean,
    "latest": convert.text,
    "max_age": convert.age,
    "token_file": convert.path,
    "advisories": convert.path,
    "feeds": convert.boolean,
    "layout": convert.one_of("release", "flat"),
    "also": convert.some_of("debug", "source"),
    "images": convert.some_of(*kinds.IMAGES),
    "kickstart": _pinned,
}


_POLICY: Mapping[str, Callable[[str], object]] = {
    "soak": duration,
    "fast_track": rules.fast_track,
    "newest": convert.positive,
    "arches": rules.package_arches,
    "debug": convert.boolean,
    "source": convert.boolean,
    "exclude": lambda text: tuple(patterns.check(word) for word in convert.words(text)),
}
_CHANNEL: Mapping[str, Callable[[str], object]] = {
    "follows": convert.text,
    "policy": convert.text,
    "soak": duration,
    "fast_track": rules.fast_track,
    "approval": convert.one_of(rules.AUTOMATIC, rules.REQUIRED),
}


def parse(text: str, source: str = str(DEFAULT_PATH)) -> Config:
    """The configuration from its text; `source` names the file in errors.

    Raises:
        ConfigError: names file, section and key.
    """
    parser = configparser.ConfigParser(
        interpolation=None, inline_comment_prefixes=(";",), strict=True, default_section="\0"
    )
    try:
        parser.read_string(text, source)
    except configparser.Error as error:
        raise ConfigError(f"{source}: {str(error).splitlines()[0]}") from None
    main: dict[str, object] = {}
    trees: dict[str, Tree] = {}
    for section in parser.sections():
        items = dict(parser.items(section))
        if section == "main":
            main = _convert(items, _MAIN, f"{source}: [main]")
    root = main.pop("upstream", None)
    policies: dict[str, Policy] = {}
    channels: dict[str, Channel] = {}
    for section in parser.sections():
        items = dict(parser.items(section))
        kind, _, name = section.partition("/")
        where = f"{source}: [{section}]"
        if kind == "policy":
            check_name(f"a policy ({where})", name)
            policies[name] = Policy(name, **_convert(items, _POLICY, where))  # type: ignore[arg-type]
        elif kind == "channel":
            check_name(f"a channel ({where})", name)
            channels[name] = Channel(name, **_convert(items, _CHANNEL, where))  # type: ignore[arg-type]
        elif section != "main":
            trees[section] = _tree(section, items, str(root) if root else None, source, parser)
    _check_nesting(trees, source)
    channels.setdefault(VETTED, Channel(VETTED))
    channels = rules.in_order(channels, source)
    where = f"{source}: [main]"
    values = _placed(main, where)
    config = Config(trees=trees, policies=policies, channels=channels, **values)  # type: ignore[arg-type]
    _check_policies(config, source)
    _check_csaf(config, source)
    _check_folders(config, where)
    return config


def _check_policies(config: Config, source: str) -> None:
    """Those that are named exist, and what they make can be signed."""
    named = [(f"[{tree.name}]", tree.policy) for tree in config.trees.values()]
    named += [(f"[channel/{channel.name}]", channel.policy) for channel in config.channels.values()]
    for section, policy in named:
        if policy and policy not in config.policies:
            raise ConfigError(
                f"{source}: {section} policy: there is no [policy/{policy}]",
                way_out=nearest(policy, config.policies),
            )
        if policy and not config.signing_key:
            raise ConfigError(
                f"{source}: {section} policy: what it filters has to be signed",
                expected="signing_key = in [main], the fingerprint of your key",
                way_out="docs/policy.md says how to make one",
            )


def _check_csaf(config: Config, source: str) -> None:
    if config.csaf_signatures and not config.signing_key:
        raise ConfigError(
            f"{source}: [main] csaf_signatures: there is no key to sign with",
            expected="signing_key = in [main], the fingerprint of your key",
            way_out="or csaf_signatures = no: documents have digests alone",
        )


def _placed(main: Mapping[str, object], where: str) -> dict[str, object]:
    """The same, buckets told from folders."""
    values = dict(main)
    local = values.pop("local", None)
    for key in ("store", "public"):
        if isinstance(values.get(key), Location):
            values[f"{key}_bucket"] = values.pop(key)
    if "workers" in values and "store_bucket" not in values:
        raise _pointless_workers(str(values["workers"]), where)
    if local is not None:
        if "store_bucket" not in values:
            raise ConfigError(
                f"{where} local: only beside store = s3://…",
                way_out="without a bucket, everything lies in the store",
            )
        values["store"] = local
    return values


def _pointless_workers(workers: str, where: str) -> ConfigError:
    """Why a store in a folder has none."""
    if workers.startswith(convert.LOCAL_WORKERS):
        return ConfigError(
            f"{where} workers: with a store in a folder they would add nothing: one process"
            " fetches, and up to four verify what came",
            expected="store = s3://BUCKET/PREFIX, where each content is sent away as well",
            way_out="remove workers =; parallel = is for the number of connections",
        )
    return ConfigError(
        f"{where} workers: they need a store that all of them reach",
        expected="store = s3://BUCKET/PREFIX",
        way_out="move the store to a bucket, or remove workers =",
    )


def _check_folders(config: Config, where: str) -> None:
    """What is served and what is private lie side by side."""
    kept, shown = config.store_bucket, config.public_bucket
    if kept and shown and (kept.holds(shown) or shown.holds(kept)):
        raise ConfigError(
            f"{where}: store and public lie inside each other",
            way_out="choose prefixes side by side: s3://bucket/store and s3://bucket/public",
        )
    if config.public_bucket:
        return
    store, public = config.store, config.public
    for key in ("status_page", "metrics_file"):
        path = getattr(config, key)
        if path is not None and public in path.parents:
            raise ConfigError(
                f"{where} {key}: {path} lies inside public, it would be served",
                way_out=f"leave it out: then it is in {store}/status",
            )
    if store == public or store in public.parents:
        problem = f"{where} public: {public} lies inside the store"
    elif public in store.parents:
        problem = f"{where} store: {store} lies inside public, it would be served"
    else:
        return
    raise ConfigError(problem, way_out="choose a folder of its own, on the same file system")


# May hold a password, also when mistyped.
_SECRET = frozenset({"database"})


def _convert(
    items: Mapping[str, str], known: Mapping[str, Callable[[str], object]], where: str
) -> dict[str, object]:
    values = {}
    for key, text in items.items():
        if key not in known:
            raise ConfigError(f"{where}: unknown key '{key}'", way_out=nearest(key, known))
        if not text:
            continue
        try:
            values[key] = known[key](text)
        except ValueError as error:
            shown = "…" if key in _SECRET else text
            raise ConfigError(f"{where} {key} = {shown}: {error}") from None
        except ConfigError as error:
            raise ConfigError(f"{where} {key}: {error.message}", expected=error.expected) from None
    return values


def _tree(
    section: str,
    items: Mapping[str, str],
    root: str | None,
    source: str,
    parser: configparser.ConfigParser,
) -> Tree:
    where = f"{source}: [{section}]"
    segments = section.split("/")
    if len(segments) < 2:
        raise ConfigError(
            f"{where}: unknown section",
            expected="[main], or a tree such as [almalinux/9.2]",
            way_out=nearest(
                section, {name: None for name in ("main", *parser.sections()) if name != section}
            ),
        )
    for segment in segments:
        check_name(f"a tree ({where})", segment)
    values = _convert(items, _TREE, where)
    if "upstream" not in values and root and values.get("type") != "local":
        values["upstream"] = (f"{root}/{'/'.join(segments[1:])}",)
    tree = Tree(name=section, **values)  # type: ignore[arg-type]
    check_tree(tree, where)
    return tree


def _check_nesting(trees: Mapping[str, Tree], source: str) -> None:
    for name in trees:
        for other in trees:
            if other.startswith(name + "/"):
                raise ConfigError(f"{source}: [{other}] lies inside [{name}]")
