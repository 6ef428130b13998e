"""`tuxctl fips disable`: everything that enabling did, the other way round.

The protection of the pin package goes first. The builds stay: they are as good without FIPS mode,
and `dnf upgrade` moves them on.
"""

from typing import Any, Dict, List, Mapping, NamedTuple

from tuxcare.errors import ConfigError, UsageError
from tuxcare.host import read_fips
from tuxctl.context import Context
from tuxctl.fips import boot, choice, machine, packages, state
from tuxctl.fips.boot import BootLoader
from tuxctl.fips.packages import Packages
from tuxctl.journal import Run
from tuxctl.preview import Preview
from tuxctl.records import OWNED, Action

_KINDS = (boot.DEFAULT, boot.MODE, boot.MODE_OFF, packages.ACTION)


class Order(NamedTuple):
    dry_run: bool = False
    yes: bool = False


def disable(context: Context, order: Order) -> None:
    """Raises UsageError where nobody can be asked, and what a step raises, host as it was."""
    if order.dry_run:
        context.require_root()
        _Disabling(context).show()
        return
    with context.changing():
        work = _Disabling(context)
        if work.reaches_further_than_files:
            work.show()
            _agree(context, order)
        with context.journal.run("fips disable") as run:
            work.carry_out(run)
    context.console.say("FIPS mode is off")
    for line in work.remarks():
        context.console.note(line)


def _agree(context: Context, order: Order) -> None:
    if order.yes:
        return
    if not context.system.on_terminal():
        raise UsageError(
            "this changes what the host boots: nobody is there to be asked",
            "Give --yes; or --dry-run to see what would be done.",
        )
    if not context.console.confirm("Go on with this?"):
        raise UsageError("nothing was changed")


class _Disabling:
    """One run. What enabling did to the boot stands in the journal."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._loader = BootLoader(context.system, context.console)
        self._packages = Packages(context.system, context.console)
        done: Dict[str, Mapping[str, Any]] = {}
        for action in context.journal.actions():
            if action.kind in _KINDS:
                done.setdefault(action.kind, action.detail)  # the first knows the original state
        self._was_on = bool(done) or _is_on(context)
        self._default = done.get(boot.DEFAULT)
        self._mode = done.get(boot.MODE)
        self._pin_packages: List[str] = []
        if context.system.is_live:
            self._pin_packages = packages.other_pin_packages(None, self._packages.installed())

    @property
    def reaches_further_than_files(self) -> bool:
        return bool(self._default or self._mode or self._pin_packages)

    def show(self) -> None:
        say = self._context.console.say
        preview = Preview(self._context)
        choice.take_away(self._context, preview)
        for line in preview.diffs():
            say(line)
        for name in self._pin_packages:
            say("remove   {}".format(name))
        if self._default:
            say("default  {}".format(self._default["kernel"]))
        if self._mode:
            say(
                "FIPS mode off for the next boot; crypto policy {}".format(
                    self._mode["policy"] or "as fips-mode-setup leaves it"
                )
            )

    def carry_out(self, run: Run) -> None:
        context = self._context
        choice.unprotect(context, run)
        choice.take_away(context, run)
        if self._pin_packages:
            # Without this dnf would remove what only the pin package required: validated modules.
            keep = "--setopt=clean_requirements_on_remove=False"
            self._packages.transaction(run, [keep, "remove"] + self._pin_packages)
        run.settle(*_KINDS)
        self._boot_as_before(run)
        run.put(state.path(context.paths), None, OWNED)

    def _boot_as_before(self, run: Run) -> None:
        loader = self._loader
        if self._default:
            before = self._default
            now = Action(boot.DEFAULT, {"kernel": loader.default_kernel()})
            run.act(now, lambda: loader.undo_default(before))
        if self._mode:
            loader.disable(run, self._mode)

    def remarks(self) -> List[str]:
        """What stays, and what is left to do."""
        context = self._context
        if not (context.system.is_live and self._was_on):
            return []
        lines = ["The installed builds stay; 'dnf upgrade' moves them on."]
        if machine.kernel_is_in_fips_mode(context.system):
            if self._mode:
                lines.append("The kernel is in FIPS mode until the next boot: reboot.")
            else:
                lines.append(
                    "The kernel's FIPS mode was not switched on by tuxctl and stays: "
                    "'fips-mode-setup --disable' and a reboot end it."
                )
        return lines


def _is_on(context: Context) -> bool:
    try:
        return read_fips(context.paths).is_on
    except ConfigError:
        return True  # a damaged choice is never taken for 'off'
