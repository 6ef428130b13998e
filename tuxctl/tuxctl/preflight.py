"""What must be true before anything is touched."""

import os
from typing import List, NamedTuple

from tuxcare.errors import ConfigError, StorageError, UsageError, VerificationError
from tuxcare.host import TuxcareConf, followed_release, read_release
from tuxcare.pgpkey import fingerprints
from tuxctl.context import Context
from tuxctl.lifecycle import is_supported, supported_text

ARCHES = ("x86_64", "aarch64")


class Facts(NamedTuple):
    """The host as found. `followed`: the minor release that its repositories will follow."""

    release: str
    followed: str
    arch: str


def check_system(context: Context) -> Facts:
    """Operating system and architecture. Raises UsageError, ConfigError."""
    release = read_release(context.paths)
    if release.id != "almalinux":
        raise UsageError(
            "this is {}; TuxCare Enterprise Support needs AlmaLinux".format(release),
            "See 'tuxctl --help' for working on another root directory.",
        )
    if not is_supported(release.version):
        raise UsageError(
            "AlmaLinux {} is not supported: expected {}".format(release.version, supported_text()),
            "Bring the host to a supported minor release first.",
        )
    arch = context.system.machine()
    if arch not in ARCHES:
        raise UsageError(
            "architecture {} is not supported: expected {}".format(arch, " or ".join(ARCHES))
        )
    return Facts(release.version, followed_release(context.paths), arch)


def check_key_file(context: Context, conf: TuxcareConf) -> str:
    """The path of the signing key's file, which holds the configured key and no other.

    Raises ConfigError where it is missing, VerificationError where it holds anything else.
    """
    path = context.paths.join(conf.key)
    data = context.system.read(path)
    if data is None:
        raise ConfigError(
            "{}: the TuxCare signing key is missing".format(path),
            "Put it back with 'dnf reinstall tuxcare-release', or name another file under "
            "[gpg] key in /etc/tuxcare/tuxcare.conf.",
        )
    try:
        found = fingerprints(data)
    except ValueError as error:
        raise VerificationError("{}: not a public key file: {}".format(path, error)) from error
    if found != [conf.fingerprint]:
        raise VerificationError(
            "{}: expected the key {} alone, found {}".format(
                path, conf.fingerprint, ", ".join(found)
            ),
            "Do not import it. Put the right key back with 'dnf reinstall tuxcare-release', or "
            "set [gpg] fingerprint if the key is that of an own service.",
        )
    return path


def check_files(context: Context) -> List[str]:
    """The AlmaLinux repository files; everything to be changed can be.

    Raises ConfigError where files are missing, StorageError where they cannot be written.
    """
    paths = context.paths
    if context.system.read(paths.tuxcare_repo) is None:
        raise ConfigError(
            "{}: missing".format(paths.tuxcare_repo),
            "Put it back with 'dnf reinstall tuxcare-release'.",
        )
    files = almalinux_files(context)
    if not files:
        raise ConfigError(
            "{}: no almalinux*.repo in it".format(paths.repo_dir),
            "Put them back with 'dnf reinstall almalinux-repos' (AlmaLinux 8: almalinux-release).",
        )
    places = [paths.etc, paths.vars_dir, paths.state_dir, paths.repo_dir]
    places.extend(os.path.dirname(context.system.resolve(file)) for file in files)
    for place in places:
        if not context.system.is_writable(place):
            raise StorageError(
                "{}: cannot be written to".format(place),
                "Make the file system writable, then run this command again.",
            )
    return files


def almalinux_files(context: Context) -> List[str]:
    """The repository files of the distribution, each real file once."""
    files: List[str] = []
    seen = set()
    for path in context.system.names(os.path.join(context.paths.repo_dir, "almalinux*.repo")):
        real = context.system.resolve(path)
        # A link to /dev/null, a usual way to switch a file off, is nothing to edit.
        if real not in seen and os.path.isfile(real):
            seen.add(real)
            files.append(path)
    return files
