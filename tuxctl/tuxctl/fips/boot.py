"""What the host boots: the default entry, kernel arguments, FIPS mode; and the way back.

All of it through the distribution's own tools: grubby, and on EL9 fips-mode-setup, which sets the
crypto policy, rebuilds the initramfs with the fips module and adds `fips=1` (and `boot=`, where
/boot is a file system of its own) to every entry. EL10 has no such tool: there the argument alone
makes the initramfs and the policy follow at boot.

Its `--disable` leaves `fips=0` and `boot=` behind and sets the policy DEFAULT whatever there was
before: going back puts arguments and policy back as they were.
"""

import os
import re
import shlex
from typing import Any, Dict, List, Mapping, NamedTuple, Optional

from tuxcare.errors import ConfigError, StorageError
from tuxctl.console import Console
from tuxctl.journal import Run
from tuxctl.records import Action
from tuxctl.system import Outcome, System

DEFAULT = "boot-default"
MODE = "fips-mode"
MODE_OFF = "fips-mode-off"

GRUBBY = "grubby"
SETUP = "fips-mode-setup"
POLICIES = "update-crypto-policies"
_POLICY = "/etc/crypto-policies/state/current"
_POLICY_EL10 = "/etc/crypto-policies/config"
# What makes dracut put the fips module into every initramfs of EL8 and EL9.
_DRACUT = "/etc/dracut.conf.d/40-fips.conf"
# Building an initramfs for every kernel takes minutes. Newer versions of fips-mode-setup count
# down 15 seconds: people have agreed already, or given --yes.
_NO_LIMIT = None
_AGREED = {"FIPS_MODE_SETUP_SKIP_WARNING": "1"}

_FIELDS = {"kernel": "kernel", "args": "arguments", "initrd": "initrd"}
_MAKE_ENTRY = "Its package makes it: 'dnf reinstall kernel-core-VERSION'; see /var/log/dnf.rpm.log."
_INFO = re.compile(r'([a-z]+)=(?:"(.*)"|(.*))\Z')


class Entry(NamedTuple):
    """A boot entry: paths of kernel and initramfs, and the kernel's arguments as written."""

    kernel: str
    arguments: str
    initrd: str = ""

    @property
    def options(self) -> Dict[str, str]:
        """Arguments by name; the last one of a name counts, as it does to the kernel."""
        pairs = [word.partition("=") for word in self.arguments.split()]
        return {name: value for name, _equals, value in pairs}


class Target(NamedTuple):
    """What is to be booted. `boot_uuid`: of /boot, where it is a file system of its own."""

    kernel: str
    boot_uuid: Optional[str]

    @property
    def arguments(self) -> str:
        return " ".join(self._words)

    @property
    def _words(self) -> List[str]:
        return ["fips=1"] + (["boot=UUID=" + self.boot_uuid] if self.boot_uuid else [])

    def lacking(self, entry: Entry) -> List[str]:
        """The arguments that an entry has not."""
        pairs = [(word, word.split("=", 1)) for word in self._words]
        return [word for word, (name, value) in pairs if entry.options.get(name) != value]


def image_of(release: str) -> str:
    return "/boot/vmlinuz-" + release


class BootLoader:
    """The running host's boot loader."""

    def __init__(self, system: System, console: Console) -> None:
        self._system = system
        self._console = console

    # -- looking -----------------------------------------------------------------------------

    def missing_tools(self, major: int) -> List[str]:
        wanted = [GRUBBY] + ([SETUP, POLICIES] if major < 10 else [])
        return [name for name in wanted if not self._system.has_program(name)]

    def default_kernel(self) -> Optional[str]:
        """The path of the kernel that boots by default, None where grubby is not there, or knows
        none. Raises StorageError where it fails."""
        return self._ask("--default-kernel").strip() or None

    def entries(self) -> List[Entry]:
        """Every boot entry; none where grubby is not there. Raises StorageError where it fails."""
        return parse_entries(self._ask("--info=ALL"))

    def policy(self, major: int = 9) -> str:
        """The crypto policy in force, empty where there is none.

        On EL10 a boot in FIPS mode mounts the FIPS policy over the configured one; what is
        written as the state stays.
        """
        path = _POLICY if major < 10 else _POLICY_EL10
        return (self._read(path) or b"").decode("utf-8", "replace").strip()

    def is_enabled(self, major: int, target: Target) -> bool:
        """Whether the next boot of the target is in FIPS mode without doing anything more."""
        if major < 10 and not (self.policy().partition(":")[0] == "FIPS" and self._read(_DRACUT)):
            return False
        entries = [entry for entry in self.entries() if entry.kernel == target.kernel]
        return bool(entries) and not any(target.lacking(entry) for entry in entries)

    # -- changing ----------------------------------------------------------------------------

    def keep_default(self, run: Run) -> None:
        """Write down what boots by default: installing a kernel changes it."""
        run.act(Action(DEFAULT, {"kernel": self.default_kernel()}), lambda: None)

    def set_default(self, kernel: str) -> None:
        """Boot this kernel from now on; for after `keep_default`.

        Raises ConfigError where the kernel has no entry, StorageError.
        """
        if self.default_kernel() == kernel:
            return
        entry = next((entry for entry in self.entries() if entry.kernel == kernel), None)
        if entry is None:
            raise ConfigError("{}: has no boot entry".format(kernel), _MAKE_ENTRY)
        for path in [kernel] + entry.initrd.split()[:1]:
            if not self._system.size(self._under_root(path)):
                raise ConfigError("{}: missing, the entry would not boot".format(path), _MAKE_ENTRY)
        self._grubby("--set-default=" + kernel)

    def enable(self, run: Run, major: int, target: Target) -> None:
        """Switch FIPS mode on for the next boot. Raises StorageError where a tool fails."""
        run.act(Action(MODE, self._state(major)), lambda: self._enable(major, target))

    def disable(self, run: Run, detail: Mapping[str, Any]) -> None:
        """Switch off what `enable` switched on; `detail` is what it wrote down."""
        now = self._state(detail["major"])
        run.act(Action(MODE_OFF, now), lambda: self.undo_mode(detail))

    def _state(self, major: int) -> Dict[str, Any]:
        """All that the tools change."""
        entries = self.entries()
        return {
            "major": major,
            "policy": self.policy(),
            "had_module": self._read(_DRACUT) is not None,
            "had_fips": _values(entries, "fips"),
            "had_boot": _values(entries, "boot"),
        }

    def undo_default(self, detail: Mapping[str, Any]) -> None:
        """Boot by default what was booted before."""
        kernel = detail["kernel"]
        if not kernel or self._lacks(GRUBBY, "the boot default stays as it is"):
            return
        if kernel not in [entry.kernel for entry in self.entries()]:
            self._console.note(
                "{}, which was booted by default before, is not installed any more: the boot "
                "default stays {}".format(kernel, self.default_kernel())
            )
        elif self.default_kernel() != kernel:
            self._grubby("--set-default=" + kernel)

    def undo_mode(self, detail: Mapping[str, Any]) -> None:
        """Switch FIPS mode off for the next boot, arguments and policy as they were."""
        self._restore("--disable", detail)

    def redo_mode(self, detail: Mapping[str, Any]) -> None:
        """Switch it on again, where switching it off did not come to an end."""
        self._restore("--enable", detail)

    def _restore(self, switch: str, detail: Mapping[str, Any]) -> None:
        if self._state(detail["major"]) == detail:
            return  # the tool did not come to change anything
        if detail["major"] < 10 and not self._lacks(SETUP, "FIPS mode stays for the next boot"):
            self._run([SETUP, switch])
            if detail["policy"] and self.policy() != detail["policy"]:
                self._run([POLICIES, "--set", detail["policy"]])
        if not self._lacks(GRUBBY, "kernel arguments stay as they are"):
            self._put_back("fips", detail["had_fips"])
            self._put_back("boot", detail["had_boot"])

    def _enable(self, major: int, target: Target) -> None:
        if major < 10:
            self._run([SETUP, "--enable"])
        else:
            self._grubby("--update-kernel=ALL", "--args=" + target.arguments)
        self._require_arguments(target)

    def _require_arguments(self, target: Target) -> None:
        """The entry that boots has what a FIPS boot needs: without `boot=` it would not start."""
        for entry in self.entries():
            if entry.kernel == target.kernel and target.lacking(entry):
                self._grubby("--update-kernel=ALL", "--args=" + " ".join(target.lacking(entry)))

    def _put_back(self, name: str, before: Mapping[str, Optional[str]]) -> None:
        """An argument of every entry as it was; entries that are new follow the others."""
        if len(set(before.values())) > 1:
            for entry in self.entries():
                if entry.kernel in before:
                    self._put_argument(
                        entry.kernel, name, entry.options.get(name), before[entry.kernel]
                    )
            return
        # ALL also changes what entries of later kernels are made from.
        value = next(iter(before.values()), None)
        for found in sorted({entry.options.get(name) or "" for entry in self.entries()}):
            self._put_argument("ALL", name, found or None, value)

    def _put_argument(
        self, where: str, name: str, found: Optional[str], value: Optional[str]
    ) -> None:
        if found == value:
            return
        if value is None:
            change = "--remove-args={}={}".format(name, found)
        else:
            change = "--args={}={}".format(name, value)
        self._grubby("--update-kernel=" + where, change)

    # -- tools -------------------------------------------------------------------------------

    def _under_root(self, path: str) -> str:
        return os.path.join(self._system.root, path.lstrip("/"))

    def _read(self, path: str) -> Optional[bytes]:
        return self._system.read(self._under_root(path))

    def _lacks(self, program: str, consequence: str) -> bool:
        if self._system.has_program(program):
            return False
        self._console.note("{} is not installed any more: {}".format(program, consequence))
        return True

    def _ask(self, question: str) -> str:
        return self._run([GRUBBY, question]) if self._system.has_program(GRUBBY) else ""

    def _grubby(self, *arguments: str) -> None:
        self._run([GRUBBY] + list(arguments))

    def _run(self, argv: List[str]) -> str:
        done = self._system.run(argv, timeout=_NO_LIMIT, environment=_AGREED, shielded=True)
        if done.status:
            raise StorageError(
                "'{}' failed with status {}: {}".format(
                    " ".join(shlex.quote(word) for word in argv), done.status, _said(done)
                ),
                "Remove the cause, then run tuxctl again.",
            )
        return done.stdout


def parse_entries(text: str) -> List[Entry]:
    """What `grubby --info=ALL` printed: a line `index=` opens each entry."""
    entries: List[Entry] = []
    for line in text.splitlines():
        found = _INFO.match(line)
        if not found:
            continue
        value = found.group(2) if found.group(2) is not None else found.group(3)
        field = _FIELDS.get(found.group(1))
        if found.group(1) == "index":
            entries.append(Entry("", ""))
        elif field and entries:
            entries[-1] = entries[-1]._replace(**{field: value})
    return [entry for entry in entries if entry.kernel]


def _values(entries: List[Entry], name: str) -> Dict[str, Optional[str]]:
    return {entry.kernel: entry.options.get(name) for entry in entries}


def _said(done: Outcome) -> str:
    text = done.stderr.strip() or done.stdout.strip() or "no message"
    return " / ".join(text.splitlines()[-4:])
