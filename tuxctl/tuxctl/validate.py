"""`tuxctl validate`, `tuxctl --validate`: is this host registered? For scripts."""

from tuxcare.errors import NotRegistered, UsageError
from tuxcare.host import read_token
from tuxctl.context import Context


def validate(context: Context, show_token: bool = False) -> None:
    """Says the token, masked unless asked for. Raises NotRegistered, UsageError."""
    try:
        token = read_token(context.paths)
    except PermissionError as error:
        raise UsageError("the token can be read by root alone: run this as root") from error
    if token is None:
        raise NotRegistered("Server is not registered")
    context.console.say(token if show_token else mask(token))


def mask(token: str) -> str:
    """The token's last four characters, enough to tell one from another."""
    return "*" * 8 + token[-4:]
