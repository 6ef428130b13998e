"""The plan of `tuxctl fips enable`: what was found, and everything that would be done."""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from tuxcare import manifest as manifests
from tuxcare.host import read_fips
from tuxcare.manifest import Pin
from tuxcare.pins import Package, Pins
from tuxctl import preflight
from tuxctl.context import Context
from tuxctl.fips import builds, checks, choice, machine, packages
from tuxctl.fips.boot import BootLoader, Target, image_of
from tuxctl.fips.builds import Installed, Replacement, Selection
from tuxctl.fips.choice import Fips
from tuxctl.fips.findings import BLOCKER, Finding, accept
from tuxctl.fips.machine import Machine
from tuxctl.fips.packages import Packages
from tuxctl.lifecycle import sort_key
from tuxctl.preview import Preview


class Plan(NamedTuple):
    """`diffs`, `dnf`: lines to read; `dnf` is empty where dnf was not asked. `remove`: names of pin
    packages of the other mode. `pin_package`: the one to install, None where it is there or is not
    offered. `target`: None where nothing bootable is offered; `findings` say so."""

    fips: Fips
    facts: preflight.Facts
    machine: Machine
    with_repository: bool
    selection: Selection
    pin_package: Optional[Package]
    remove: Tuple[str, ...]
    target: Optional[Target]
    switches_mode: bool
    findings: Tuple[Finding, ...]
    diffs: Tuple[str, ...]
    dnf: Tuple[str, ...]

    @property
    def blockers(self) -> List[Finding]:
        return [finding for finding in self.findings if finding.level == BLOCKER]

    @property
    def specs(self) -> List[str]:
        """What dnf is asked to install: exact versions."""
        wanted = [item.package for item in self.selection.install]
        return [
            str(package) for package in wanted + ([self.pin_package] if self.pin_package else [])
        ]

    @property
    def is_empty(self) -> bool:
        """Whether the host is there already."""
        boots = self.target is not None and self.target.kernel == self.machine.default_kernel
        return not (self.diffs or self.specs or self.remove or self.switches_mode) and boots


class Planner:
    """Asks the host everything that the plan needs. Changes nothing."""

    def __init__(self, context: Context, accepted: Sequence[str] = ()) -> None:
        self._context = context
        self._accepted = accepted
        self._packages = Packages(context.system, context.console)
        self._loader = BootLoader(context.system, context.console)

    def make(self, mode: str) -> Plan:
        """Raises what choice.check_host raises, NetworkError, StorageError."""
        context = self._context
        facts, fips = choice.check_host(context, mode)
        with_repository = choice.offers_repository(context, facts)
        manifest = manifests.load(context.paths, facts.followed)
        rules = builds.pins_of(manifest, mode, facts.arch)
        pins = [pin for pin in manifest.pins if facts.arch in pin.arches]
        installed = self._packages.installed()
        available = self._available(rules, pins, installed, with_repository)
        selection = builds.select(manifest, rules, facts.arch, installed, available)
        found = machine.look(context, self._loader, facts.arch, sort_key(facts.release)[0])
        target = self._target(selection, found)
        plan = Plan(
            fips=fips,
            facts=facts,
            machine=found,
            with_repository=with_repository,
            selection=selection,
            pin_package=_missing(packages.offered_pin_package(mode, available), installed),
            remove=tuple(packages.other_pin_packages(mode, installed)),
            target=target,
            switches_mode=not target or not self._loader.is_enabled(found.major, target),
            findings=(),
            diffs=tuple(self._diffs(fips, with_repository)),
            dnf=(),
        )
        modules = self._modules(selection, installed, with_repository)
        findings = checks.check(found, selection, pins, modules, context.now().date())
        if not packages.has_pin_package(mode, installed, available):
            findings.append(checks.no_pin_package(choice.PIN_PACKAGES[mode]))
        plan = plan._replace(findings=tuple(accept(findings, self._accepted)))
        return plan if plan.blockers else plan._replace(dnf=tuple(self._preview(plan)))

    def _available(
        self, rules: Pins, pins: Sequence[Pin], installed: Sequence[Installed], with_fips: bool
    ) -> List[Package]:
        here = {item.package.name for item in installed if rules.pin_of(item.package)}
        names = here | set(builds.wanted_names(pins)) | {choice.PIN_PACKAGES[rules.mode]}
        return self._packages.available(sorted(names), with_fips)

    def _target(self, selection: Selection, found: Machine) -> Optional[Target]:
        if selection.kernel is None:
            return None
        return Target(image_of(selection.kernel), found.boot_uuid)

    def _modules(
        self, selection: Selection, installed: Sequence[Installed], with_fips: bool
    ) -> Optional[List[str]]:
        if selection.kernel is None:
            return None
        cores = [item.package for item in installed if item.package.name == builds.KERNEL]
        return machine.modules_in(self._packages.kernel_files(selection.kernel, cores, with_fips))

    def _diffs(self, fips: Fips, with_repository: bool) -> List[str]:
        preview = Preview(self._context)
        choice.put(self._context, preview, fips, with_repository)
        return preview.diffs()

    def _preview(self, plan: Plan) -> List[str]:
        """dnf's own words, as long as the pins of another mode do not speak up."""
        if not plan.specs or read_fips(self._context.paths).mode not in (
            "off",
            plan.fips.choice.mode,
        ):
            return []
        return self._packages.preview(["install"] + plan.specs, plan.with_repository)


def _missing(package: Optional[Package], installed: Sequence[Installed]) -> Optional[Package]:
    if package is None or package.name in {item.package.name for item in installed}:
        return None
    return package


# -- as people read it ---------------------------------------------------------------------------


def lines(plan: Plan) -> List[str]:
    """The whole plan."""
    mode, release = plan.fips.choice.mode, plan.fips.choice.release
    text = ["FIPS mode '{}' for AlmaLinux {}, {}".format(mode, release, plan.facts.arch)]
    text += _section("Checks", finding_lines(plan.findings) or ["nothing stands in the way"])
    text += _section("Files", plan.diffs or ["nothing to change"])
    text += _section("Packages", _package_lines(plan) or ["nothing to change"])
    if plan.dnf:
        text += _section("Packages, as dnf has it", plan.dnf)
    text += _section("Boot", _boot_lines(plan))
    return text


def _section(title: str, body: Sequence[str]) -> List[str]:
    return ["", title + ":"] + ["  " + line for line in body]


def finding_lines(findings: Sequence[Finding]) -> List[str]:
    text = []
    for finding in findings:
        text.append("{}  {}: {}".format(finding.level, finding.name, finding.message))
        text.append("         {}".format(finding.hint))
    return text


def _package_lines(plan: Plan) -> List[str]:
    text = [_replacement_line(item) for item in plan.selection.install]
    text += ["remove   {} (holds the other mode)".format(name) for name in plan.remove]
    if plan.pin_package:
        text.append("install  {} (holds them below dnf)".format(plan.pin_package))
    return text


def _replacement_line(item: Replacement) -> str:
    why = item.pin.certificate_text if item.validated else "security patch of a validated build"
    if item.replaces is None:
        return "install  {}  ({})".format(item.package, why)
    return "replace  {} by {}  ({})".format(item.replaces, item.package, why)


def _boot_lines(plan: Plan) -> List[str]:
    if plan.target is None:
        return ["no validated kernel to boot"]
    before, after = plan.machine.default_kernel, plan.target.kernel
    text = ["default  {}".format(after if before == after else "{} -> {}".format(before, after))]
    if not plan.switches_mode:
        return text + ["FIPS mode is on for the next boot already"]
    if plan.machine.major >= 10:
        return text + ["grubby --update-kernel=ALL --args='{}'".format(plan.target.arguments)]
    text.append(
        "fips-mode-setup --enable: crypto policy {} -> FIPS, initramfs of every kernel, "
        "arguments {}".format(plan.machine.policy or "none", plan.target.arguments)
    )
    return text


def document(plan: Plan) -> Dict[str, Any]:
    """The plan for scripts (`--dry-run --json`), schema 1:

    {"schema", "mode", "release", "arch",
     "findings": [{"level": "blocker|warning", "name", "message", "hint"}],
     "diffs": [line], "install": [NEVRA], "remove": [name],
     "boot": {"default_before", "default_after", "arguments", "switches_mode"}}
    """
    target = plan.target
    return {
        "schema": 1,
        "mode": plan.fips.choice.mode,
        "release": plan.fips.choice.release,
        "arch": plan.facts.arch,
        "findings": [dict(finding._asdict()) for finding in plan.findings],
        "diffs": list(plan.diffs),
        "install": plan.specs,
        "remove": list(plan.remove),
        "boot": {
            "default_before": plan.machine.default_kernel,
            "default_after": target.kernel if target else None,
            "arguments": target.arguments if target else None,
            "switches_mode": plan.switches_mode,
        },
    }
