"""The truth about FIPS mode on a host, offline: what is chosen, installed, running and booted.

The document (`tuxctl fips status --json`), schema 1:

    schema          1
    mode, release   as chosen in fips.conf
    arch            "x86_64"
    reboot_pending  bool; enabled during this boot, so not in effect yet
    modules         [{"source", "installed": [NEVRA], "validated": [source package],
                      "state": "validated|patched|other|missing",
                      "certificate", "status", "sunset"}]
    checks          [{"name", "expected", "found", "ok"}]; of the running host alone
    expired         sentences on certificates past their last day, or within 90 days of it
    drift           sentences: what is not as chosen; empty is good
"""

import datetime
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from tuxcare import manifest as manifests
from tuxcare.errors import StorageError
from tuxcare.host import FipsChoice
from tuxcare.manifest import Pin
from tuxcare.pins import Package, Pins
from tuxctl.context import Context
from tuxctl.fips import builds, checks, machine, state
from tuxctl.fips.boot import SETUP, BootLoader, image_of
from tuxctl.fips.packages import Packages

SCHEMA = 1

VALIDATED = "validated"
PATCHED = "patched"
OTHER = "other"
MISSING = "missing"


class Module(NamedTuple):
    """What is installed of one pin's modules; `state` is that of the worst of them."""

    pin: Pin
    installed: List[Package]
    state: str


class Check(NamedTuple):
    """One of the things that hold on a host in FIPS mode."""

    name: str
    expected: str
    found: str
    ok: bool


def collect(context: Context, choice: FipsChoice) -> Dict[str, Any]:
    """The document above, for a host whose mode is on. Raises ConfigError, StorageError."""
    arch = context.system.machine()
    manifest = manifests.load(context.paths, choice.release or "")
    rules = builds.pins_of(manifest, choice.mode, arch)
    packages = [item.package for item in Packages(context.system, context.console).installed()]
    modules = [_module(rules, pin, packages, arch) for pin in manifest.pins if arch in pin.arches]
    found = (
        _Running(context, rules, modules, packages, arch).checks() if context.system.is_live else []
    )
    expected = state.read(context)
    pending = bool(
        context.system.is_live and expected and expected.boot_id == machine.boot_id(context.system)
    )
    return {
        "schema": SCHEMA,
        "mode": choice.mode,
        "release": choice.release,
        "arch": arch,
        "reboot_pending": pending,
        "modules": [_module_item(module) for module in modules],
        "checks": [dict(check._asdict()) for check in found],
        "expired": _expired([module.pin for module in modules], context.now().date()),
        "drift": _drift(rules, modules, packages, found),
    }


def _module(rules: Pins, pin: Pin, packages: Sequence[Package], arch: str) -> Module:
    here = [p for p in packages if p.name in pin.modules and p.arch in (arch, "noarch")]
    if {package.name for package in here} != set(pin.modules):
        return Module(pin, here, MISSING)
    states = {}  # type: Dict[str, str]
    for package in here:
        # Of several kernels the best counts: which one runs is a check of its own.
        earlier = states.get(package.name, OTHER)
        states[package.name] = min(earlier, _state(rules, package), key=_RANK.index)
    return Module(pin, here, max(states.values(), key=_RANK.index, default=VALIDATED))


_RANK = [VALIDATED, PATCHED, OTHER, MISSING]


def _state(rules: Pins, package: Package) -> str:
    if rules.is_validated(package):
        return VALIDATED
    return PATCHED if rules.satisfied_by(package) else OTHER


def _module_item(module: Module) -> Dict[str, Any]:
    pin = module.pin
    return {
        "source": pin.source,
        "installed": sorted(map(str, module.installed)),
        "validated": [str(build) for build in pin.builds],
        "state": module.state,
        "certificate": pin.certificate,
        "status": pin.status,
        "sunset": pin.sunset.isoformat() if pin.sunset else None,
    }


def _expired(pins: Sequence[Pin], today: datetime.date) -> List[str]:
    lines = []
    for day, name in checks.sunsets(pins):
        if day < today:
            lines.append("{} ended on {}".format(name, day))
        elif day - today <= checks.SOON:
            lines.append("{} ends on {}, in {} days".format(name, day, (day - today).days))
    return lines


def _drift(
    rules: Pins, modules: Sequence[Module], packages: Sequence[Package], found: Sequence[Check]
) -> List[str]:
    lines = []
    for module in modules:
        if module.state == MISSING:
            lines.append("{}: modules are not installed".format(module.pin.source))
        elif module.state == OTHER:
            lines.append("{}: is not a build that the mode allows".format(module.pin.source))
    named = {name for module in modules for name in module.pin.modules}
    for package in packages:
        pin = rules.pin_of(package)
        if pin is None or package.name in named or pin.source == "kernel":
            continue
        if not rules.satisfied_by(package):
            lines.append("{} is not a build that the mode allows".format(package))
    return lines + [
        "{}: expected {}, found {}".format(check.name, check.expected, check.found)
        for check in found
        if not check.ok
    ]


class _Running:
    """What the administrator's guide looks at after the reboot, and what a next boot would do."""

    def __init__(
        self,
        context: Context,
        rules: Pins,
        modules: Sequence[Module],
        packages: Sequence[Package],
        arch: str,
    ) -> None:
        self._system = context.system
        self._loader = BootLoader(context.system, context.console)
        self._rules = rules
        self._modules = modules
        cores = [
            package
            for package in packages
            if (package.name, package.arch) == (builds.KERNEL, arch) and rules.satisfied_by(package)
        ]
        cores.sort(key=lambda package: package.evr)
        self._kernels = [builds.kernel_release(package) for package in cores]

    def checks(self) -> List[Check]:
        found = [self._mode(), self._kernel(), self._policy()]
        return found + [check for check in (self._provider(), self._default()) if check]

    def _mode(self) -> Check:
        """`fips-mode-setup --check` where root may ask it, else what the kernel itself says."""
        wanted = "FIPS mode is enabled."
        if self._system.euid() == 0 and self._system.has_program(SETUP):
            done = self._system.run([SETUP, "--check"])
            lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
            ok = done.status == 0 and wanted in lines
            said = (lines[:1] if ok else lines) or done.stderr.split("\n")[:1]
            return Check("fips-mode-setup --check", wanted, " ".join(said), ok)
        on = machine.kernel_is_in_fips_mode(self._system)
        return Check("/proc/sys/crypto/fips_enabled", "1", "1" if on else "0", on)

    def _kernel(self) -> Check:
        running = machine.running_kernel(self._system)
        wanted = self._kernels[-1] if self._kernels else "a validated kernel"
        return Check("uname -r", wanted, running, running in self._kernels)

    def _policy(self) -> Check:
        policy = self._loader.policy(int(self._rules.release.partition(".")[0]))
        return Check("crypto policy", "FIPS", policy or "none", checks.is_fips(policy))

    def _default(self) -> Optional[Check]:
        """Only root may read the boot loader's files."""
        if self._system.euid() != 0:
            return None
        allowed = [image_of(release) for release in self._kernels]
        wanted = allowed[-1] if allowed else "a validated kernel"
        try:
            kernel = self._loader.default_kernel()
        except StorageError as error:
            return Check("boot default", wanted, error.message, False)
        if kernel is None:
            return None
        return Check("boot default", wanted, kernel, kernel in allowed)

    def _provider(self) -> Optional[Check]:
        """`openssl list -providers`; a patch of the validated build has a version of its own."""
        pinned = [module for module in self._modules if module.pin.provider]
        if not pinned:
            return None
        exact = pinned[0].state == VALIDATED
        wanted = "version {}, active".format(pinned[0].pin.provider if exact else "of the patch")
        try:
            provider = parse_providers(self._system.run(["openssl", "list", "-providers"]).stdout)
        except StorageError as error:
            return Check("openssl list -providers", wanted, error.message, False)
        fips = provider.get("fips")
        if fips is None:
            return Check("openssl list -providers", wanted, "no fips provider", False)
        version, status = fips.get("version", "unknown"), fips.get("status", "unknown")
        ok = status == "active" and (not exact or version == pinned[0].pin.provider)
        text = "version {}, {}".format(version, status)
        return Check("openssl list -providers", wanted, text, ok)


def parse_providers(text: str) -> Dict[str, Dict[str, str]]:
    """Providers by id: two spaces before an id, four before its `name`, `version`, `status`."""
    found: Dict[str, Dict[str, str]] = {}
    current: Dict[str, str] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if line.startswith("    ") and colon:
            current[key.strip()] = value.strip()
        elif line.startswith("  "):
            current = found.setdefault(line.strip(), {})
    return found
