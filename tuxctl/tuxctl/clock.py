"""The host's clock against that of a server.

A clock that is days off makes TLS certificates, signatures and metadata look expired or not yet
valid, now or with the next update.
"""

import datetime
from typing import Optional

from tuxcare.errors import UsageError
from tuxctl.context import Context

_TOLD = datetime.timedelta(minutes=5)
_REFUSED = datetime.timedelta(days=1)
_WAY_OUT = "Set it ('chronyc makestep', or 'timedatectl set-time'), then run this command again."


def check(context: Context, server: str, date: Optional[datetime.datetime]) -> None:
    """Compare with a server's date, None where it told none.

    Notes minutes; raises UsageError for a day and more.
    """
    if date is None:
        return
    ahead = context.now() - date
    if abs(ahead) < _TOLD:
        return
    message = "the clock of this host is {} {} that of {}".format(
        _describe(abs(ahead)), "ahead of" if ahead > datetime.timedelta(0) else "behind", server
    )
    if abs(ahead) >= _REFUSED:
        raise UsageError(message, _WAY_OUT)
    context.console.note(message)


def _describe(skew: datetime.timedelta) -> str:
    if skew >= 2 * _REFUSED:
        return "{} days".format(round(skew.total_seconds() / 86400))
    return "{} minutes".format(round(skew.total_seconds() / 60))
