"""`tuxctl --license-key KEY`: the eight steps of the administrator's guide, in its order.

All changes of the host are one journalled run: if a step fails, or the run is cut off, the host
is as it was before. A seat that was taken for nothing is given back.
"""

import contextlib
import hashlib
import json
from typing import Any, Dict, List, NamedTuple, Optional

from tuxcare.errors import AlreadyRegistered, ConfigError, RefusedError, TuxcareError, UsageError
from tuxcare.host import HostPaths, TuxcareConf, read_registration, read_token
from tuxctl import clock, identity, preflight, reasons, repos
from tuxctl.context import Context
from tuxctl.fips import choice as fips
from tuxctl.fips.choice import Fips
from tuxctl.journal import Run, Writer
from tuxctl.licence import ESU, FIPS, LicenceKey
from tuxctl.lifecycle import covers
from tuxctl.records import EDITED, OWNED, SECRET
from tuxctl.service import Host, KeyInfo, Registration, is_open_http

STEPS = (
    "Check your OS and architecture",
    "Check your license key for validity and purchased extensions",
    "Check if your system is already registered",
    "Register to CloudLinux Network",
    "Obtain a token to access the restricted TuxCare repos",
    "Enable the TuxCare ESU repo",
    "Switch the default AlmaLinux repos to use repo.tuxcare.com",
    "Import the TuxCare GPG key",
)
SUCCESS = "TuxCare installed successfully"

# Seconds for finding out whether the content server answers at all.
_PATIENCE = 10.0


class Order(NamedTuple):
    """What was asked for. `fips_mode`: patched or strict, None to leave FIPS alone."""

    key: Optional[LicenceKey]
    force: bool = False
    fips_mode: Optional[str] = None
    server: Optional[str] = None


class Rehearsal(NamedTuple):
    """What a run would do besides writing files. `host`: what the service would be told, None where
    nothing is; `imports`: whether rpm would import `key_file`."""

    server: str
    content_url: str
    host: Optional[Host]
    imports: bool
    key_file: str


def register(context: Context, order: Order) -> None:
    """Make the host a supported one. Raises what a step raises, with the host as it was."""
    with context.changing():
        Registering(context, order).run()
    context.console.say(SUCCESS)


class Registering:
    """One run. Its attributes are what the steps so far found out."""

    def __init__(self, context: Context, order: Order) -> None:
        self._context = context
        self._order = order
        self._paths: HostPaths = context.paths
        self._conf: TuxcareConf = context.conf()
        self._server = order.server or self._conf.register_url
        # registration.json of a host that is registered already; empty if it is missing.
        self._existing: Optional[Dict[str, Any]] = None
        self._registration: Optional[Registration] = None
        self._fips: Optional[Fips] = None
        self._info: Optional[KeyInfo] = None

    def run(self) -> None:
        self.check()
        try:
            with self._context.journal.run("register") as run:
                self._change(run)
        except BaseException:
            self._give_back()
            raise
        if self._fips:
            reasons.keep(self._context, self._fips.pinned)

    def check(self) -> None:
        """Steps 1 to 3, which change nothing."""
        context = self._context
        with self._step(1) as step:
            self._facts = preflight.check_system(context)
            self._key_file = preflight.check_key_file(context, self._conf)
            self._repo_files = preflight.check_files(context)
            if self._order.fips_mode:
                self._fips = fips.prepare(
                    context, self._order.fips_mode, self._facts.followed, self._facts.arch
                )
            step.detail = "AlmaLinux {}, {}".format(self._facts.release, self._facts.arch)
        with self._step(2) as step:
            step.detail = self._check_key()
        with self._step(3) as step:
            step.detail = self._check_registered()
        if self._keeps and not self._fips:
            raise AlreadyRegistered(
                "This server already has a TuxCare token installed",
                "To force re-registration, please run the script with --force",
            )

    def rehearse(self, writer: Writer, token: str) -> Rehearsal:
        """After `check`: write what a run would write, with `token` in the place of a real one."""
        host = None
        if self._order.key is not None and not self._keeps:
            host = self._host()
            info = self._info or KeyInfo()
            self._registration = Registration(token, info.products, info.expires, None)
        self._store_token(writer)
        self._enable_own(writer, token)
        self._switch(writer)
        imports = self._conf.fingerprint[-8:].lower() not in self._context.rpm_keys.key_ids()
        return Rehearsal(self._server, self._content_url(), host, imports, self._key_file)

    def _change(self, run: Run) -> None:
        with self._step(4) as step:
            step.detail = self._register()
        with self._step(5) as step:
            step.detail = self._store_token(run)
        with self._step(6) as step:
            step.detail = self._enable_own(run)
        with self._step(7) as step:
            step.detail = self._switch(run)
        with self._step(8) as step:
            imported = self._context.rpm_keys.import_file(
                run, self._key_file, self._conf.fingerprint
            )
            step.detail = self._conf.fingerprint + ("" if imported else ", already imported")

    def _step(self, number: int) -> Any:
        return self._context.console.step(number, STEPS[number - 1])

    # -- step 2 ------------------------------------------------------------------------------

    def _check_key(self) -> str:
        key = self._order.key
        if key is None:
            return "not asked for a registered host"
        if is_open_http(self._server):
            self._context.console.note(
                "{}: the licence key travels there unencrypted; https would hide it".format(
                    self._server
                )
            )
        service = self._context.service(self._server)
        self._info = service.check_key(key.text)
        clock.check(self._context, self._server, service.date)
        if self._info is None:
            return "the service tells when registering"
        if not covers(self._info.releases or (), self._facts.followed):
            raise RefusedError(
                "this licence does not cover AlmaLinux {}; it covers {}".format(
                    self._facts.followed, ", ".join(self._info.releases or ())
                ),
                "Use a key for this release, or follow another one with "
                "/etc/dnf/vars/tuxcare_releasever.",
            )
        if self._fips and self._info.products is not None:
            fips.check_product(self._info.products)
        return _describe(self._info.products, self._info.expires)

    # -- step 3 ------------------------------------------------------------------------------

    def _check_registered(self) -> str:
        try:
            token = read_token(self._paths)
            document = read_registration(self._paths)
        except ConfigError:
            if not self._order.force:
                raise
            return "damaged, registering again"
        if token is None:
            if self._order.key is None:
                raise UsageError(
                    "this host is not registered: a licence key is needed",
                    "Give one with --license-key or --license-key-file.",
                )
            return "not registered"
        self._existing = document
        if self._order.force:
            return "registered, registering again"
        if self._fips:
            fips.check_product(self._products())
        return "registered already"

    @property
    def _keeps(self) -> bool:
        """Whether the registration that is there stays: FIPS is enabled on a registered host."""
        return self._existing is not None and not self._order.force

    # -- steps 4 and 5 -----------------------------------------------------------------------

    def _register(self) -> str:
        if self._keeps or self._order.key is None:
            return "kept"
        host = self._host()
        service = self._context.service(self._server)
        self._registration = service.register(self._order.key.text, host)
        if self._fips:
            fips.check_product(self._products())
        return "{} at {}".format(host.host_name, self._server)

    def _host(self) -> Host:
        return identity.describe(self._context, self._facts.followed, self._facts.arch)

    def _store_token(self, run: Writer) -> str:
        registration = self._registration
        if registration is None:
            return "kept"
        stands = self._replaces_own_token()
        run.put(self._paths.registration, self._document(registration), OWNED, stands=stands)
        token = (registration.token + "\n").encode()
        run.put(self._paths.token, token, SECRET, 0o600, stands)
        if self._conf.compat_vars:
            run.put(self._paths.token_var, token, SECRET, 0o600, stands)
        if self._context.system.read(self._paths.releasever_var) is None:
            run.put(self._paths.releasever_var, (self._facts.followed + "\n").encode(), EDITED)
        return "stored in {}".format(self._paths.inside(self._paths.token))

    def _document(self, registration: Registration) -> bytes:
        document = {
            "server": self._server,
            "content_url": self._content_url(),
            "products": self._products(),
            "expires": registration.expires or (self._info.expires if self._info else None),
            "registered_at": self._context.now().isoformat(),
            "token_at": self._context.now().isoformat(),
            "machine": identity.fingerprint(self._context),
            "key_id": _key_id(self._order.key) if self._order.key else None,
        }
        return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()

    # -- steps 6 and 7 -----------------------------------------------------------------------

    def _enable_own(self, run: Writer, pretended: Optional[str] = None) -> str:
        """`pretended`: the token is none, so the server is not asked what it opens."""
        context, url = self._context, self._content_url()
        products = self._products()
        enabled = {
            repos.BASE: self._reaches(url) and context.content(url).offers_base(
                self._facts.followed, self._facts.arch
            ),
            # Patches of the validated modules come through it as well.
            repos.ESU: bool({ESU, FIPS} & set(products)),
        }
        if self._fips:
            fips.write_choice(context, run, self._fips)
            enabled[repos.FIPS] = bool(pretended) or fips.offers_repository(context, self._facts)
        path = self._paths.tuxcare_repo
        data = context.system.read(path) or b""
        run.put(path, repos.set_own(data, url, enabled, path), EDITED)
        names = [name for name, on in sorted(enabled.items()) if on]
        mode = "; FIPS mode {}".format(self._fips.choice.mode) if self._fips else ""
        return (", ".join(names) or "not part of this licence") + mode

    def _reaches(self, url: str) -> bool:
        """Whether packages will be found there; told where not."""
        trouble = self._context.content(url, _PATIENCE).trouble()
        if trouble:
            self._context.console.note(
                "{}; until it can be reached dnf finds no packages there".format(trouble)
            )
        return trouble is None

    def _switch(self, run: Writer) -> str:
        hide = self._fips.pinned if self._fips and self._conf.compat_vars else []
        switched, foreign = [], []  # type: List[str], List[str]
        for path in self._repo_files:
            data = self._context.system.read(path) or b""
            edited = repos.switch(data, self._content_url(), hide)
            run.put(path, edited.data, EDITED)
            switched.extend(edited.switched)
            foreign.extend(edited.foreign)
        if foreign:
            self._context.console.note(
                "Left alone, their packages come from elsewhere: " + ", ".join(foreign)
            )
        return "{} at {}".format(", ".join(switched) or "none", self._content_url())

    # -- what the answers say ----------------------------------------------------------------

    def _products(self) -> List[str]:
        """Of the registration, else of the key check, else what the key's prefix stands for."""
        if self._registration and self._registration.products is not None:
            return self._registration.products
        if self._keeps and self._existing is not None:
            known = self._existing.get("products")
            if isinstance(known, list):
                return known
        if self._info and self._info.products is not None:
            return self._info.products
        return self._order.key.products if self._order.key else [ESU, FIPS]

    def _content_url(self) -> str:
        if self._registration and self._registration.content_url:
            return self._registration.content_url
        if self._keeps and self._existing is not None:
            known = self._existing.get("content_url")
            if isinstance(known, str) and known:
                return known
        return self._order.server or self._conf.content_url

    # -- when a step fails -------------------------------------------------------------------

    def _replaces_own_token(self) -> bool:
        """Whether the host has a new token for the key that it was registered with.

        The service takes the old token out of service soon: a failed run must not put it back,
        or it would lock the host out.
        """
        known = self._existing.get("key_id") if self._existing else None
        return bool(self._registration and self._order.key and known == _key_id(self._order.key))

    def _give_back(self) -> None:
        """Best effort: the trouble that ended the run is the one to tell."""
        if self._registration is None:
            return
        with contextlib.suppress(TuxcareError):
            if read_token(self._paths) == self._registration.token:
                return  # it replaced the host's own, or all was done already
            self._context.service(self._server).unregister(self._registration.token)


def _key_id(key: LicenceKey) -> str:
    """Tells keys apart without telling the key."""
    return hashlib.sha256(key.text.encode()).hexdigest()[:16]


def _describe(products: Optional[List[str]], expires: Optional[str]) -> str:
    text = ", ".join(products) if products else "valid"
    return "{}; until {}".format(text, expires) if expires else text
