"""What `tuxctl status` tells of FIPS mode, from the attestation of `tuxctl fips status`."""

from typing import Any, Dict, List, NamedTuple, Optional

from tuxcare.errors import ConfigError, StorageError
from tuxcare.host import FipsChoice
from tuxctl.context import Context
from tuxctl.fips import attest, state

PREFIX = "FIPS mode: "
_TO_DO = "FIPS mode is chosen, not reached: {} things are to do; 'tuxctl fips enable' does them"


class FipsReport(NamedTuple):
    """The document's `fips`, and what belongs to its `drift` and `warnings`."""

    document: Dict[str, Any]
    drift: List[str]
    warnings: List[str]


def describe(context: Context, choice: FipsChoice) -> FipsReport:
    """A mode that is on is attested. What was never brought about by `fips enable` is still to do,
    not drift; so is what the next boot brings."""
    document: Dict[str, Any] = {
        "mode": choice.mode,
        "release": choice.release,
        "reboot_pending": False,
        "modules": [],
        "checks": [],
        "expired": [],
    }
    if not choice.is_on:
        return FipsReport(document, [], [])
    try:
        attestation = attest.collect(context, choice)
        enabled: Optional[object] = state.read(context)
    except (ConfigError, StorageError, PermissionError) as error:
        return FipsReport(document, [PREFIX + str(error)], [])
    for name in ("reboot_pending", "modules", "checks", "expired"):
        document[name] = attestation[name]
    differences = [PREFIX + text for text in attestation["drift"]]
    if attestation["reboot_pending"]:
        return FipsReport(document, [], ["FIPS mode takes effect with the next boot"])
    if not differences:
        return FipsReport(document, [], [])
    if enabled is None:
        return FipsReport(document, [], [_TO_DO.format(len(differences))])
    return FipsReport(document, differences, [])
