"""`tuxctl unregister`, `tuxctl --delete`: give the seat back and the host its own files."""

from typing import Optional

from tuxcare.errors import ConfigError, NetworkError, NotRegistered
from tuxcare.host import read_registration, read_token
from tuxctl.context import Context

SUCCESS = "De-registration successful"


def unregister(context: Context, local: bool = False, keep_key: bool = False) -> None:
    """Undo what registering did.

    `local`: without telling the service. `keep_key`: leave the signing key with rpm, whose
    database is locked where a package's scriptlet runs this.

    Raises NotRegistered, NetworkError (the host is as it was), StorageError (run it again).
    """
    with context.changing():
        token = _token(context)
        if token is None and context.journal.is_empty():
            raise NotRegistered("Server is not registered")
        if token is not None and not local:
            _tell_service(context, token)
        for note in context.journal.revert(keep_actions=keep_key):
            context.console.note(note)
        # A token that no journal knows of (put there by hand) is none to leave behind.
        context.system.remove(context.paths.token)
    context.console.say(SUCCESS)


def _token(context: Context) -> Optional[str]:
    try:
        return read_token(context.paths)
    except ConfigError as error:
        context.console.note("{}; its seat cannot be given back".format(error.message))
        return None


def _tell_service(context: Context, token: str) -> None:
    try:
        server = str(read_registration(context.paths).get("server") or "")
    except ConfigError:
        server = ""
    server = server or context.conf().register_url
    try:
        known = context.service(server).unregister(token)
    except NetworkError as error:
        raise NetworkError(
            error.message,
            "Nothing was changed. Try again later, or run 'tuxctl unregister --local': then the "
            "licence's seat stays taken until it is freed in your account.",
        ) from error
    if not known:
        context.console.note("{} did not know this host's token any more".format(server))
