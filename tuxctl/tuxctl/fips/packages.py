"""rpm and dnf, for FIPS mode: what is installed, what is offered, and the transaction."""

import re
from typing import Any, List, Mapping, Optional, Sequence

from tuxcare.errors import NetworkError, RefusedError, StorageError
from tuxcare.pins import Package
from tuxctl import repos
from tuxctl.console import Console
from tuxctl.fips import builds
from tuxctl.fips.builds import Installed
from tuxctl.fips.choice import PIN_PACKAGES
from tuxctl.journal import Run
from tuxctl.records import Action
from tuxctl.system import Outcome, System

ACTION = "fips-packages"
# dnf can take hours on a slow line; nothing good comes of cutting a transaction off.
_NO_LIMIT = None
_SHOWN_LINES = 12
# The plugin keeps it out of what dnf says; this is for a plugin that is switched off.
_TOKEN = re.compile(r"(?<=/)[A-Za-z0-9_-]{32,}(?=/)")
_KERNEL_PACKAGES = (
    "kernel-core",
    "kernel-modules-core",
    "kernel-modules",
    "kernel-modules-extra",
)


class Packages:
    """The packages of one host."""

    def __init__(self, system: System, console: Console) -> None:
        self._system = system
        self._console = console

    def installed(self) -> List[Installed]:
        """Every installed package. Raises StorageError."""
        argv = ["rpm"] + ([] if self._system.root == "/" else ["--root", self._system.root])
        done = self._system.run(argv + ["-qa", "--queryformat", builds.RPM_QUERY])
        if done.status:
            raise StorageError(
                "rpm -qa failed with status {}: {}".format(done.status, _last_lines(done))
            )
        return builds.parse_installed(done.stdout)

    def available(self, names: Sequence[str], with_fips: bool) -> List[Package]:
        """The builds of these packages that the repositories offer, TuxCare's switched on.

        Raises NetworkError where dnf cannot tell.
        """
        argv = ["dnf", "--quiet", "repoquery", "--available", "--showduplicates"]
        argv += self._enabled(with_fips) + ["--queryformat", builds.DNF_QUERY] + list(names)
        return builds.parse_available(self._ask(argv).stdout)

    def kernel_files(self, release: str, packages: Sequence[Package], with_fips: bool) -> List[str]:
        """Paths in the packages of a kernel that is installed or offered; none where unknown."""
        names = ["{}-{}".format(name, release) for name in _KERNEL_PACKAGES]
        if any(builds.kernel_release(package) == release for package in packages):
            return self._system.run(["rpm", "-ql"] + names).stdout.splitlines()
        argv = ["dnf", "--quiet", "repoquery", "--available", "--list"]
        done = self._system.run(argv + self._enabled(with_fips) + names, timeout=_NO_LIMIT)
        return [] if done.status else done.stdout.splitlines()

    def preview(self, arguments: Sequence[str], with_fips: bool) -> List[str]:
        """What dnf says it would do, dependencies included; its error where it would not."""
        argv = ["dnf", "--assumeno"] + self._enabled(with_fips) + list(arguments)
        done = self._system.run(argv, timeout=_NO_LIMIT)
        lines = [line.rstrip() for line in done.stdout.splitlines()]
        start = next((n for n, line in enumerate(lines) if line.startswith("Dependencies")), None)
        if start is None:
            return _last_lines(done).split("\n")
        return [line for line in lines[start + 1 :] if line and "Operation aborted" not in line]

    def transaction(self, run: Run, arguments: Sequence[str]) -> None:
        """`dnf --assumeyes ARGUMENTS`. Raises RefusedError where dnf refuses or fails.

        No journal takes a transaction back; undoing says so.
        """
        argv = ["dnf", "--assumeyes"] + list(arguments)
        command = next(word for word in arguments if not word.startswith("-"))
        action = Action(ACTION, {"command": command})
        run.act(action, lambda: self._transact(argv))

    def undo(self, detail: Mapping[str, Any]) -> None:
        """Say what stays."""
        self._console.note(
            "What 'dnf {}' had done by then stays done: the packages are as safe without FIPS "
            "mode. 'dnf history list' shows it.".format(detail["command"])
        )

    def _transact(self, argv: Sequence[str]) -> None:
        done = self._system.run(argv, timeout=_NO_LIMIT, shielded=True)
        if done.status:
            raise RefusedError(
                "dnf could not do it (exit status {}): {}".format(done.status, _last_lines(done)),
                "Remove the cause, then run this command again; /var/log/dnf.log says more.",
            )

    def _ask(self, argv: Sequence[str]) -> Outcome:
        done = self._system.run(argv, timeout=_NO_LIMIT)
        if done.status:
            raise NetworkError(
                "dnf cannot tell what the repositories offer: {}".format(_last_lines(done)),
                "Try 'dnf makecache'; nothing was changed.",
            )
        return done

    @staticmethod
    def _enabled(with_fips: bool) -> List[str]:
        names = [repos.ESU] + ([repos.FIPS] if with_fips else [])
        return ["--enablerepo=" + name for name in names]


def offered_pin_package(mode: str, available: Sequence[Package]) -> Optional[Package]:
    """The newest package that holds the pins of this mode below dnf."""
    return builds.newest([package for package in available if package.name == PIN_PACKAGES[mode]])


def has_pin_package(
    mode: str, installed: Sequence[Installed], available: Sequence[Package]
) -> bool:
    """Whether the mode's pin package is there, or can be had."""
    here = {item.package.name for item in installed}
    return PIN_PACKAGES[mode] in here or offered_pin_package(mode, available) is not None


def other_pin_packages(mode: Optional[str], installed: Sequence[Installed]) -> List[str]:
    """Installed pin packages of other modes than this one; None: of any."""
    names = {name for key, name in PIN_PACKAGES.items() if key != mode}
    return sorted({item.package.name for item in installed} & names)


def _last_lines(done: Outcome) -> str:
    text = done.stderr.strip() or done.stdout.strip() or "no message"
    return "\n".join(_TOKEN.sub("****", text).splitlines()[-_SHOWN_LINES:])
