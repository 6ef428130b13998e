"""TuxCare's DNF plugin: repository variables, and FIPS pins.

Only hooks are here. dnf swallows an error of this module's import, so the library is imported
inside the hooks; and it logs and ignores any exception but its own Error in a hook, so an enforcing
hook turns every other one into that: when in doubt nothing is installed.
"""

import functools
import logging
import os

import dnf
import dnf.exceptions

logger = logging.getLogger("dnf.plugin")

# These repair or remove the plugin, so they pass whatever state the pins are in.
OWN_PACKAGES = frozenset(["tuxcare-release", "tuxcare-fips-pin", "tuxcare-fips-pin-strict"])


def enforcing(hook):
    """A hook that stops the command when it cannot do its work.

    Only the plain Error stops dnf in every version and with a word: some of its subclasses end
    the command silently, and anything else is logged and ignored.
    """

    @functools.wraps(hook)
    def closed(plugin):
        try:
            hook(plugin)
        except Exception as error:  # noqa: BLE001
            if type(error) is dnf.exceptions.Error:
                raise
            raise dnf.exceptions.Error(explain_failure(error)) from error

    return closed


def explain_failure(error):
    """What a person can act on; never fails itself."""
    try:
        message = getattr(error, "message", None) or "{}: {}".format(type(error).__name__, error)
        hint = getattr(error, "hint", None) or "Repair it with 'dnf reinstall tuxcare-release'."
    except Exception:  # noqa: BLE001
        message, hint = type(error).__name__, "Repair it with 'dnf reinstall tuxcare-release'."
    return "tuxcare: the FIPS pins cannot be checked, so nothing is changed: {}\n{}".format(
        message, hint
    )


def helping(hook):
    """A hook whose failure costs repositories, never the command."""

    @functools.wraps(hook)
    def tolerant(plugin):
        try:
            hook(plugin)
        except Exception as error:  # noqa: BLE001
            logger.warning("tuxcare: %s: %s", type(error).__name__, error)

    return tolerant


class TuxCare(dnf.Plugin):
    """Variables in pre_config and config; pins in sack, resolved and pre_transaction."""

    name = "tuxcare"

    def __init__(self, base, cli):
        super(TuxCare, self).__init__(base, cli)
        self._redactor = None
        self._injected = None
        self._pins = None
        self._failure = None

    @helping
    def pre_config(self):
        from tuxcare import dnf_repos, redact, variables

        self._injected = variables.inject(
            self.base.conf.substitutions, dnf_repos.variable_roots(self.base)
        )
        if self._injected.token:
            self._redactor = redact.Redactor(self._injected.token)
            self._redactor.attach()

    @helping
    def config(self):
        from tuxcare import dnf_repos, variables

        self._clean_progress()
        self._send_token()
        disabled, names = dnf_repos.disable_unset(self.base)
        if os.geteuid() != 0:
            return
        for problem in self._injected.problems if self._injected else ():
            logger.warning("tuxcare: %s", problem)
        if disabled:
            registered = self._injected is not None and self._injected.token is not None
            logger.warning(variables.explain_unset(disabled, names, registered))

    @helping
    def _send_token(self):
        if self._injected is not None and self._injected.header_root is not None:
            from tuxcare import dnf_header

            dnf_header.send_token(self.base, self._injected.header_root, self._injected.token)

    @helping
    def _clean_progress(self):
        """Again in sack(): some commands replace the progress bar after config()."""
        if self._redactor is not None:
            from tuxcare import dnf_repos

            dnf_repos.clean_progress(self.base, self._redactor)

    @enforcing
    def sack(self):
        self._clean_progress()
        if not self._fips_may_be_on():
            return
        self._failure = None
        try:
            self._filter()
        except Exception as error:  # noqa: BLE001
            if type(error) is dnf.exceptions.Error:
                raise
            # Not yet: reading commands and the repair of the plugin itself go on.
            self._failure = error

    def _filter(self):
        from tuxcare import dnf_versions

        if not dnf_versions.is_resolving(self.cli):
            return
        from tuxcare import dnf_solver

        rules = self._load()
        if rules is not None:
            dnf_solver.SolverGuard(self.base, rules).apply(self.cli)

    def _load(self):
        from tuxcare import dnf_adapter

        if self._pins is None:
            self._pins = dnf_adapter.load_pins(self.base)
        return self._pins

    @enforcing
    def resolved(self):
        self._check_locations()
        self._check()

    def _check_locations(self):
        if self._injected is None or self._injected.header_root is None:
            return
        from tuxcare import dnf_header

        problem = dnf_header.misplaced(self.base, self._injected.header_root)
        if problem:
            raise dnf.exceptions.Error(problem)

    @enforcing
    def pre_transaction(self):
        self._check()

    def _check(self):
        if not self._fips_may_be_on() or self._is_own_repair():
            return
        if self._failure is not None:
            raise self._failure
        from tuxcare import dnf_adapter, pins

        rules = self._load()
        if rules is None:
            return
        violations = rules.check(dnf_adapter.to_change(self.base, rules))
        if violations:
            raise dnf.exceptions.Error(pins.explain(violations, rules.mode, rules.release))

    def _fips_may_be_on(self):
        """False only where no choice was ever made, or the file tuxctl writes says off."""
        path = os.path.join(self.base.conf.installroot, "etc/tuxcare/fips.conf")
        try:
            with open(path, "rb") as stream:
                lines = stream.read().splitlines()
        except (FileNotFoundError, NotADirectoryError):
            # A link that leads nowhere was a choice of somebody.
            return os.path.islink(path) or os.path.islink(os.path.dirname(path))
        except OSError:
            return True
        said = [line.replace(b" ", b"") for line in lines if line and not line.startswith(b"#")]
        return said[:2] != [b"[fips]", b"mode=off"] or any(
            not line.startswith(b"release=") for line in said[2:]
        )

    def _is_own_repair(self):
        """Whether the transaction is about our own packages and what goes with them."""
        items = list(self.base.transaction or ())
        if not any(item.name in OWN_PACKAGES for item in items):
            return False
        return all(
            item.name in OWN_PACKAGES
            or (item.action in dnf.transaction.BACKWARD_ACTIONS and self._is_cleanup(item))
            for item in items
        )

    @staticmethod
    def _is_cleanup(item):
        import libdnf.transaction

        return item.reason == libdnf.transaction.TransactionItemReason_CLEAN
