"""`tuxctl unregister`, `tuxctl --delete`: give the seat back and the host its own files."""

from typing import List, Optional

from tuxcare.errors import ConfigError, NetworkError, NotRegistered, TuxcareError
from tuxcare.host import read_registration, read_token
from tuxctl import identity
from tuxctl.context import Context
from tuxctl.fips import boot, packages

SUCCESS = "De-registration successful"

# Telling the service: at all costs, if it answers within some seconds, not at all.
REQUIRED = "required"
ATTEMPTED = "attempted"
LOCAL = "local"

_PATIENCE = 5.0
_SEAT_STAYS = "the licence's seat stays taken until it is freed in your account"


def unregister(context: Context, telling: str = REQUIRED, keep_key: bool = False) -> None:
    """Undo what registering did.

    `keep_key`: leave the signing key with rpm, whose database is locked where a package's
    scriptlet runs this.

    Raises NotRegistered, NetworkError (the host is as it was; if telling is REQUIRED), StorageError
    (run it again).
    """
    with context.changing():
        token = known_token(context)
        if token is None and context.journal.is_empty():
            raise NotRegistered("Server is not registered")
        if token is not None:
            _give_back(context, token, telling)
        kept = boot_remarks(context) if keep_key else []
        for note in context.journal.revert(keep_actions=keep_key) + kept:
            context.console.note(note)
        # A token that no journal knows of (put there by hand) is none to leave behind.
        context.system.remove(context.paths.token)
    context.console.say(SUCCESS)


def boot_remarks(context: Context) -> List[str]:
    """What `keep_key` leaves of FIPS mode: no boot loader is touched from a scriptlet."""
    kinds = {action.kind for action in context.journal.actions()}
    lines = []
    if boot.MODE in kinds:
        lines.append("FIPS mode stays on for the next boot: 'fips-mode-setup --disable' ends it")
    if packages.ACTION in kinds:
        lines.append(
            "a pin package that is installed holds its builds: 'dnf remove tuxcare-fips-pin*'"
        )
    if boot.DEFAULT in kinds:
        lines.append("the validated kernel stays the boot default: 'grubby --set-default=...'")
    return lines


def known_token(context: Context) -> Optional[str]:
    """The host's token; None where there is none to give back, or a damaged one, which is told."""
    try:
        return read_token(context.paths)
    except ConfigError as error:
        context.console.note("{}; its seat cannot be given back".format(error.message))
        return None


def _give_back(context: Context, token: str, telling: str) -> None:
    if telling == LOCAL:
        return
    if telling == REQUIRED:
        tell_service(context, token)
        return
    try:
        tell_service(context, token, _PATIENCE)
    except TuxcareError as error:
        context.console.note("{}; {}".format(error.message, _SEAT_STAYS))


def tell_service(context: Context, token: str, patience: Optional[float] = None) -> None:
    """Give the seat back. `patience`: seconds, with one attempt. Raises NetworkError, RefusedError.

    The seat of a host that this one was copied from is not ours to give.
    """
    try:
        registration = read_registration(context.paths)
    except ConfigError:
        registration = {}
    if identity.is_copy(context, registration):
        context.console.note(
            "This host is a copy of another one: the seat and the token stay with that one."
        )
        return
    server = str(registration.get("server") or "") or context.conf().register_url
    try:
        known = context.service(server, patience).unregister(token)
    except NetworkError as error:
        raise NetworkError(
            error.message,
            "Nothing was changed. Try again later, or add --local: then {}.".format(_SEAT_STAYS),
        ) from error
    if not known:
        context.console.note("{} did not know this host's token any more".format(server))
