"""`tuxctl refresh`: a new token in the place of the host's own, for timers and people.

The service keeps the old token valid for some minutes, so a running dnf ends in peace; after that
only the new one opens. So all that can fail without the service is tried before it is asked, and
the new token is what is written first.
"""

import json

from tuxcare.errors import ConfigError, NotRegistered, RefusedError, StorageError
from tuxcare.host import read_registration, read_token
from tuxctl import identity
from tuxctl.context import Context
from tuxctl.journal import Run
from tuxctl.records import OWNED, SECRET
from tuxctl.service import Registration

_STORED_LATE = (
    "The service issued a new token that could not be stored; the old one works for ten more "
    "minutes. Remove the cause and run 'tuxctl refresh' again before that; later, register again "
    "with 'tuxctl --force --license-key-file FILE'."
)


def refresh(context: Context) -> None:
    """Raises NotRegistered, RefusedError, NetworkError, StorageError."""
    with context.changing():
        token = read_token(context.paths)
        if token is None:
            raise NotRegistered("Server is not registered")
        registration = read_registration(context.paths)
        if identity.is_copy(context, registration):
            raise RefusedError(
                "this host is a copy of another one: the token belongs to that one, and a new one "
                "would shut it out",
                "Register this host with 'tuxctl --force --license-key-file FILE'.",
            )
        _check_writable(context)
        server = str(registration.get("server") or context.conf().register_url)
        with context.journal.run("refresh") as run:
            answer = context.service(server).refresh(token)
            if answer is None:
                context.console.say("{} does not rotate tokens: nothing to do".format(server))
                return
            try:
                _store(context, run, answer)
            except StorageError as error:
                raise StorageError(error.message, _STORED_LATE) from error
    context.console.say("Token refreshed")


def _check_writable(context: Context) -> None:
    paths = context.paths
    for place in (paths.etc, paths.state_dir):
        if not context.system.is_writable(place):
            raise StorageError(
                "{}: cannot be written to".format(place),
                "Make the file system writable, then run this command again.",
            )


def _store(context: Context, run: Run, answer: Registration) -> None:
    """The token first: the rest can be made up for."""
    paths = context.paths
    token = (answer.token + "\n").encode()
    run.put(paths.token, token, SECRET, 0o600, stands=True)
    if context.system.read(paths.token_var) is not None:
        run.put(paths.token_var, token, SECRET, 0o600, stands=True)
    try:
        document = dict(read_registration(paths))
    except ConfigError:
        return  # damaged before; the token is what counts
    document["token_at"] = context.now().isoformat()
    if answer.products is not None:
        document["products"] = answer.products
    if answer.expires is not None:
        document["expires"] = answer.expires
    data = (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()
    run.put(paths.registration, data, OWNED, stands=True)
