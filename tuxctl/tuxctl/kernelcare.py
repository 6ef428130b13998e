"""KernelCare, which patches a running kernel: what it made of it, or how to have it.

kcarectl(8): `--uname` prints the effective kernel version, that is the one whose security fixes are
in; `--register KEY` and `--enable-libcare` are the guide's own ("Live Patching").
"""

from typing import Any, Dict, Optional

from tuxcare.errors import StorageError
from tuxctl.context import Context

_HOW = (
    "curl -s -L https://kernelcare.com/installer | bash",
    "kcarectl --register KEY",
    "kcarectl --enable-libcare && libcare-cron init",
)


def describe(context: Context) -> Dict[str, Any]:
    """`installed`; `effective_kernel` where it tells; `commands` that set it up where it is not."""
    if context.system.root != "/":
        return {"installed": None, "effective_kernel": None, "commands": []}
    effective = _effective(context)
    installed = effective is not None
    return {
        "installed": installed,
        "effective_kernel": effective or None,
        "commands": [] if installed else list(_HOW),
    }


def _effective(context: Context) -> Optional[str]:
    """Empty where kcarectl is there and does not tell (without root it may not)."""
    try:
        done = context.system.run(["kcarectl", "--uname"], timeout=10)
    except StorageError:
        return None
    return done.stdout.strip() if done.status == 0 else ""
