"""`tuxctl prepare-image`: before a host becomes the template of others.

Every copy of a registered host would use its token and pass for it. So what makes the host this
one goes: its seat, token and registration, and the machine id, which systemd makes anew at first
boot. The rest stays: repositories, FIPS mode, and the journal that puts them back. Each copy
registers once it runs, and takes a seat of its own then.
"""

import os
from typing import List

from tuxcare.errors import ConfigError, NotRegistered
from tuxcare.host import read_registration
from tuxctl import identity
from tuxctl.context import Context
from tuxctl.records import OWNED, SECRET
from tuxctl.unregister import known_token, tell_service

_LOGS = ("var/log/dnf*.log*", "var/log/hawkey.log*")
_CACHE = "var/cache/dnf"
_NEXT = (
    "Switch it off and copy it; a copy registers with 'tuxctl --license-key-file FILE' when it "
    "first runs. To go on with this host instead, restart it and register it again."
)


def prepare(context: Context, local: bool = False) -> None:
    """`local`: without telling the service. Raises NotRegistered, NetworkError, StorageError."""
    with context.changing():
        token = known_token(context)
        if token is None and context.journal.is_empty():
            raise NotRegistered("Server is not registered", "An image needs no preparing then.")
        if token is not None and not local and not _is_copy(context):
            tell_service(context, token)
        # From here on the token opens nothing: finishing later is all that a cut-off run needs.
        with context.journal.run("prepare-image") as run:
            for path in (context.paths.token, context.paths.token_var):
                run.put(path, None, SECRET, stands=True)
            run.put(context.paths.registration, None, OWNED, stands=True)
        _forget_machine(context)
        traces = _traces(context, token) if token else []
    for trace in traces:
        context.console.note("{}: has the token in it, which opens nothing any more".format(trace))
    context.console.say("Ready to be copied")
    context.console.note(_NEXT)


def _is_copy(context: Context) -> bool:
    """Then the token is another host's, and so is the seat."""
    try:
        return identity.is_copy(context, read_registration(context.paths))
    except ConfigError:
        return False


def _forget_machine(context: Context) -> None:
    """machine-id(5): an empty file is filled in at boot; a missing one is not on every system."""
    content = context.system.capture(context.paths.machine_id)
    if content is not None and content.data:
        attributes = content.attributes._replace(mtime_ns=None)
        context.system.write(context.paths.machine_id, b"", attributes)


def _traces(context: Context, token: str) -> List[str]:
    """Logs and cached metadata that name the token: dnf without the plugin writes whole URLs."""
    root = context.paths.root
    names: List[str] = []
    for pattern in _LOGS:
        names += context.system.names(os.path.join(root, pattern))
    names += context.system.files_below(os.path.join(root, _CACHE))
    secret = token.encode()
    return [context.paths.inside(name) for name in names if context.system.contains(name, secret)]
