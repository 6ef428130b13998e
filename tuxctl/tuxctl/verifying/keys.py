"""Rows on signing keys. AlmaLinux's fingerprints: https://almalinux.org/security/"""

from typing import Iterator, List

from tuxcare.errors import TuxcareError
from tuxcare.host import TuxcareConf
from tuxcare.pgpkey import fingerprints
from tuxctl import preflight
from tuxctl.context import Context
from tuxctl.verifying import Row, judge

_STIG = "V-269164"
# Major release: the file, and the keys that may be in it.
_ALMALINUX = {
    "8": (
        "/etc/pki/rpm-gpg/RPM-GPG-KEY-AlmaLinux",
        (
            "5E9B8F5617B5066CE92057C3488FCF7C3ABB34F8",
            "BC5EDDCADF502C077F1582882AE81E8ACED7258B",
        ),
    ),
    "9": (
        "/etc/pki/rpm-gpg/RPM-GPG-KEY-AlmaLinux-9",
        ("BF18AC2876178908D6E71267D36CB86CB86B3716",),
    ),
    "10": (
        "/etc/pki/rpm-gpg/RPM-GPG-KEY-AlmaLinux-10",
        ("EE6DB7B98F5BF5EDD9DA0DE5DEE5C11CC2A1E572",),
    ),
}


def rows(context: Context, conf: TuxcareConf, release: str) -> Iterator[Row]:
    yield judge(
        "tuxcare-key",
        _STIG,
        "The TuxCare key's file holds the configured key and no other",
        _own_file(context, conf),
        "Put it back with 'dnf reinstall tuxcare-release'.",
        conf.fingerprint,
    )
    yield judge(
        "tuxcare-key-imported",
        _STIG,
        "rpm trusts the TuxCare key",
        _not_imported(context, conf),
        "rpm --import {}".format(conf.key),
    )
    known = _ALMALINUX.get(release.partition(".")[0])
    if known:
        path, allowed = known
        yield judge(
            "almalinux-key",
            _STIG,
            "AlmaLinux's key file holds AlmaLinux's keys and no other",
            _foreign(context, path, list(allowed)),
            "Put it back with 'dnf reinstall almalinux-gpg-keys' (AlmaLinux 8: almalinux-release).",
            ", ".join(allowed),
        )


def _own_file(context: Context, conf: TuxcareConf) -> List[str]:
    try:
        preflight.check_key_file(context, conf)
    except TuxcareError as error:
        return [error.message]
    return []


def _not_imported(context: Context, conf: TuxcareConf) -> List[str]:
    key_id = conf.fingerprint[-8:].lower()
    imported = context.rpm_keys.key_ids()
    return [] if key_id in imported else ["{} is not among rpm's keys".format(key_id)]


def _foreign(context: Context, path: str, allowed: List[str]) -> List[str]:
    data = context.system.read(context.paths.join(path))
    if data is None:
        return ["{}: missing".format(path)]
    try:
        found = fingerprints(data)
    except ValueError as error:
        return ["{}: {}".format(path, error)]
    return ["{}: holds {}".format(path, key) for key in found if key not in allowed]
