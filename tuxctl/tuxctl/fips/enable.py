"""`tuxctl fips enable`: plan, then carry out that plan in one journalled run.

A step that fails, or a kill, puts back the files, the boot default and the boot mode; what dnf had
installed by then stays and is said to. Running it again goes on from there.
"""

import json
from typing import List, NamedTuple, Sequence

from tuxcare import manifest as manifests
from tuxcare.errors import RefusedError, UsageError
from tuxctl import reasons
from tuxctl.context import Context
from tuxctl.fips import ACCEPTABLE, builds, choice, machine, plan, state
from tuxctl.fips.boot import BootLoader
from tuxctl.fips.findings import Finding
from tuxctl.fips.packages import Packages
from tuxctl.fips.plan import Plan, Planner
from tuxctl.fips.state import Expected
from tuxctl.journal import Run
from tuxctl.records import OWNED

STEPS = (
    "Hold the validated builds",
    "Install the validated builds",
    "Boot the validated kernel by default",
    "Switch FIPS mode on for the next boot",
)


class Order(NamedTuple):
    """What was asked for. `accepted`: names of blockers to go on with."""

    mode: str
    dry_run: bool = False
    yes: bool = False
    pins_only: bool = False
    accepted: Sequence[str] = ()
    as_json: bool = False


def enable(context: Context, order: Order) -> None:
    """Raises RefusedError for a blocker, and what a step raises, with the host as it was."""
    if order.pins_only or not context.system.is_live:
        _hold(context, order.mode)
    elif order.dry_run:
        context.require_root()
        cut_off = context.journal.pending()
        if cut_off:
            context.console.note(
                "An earlier 'tuxctl {}' was cut off: the next run undoes it before anything "
                "else; this is the host as it stands.".format(cut_off)
            )
        _show(context, order, _plan(context, order))
    else:
        with context.changing():
            found = _plan(context, order)
            _show(context, order, found)
            if found.is_empty:
                context.console.say("Nothing to do.")
                return
            _agree(context, order)
            _carry_out(context, found)


def _hold(context: Context, mode: str) -> None:
    """The configuration alone: of an image, or of a host that is set up by other means."""
    with context.changing():
        facts, fips = choice.check_host(context, mode)
        with context.journal.run("fips enable") as run:
            choice.put(context, run, fips, choice.offers_repository(context, facts))
        reasons.keep(context, fips.pinned)
    context.console.say(_done(fips))


def _done(fips: choice.Fips) -> str:
    return "FIPS mode is {} for AlmaLinux {}".format(fips.choice.mode, fips.choice.release)


def _plan(context: Context, order: Order) -> Plan:
    return Planner(context, order.accepted).make(order.mode)


def _show(context: Context, order: Order, found: Plan) -> None:
    """Raises RefusedError where something stands in the way."""
    if order.as_json:
        context.console.say(json.dumps(plan.document(found), indent=2))
    else:
        for line in plan.lines(found):
            context.console.say(line)
    if found.blockers:
        raise RefusedError(
            "FIPS mode was not switched on; this stands in the way:\n{}".format(
                "\n".join(plan.finding_lines(found.blockers))
            ),
            "Nothing was changed." + _overruling(found.blockers),
        )


def _overruling(blockers: Sequence[Finding]) -> str:
    names = sorted({finding.name for finding in blockers})
    if not set(names) <= set(ACCEPTABLE):
        return ""
    return " To go on in spite of it: " + " ".join("--accept " + name for name in names)


def _agree(context: Context, order: Order) -> None:
    if order.yes:
        return
    if not context.system.on_terminal():
        raise UsageError(
            "this changes packages and what the host boots: nobody is there to be asked",
            "Read the plan above, then give --yes; or --dry-run to see it alone.",
        )
    if not context.console.confirm("Go on with this?"):
        raise UsageError("nothing was changed")


def _carry_out(context: Context, found: Plan) -> None:
    loader = BootLoader(context.system, context.console)
    console = context.console
    with context.journal.run("fips enable") as run:
        with console.step(1, STEPS[0]) as step:
            choice.put(context, run, found.fips, found.with_repository)
            step.detail = "mode {}".format(found.fips.choice.mode)
        loader.keep_default(run)
        with console.step(2, STEPS[1]) as step:
            step.detail = _install(context, run, found)
        kernel = _check_installed(context, found)
        with console.step(3, STEPS[2]) as step:
            assert found.target is not None  # noqa: S101  # a plan without one has a blocker
            loader.set_default(found.target.kernel)
            step.detail = found.target.kernel
        with console.step(4, STEPS[3]) as step:
            if loader.is_enabled(found.machine.major, found.target):
                step.detail = "was on already"
            else:
                console.note("This rebuilds every initramfs; it takes some minutes.")
                loader.enable(run, found.machine.major, found.target)
                step.detail = found.target.arguments
        run.put(state.path(context.paths), _expected(context, kernel), OWNED)
    reasons.keep(context, found.fips.pinned)
    console.say(_done(found.fips))
    console.say("Reboot, then check it with 'tuxctl fips status'.")


def _install(context: Context, run: Run, found: Plan) -> str:
    packages = Packages(context.system, context.console)
    if found.remove:
        packages.transaction(
            run, ["--setopt=clean_requirements_on_remove=False", "remove"] + list(found.remove)
        )
    if found.specs:
        packages.transaction(run, ["install"] + found.specs)
    return "{} packages".format(len(found.specs)) if found.specs else "were there already"


def _check_installed(context: Context, found: Plan) -> str:
    """The release of the kernel to boot. Raises RefusedError where dnf did not do what it said."""
    installed = Packages(context.system, context.console).installed()
    manifest = manifests.load(context.paths, found.facts.followed)
    rules = builds.pins_of(manifest, found.fips.choice.mode, found.facts.arch)
    after = builds.select(manifest, rules, found.facts.arch, installed, [])
    lacking: List[str] = list(after.missing)
    if lacking or after.kernel is None or after.kernel != found.selection.kernel:
        raise RefusedError(
            "dnf ended well, and yet these are not installed as planned: {}".format(
                ", ".join(lacking) or found.selection.kernel
            ),
            "See /var/log/dnf.log, then run this command again.",
        )
    return after.kernel


def _expected(context: Context, kernel: str) -> bytes:
    system = context.system
    in_effect = machine.kernel_is_in_fips_mode(system) and machine.running_kernel(system) == kernel
    return state.dump(
        Expected(
            kernel,
            "" if in_effect else machine.boot_id(system),
            context.now().isoformat(),
        )
    )
