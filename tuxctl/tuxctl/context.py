"""What every command works with, put together in one place."""

import contextlib
import datetime
from typing import TYPE_CHECKING, Dict, Iterator, Optional

from tuxcare.errors import UsageError
from tuxcare.host import HostPaths, TuxcareConf, read_tuxcare_conf
from tuxctl import rpmkeys
from tuxctl.console import Console
from tuxctl.journal import Journal, Undoer
from tuxctl.system import System

if TYPE_CHECKING:
    from tuxctl.content import ContentServer
    from tuxctl.network import Network, Options
    from tuxctl.service import RegistrationService


class Context:
    """One host and the way to talk to people and services."""

    def __init__(self, system: System, console: Console) -> None:
        self.paths = HostPaths(system.root)
        self.system = system
        self.console = console
        self.rpm_keys = rpmkeys.RpmKeys(system)
        self.journal = Journal(self.paths, system, self._undoers())
        self._network: Optional["Network"] = None

    def _undoers(self) -> Dict[str, Undoer]:
        # They know a Context themselves.
        from tuxctl.fips import boot, packages

        loader = boot.BootLoader(self.system, self.console)
        return {
            rpmkeys.ACTION: self.rpm_keys.undo,
            boot.DEFAULT: loader.undo_default,
            boot.MODE: loader.undo_mode,
            boot.MODE_OFF: loader.redo_mode,
            packages.ACTION: packages.Packages(self.system, self.console).undo,
        }

    def conf(self) -> TuxcareConf:
        """Raises ConfigError."""
        return read_tuxcare_conf(self.paths)

    # requests takes longer to load than most commands take to run.

    def set_network(self, options: "Options") -> None:
        """What the command line says of proxy, certificates and patience. Raises UsageError."""
        from tuxctl import dnfconf
        from tuxctl.network import Network

        self._network = Network(options, dnfconf.read_main(self.paths))

    @property
    def network(self) -> "Network":
        """Raises UsageError, ConfigError where its settings are wrong."""
        from tuxctl.network import Options

        if self._network is None:
            self.set_network(Options())
        assert self._network is not None  # noqa: S101
        return self._network

    def service(self, url: str, patience: Optional[float] = None) -> "RegistrationService":
        """A registration service. `patience`: so many seconds, one attempt."""
        from tuxctl.service import RegistrationService
        from tuxctl.transport import Transport

        if patience is None:
            return RegistrationService(url, Transport(self.network))
        return RegistrationService(url, Transport(self.network.impatient(patience), tries=1))

    def content(self, url: str, patience: Optional[float] = None) -> "ContentServer":
        from tuxctl.content import ContentServer
        from tuxctl.transport import Transport

        network = self.network if patience is None else self.network.impatient(patience)
        return ContentServer(url, Transport(network))

    def now(self) -> datetime.datetime:
        return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)

    def require_root(self, why: str = "this changes the system") -> None:
        """Raises UsageError for people who are not root, on the running host."""
        if self.system.root == "/" and self.system.euid() != 0:
            raise UsageError("{}: run it as root".format(why))

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """For commands that change the host: root, alone, after undoing a run that was cut off.

        Raises UsageError, LockHeld, StorageError.
        """
        self.require_root()
        state_dir = self.paths.state_dir
        made = self.system.missing_directories(self.paths.registration)
        for directory in made:
            self.system.make_directory(directory)
        try:
            with self.system.lock(state_dir):
                undone = self.journal.recover()
                if undone:
                    self.console.note(
                        "An earlier 'tuxctl {}' was cut off; what it had changed was put "
                        "back.".format(undone)
                    )
                yield
        finally:
            for directory in reversed(made):
                self.system.remove_directory(directory)
