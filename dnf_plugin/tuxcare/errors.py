"""What can go wrong, and the exit status each kind of trouble has.

Every error says in `message` what is wrong, what was expected and what was found; `hint` is the
way out, a sentence of its own. Neither may hold a licence key or a token.
"""

TYPE_CHECKING = False  # typing costs more to load than all of this
if TYPE_CHECKING:
    from typing import Optional


class TuxcareError(Exception):
    """Root of the tree. `exit_status` is what a command that fails with it exits with."""

    exit_status = 70

    def __init__(self, message: str, hint: "Optional[str]" = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class RegistrationStateError(TuxcareError):
    """The host's registration is not what the command needs."""

    exit_status = 1


class AlreadyRegistered(RegistrationStateError):
    """There is a token already."""


class NotRegistered(RegistrationStateError):
    """There is no token."""


class UsageError(TuxcareError):
    """The command line, or the host it is run on, is not one that this command works with."""

    exit_status = 2


class ConfigError(TuxcareError):
    """A file that people write or that comes with the package cannot be used."""

    exit_status = 2


class NetworkError(TuxcareError):
    """A service could not be reached, or did not answer as it should."""

    exit_status = 3


class VerificationError(TuxcareError):
    """A key, signature or digest is not the expected one."""

    exit_status = 4


class RefusedError(TuxcareError):
    """A rule forbids it: the licence, a pin, a policy."""

    exit_status = 5


class StorageError(TuxcareError):
    """A file cannot be read or written: full, read-only, no permission."""

    exit_status = 6


class LockHeld(TuxcareError):
    """Another run is at work."""

    exit_status = 7


class Drift(TuxcareError):
    """The host is not in the state it was brought into."""

    exit_status = 8
