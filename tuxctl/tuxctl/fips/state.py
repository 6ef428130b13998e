"""What FIPS mode is to be after the reboot, written down before it.

    var/lib/tuxcare/fips.json   {"kernel": "5.14.0-…x86_64", "boot_id": "…", "enabled_at": "…"}

The boot id tells a host that was not rebooted since from one that was.
"""

import json
import os
from typing import NamedTuple, Optional

from tuxcare.errors import ConfigError
from tuxcare.host import HostPaths
from tuxctl.context import Context


class Expected(NamedTuple):
    """`kernel`: as `uname -r` will say it. `boot_id`: of the boot during which it was decided."""

    kernel: str
    boot_id: str
    enabled_at: str


def path(paths: HostPaths) -> str:
    return os.path.join(paths.state_dir, "fips.json")


def dump(expected: Expected) -> bytes:
    return (json.dumps(expected._asdict(), indent=1, sort_keys=True) + "\n").encode()


def read(context: Context) -> Optional[Expected]:
    """None where FIPS mode was not switched on by tuxctl. Raises ConfigError, StorageError."""
    data = context.system.read(path(context.paths))
    if data is None:
        return None
    try:
        value = json.loads(data.decode("utf-8"))
        return Expected(str(value["kernel"]), str(value["boot_id"]), str(value["enabled_at"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            "{}: damaged: {!r}".format(path(context.paths), error),
            "Write it anew with 'tuxctl fips enable'.",
        ) from error
