"""From CentOS 7.9 or Stream 8 to AlmaLinux 9.2 with ESU and FIPS mode, stage by stage. Pure.

After the administrator's guide, "Migrating from CentOS". Every stage says what must be so before,
what to type, and how to see that it worked; nothing here is ever run by tuxctl.
"""

from typing import Callable, List, NamedTuple, Optional, Sequence, Tuple

_URL = "https://repo.tuxcare.com/tuxcare/tuxcare-release-latest-9.2.$(uname -i).rpm"
_ELEVATE = "https://repo.almalinux.org/elevate/elevate-release-latest-el8.noarch.rpm"
_ELEVATE_7 = "http://repo.almalinux.org/elevate/elevate-release-latest-el7.noarch.rpm"
_DEPLOY = "https://raw.githubusercontent.com/AlmaLinux/almalinux-deploy/master/almalinux-deploy.sh"


class Facts(NamedTuple):
    """What decides where a host is. `name`, `version`: as its release files have them.

    `leftovers`: packages that earlier stages leave; `excludes`: files of dnf and yum that exclude
    packages. `people`: accounts besides root that can log in; `unfit`: of all accounts with SSH
    keys those none of whose keys FIPS mode takes.
    """

    id: str
    name: str
    version: str
    leftovers: Tuple[str, ...] = ()
    excludes: Tuple[str, ...] = ()
    root_login: bool = True
    people: Tuple[str, ...] = ()
    unfit: Tuple[str, ...] = ()
    has_package: bool = False
    registered: bool = False
    fips_mode: str = "off"


class Step(NamedTuple):
    """`command` is for root to type; `check` says how to see that it worked."""

    command: str
    check: str = ""


class Check(NamedTuple):
    """Something that must be so before a stage. `hint`: what to do where it is not."""

    name: str
    ok: bool
    found: str
    hint: str = ""


class Stage(NamedTuple):
    id: str
    title: str
    checks: List[Check]
    steps: List[Step]


def stage_of(facts: Facts) -> Optional[Stage]:
    """Where a host is on the way; None where it is not on it."""
    for here, make in _STAGES:
        if here(facts):
            return make(facts)
    return None


def _major(facts: Facts) -> str:
    return facts.version.partition(".")[0]


# -- the stages ----------------------------------------------------------------------------------


def _from_centos_7(facts: Facts) -> Stage:
    return Stage(
        "1a",
        "Migrate CentOS 7.9 to AlmaLinux 8.10",
        [
            _is_version(facts, "7.9", "yum -y update"),
            *_people(facts),
        ],
        [
            Step("yum -y update", "cat /etc/centos-release says 7.9"),
            Step("dnf config-manager --set-disabled 'centos7*'", "yum repolist shows none of ELS"),
            Step("yum install -y " + _ELEVATE_7),
            Step("yum install -y leapp-upgrade leapp-data-almalinux"),
            Step("leapp preupgrade", "/var/log/leapp/leapp-report.txt has no inhibitor"),
            Step("leapp answer --section remove_pam_pkcs11_module_check.confirm=True"),
            Step("leapp upgrade", "it ends by asking for the reboot"),
            Step("reboot", "cat /etc/almalinux-release says 8.10"),
        ],
    )


def _from_stream_8(facts: Facts) -> Stage:
    return Stage(
        "1b",
        "Migrate CentOS Stream 8 to AlmaLinux 8.10",
        _people(facts),
        [
            Step("dnf -y upgrade"),
            Step("dnf config-manager --set-disabled centos8stream-els"),
            Step("curl -O " + _DEPLOY),
            Step("bash almalinux-deploy.sh -d", "it ends with 'Complete!'"),
            Step("reboot", "cat /etc/almalinux-release says 8.10"),
        ],
    )


def _from_alma_8(facts: Facts) -> Stage:
    return Stage(
        "2",
        "Upgrade AlmaLinux 8.10 to 9.2",
        [
            _is_version(facts, "8.10", "dnf -y upgrade"),
            _without_excludes(facts),
            *_people(facts),
        ],
        [
            *_clean_up(facts, "dnf -y remove '*leapp*' elevate-release els-define"),
            Step("rm -rf /lib/modules/3.10*"),
            *_no_root_login(facts),
            Step("dnf -y install " + _ELEVATE),
            Step("dnf -y install leapp-upgrade leapp-data-almalinux"),
            Step(
                "LEAPP_DISABLE_NET_NAMING_SCHEMES=1 leapp preupgrade --target=9.2",
                "/var/log/leapp/leapp-report.txt has no inhibitor",
            ),
            Step("LEAPP_DISABLE_NET_NAMING_SCHEMES=1 leapp upgrade --target=9.2"),
            Step("reboot", "cat /etc/almalinux-release says 9.2"),
        ],
    )


def _on_9_2(facts: Facts) -> Stage:
    steps = list(_clean_up(facts, "dnf -y remove '*leapp*' elevate-release 'kernel-*.el8*'"))
    if not facts.has_package:
        steps.append(Step("dnf -y install " + _URL, "tuxctl status answers"))
    if not facts.registered:
        steps.append(
            Step(
                "tuxctl --license-key-file FILE",
                "it ends with 'TuxCare installed successfully'",
            )
        )
    if facts.fips_mode == "off":
        steps += [
            Step("tuxctl fips enable --dry-run", "nothing stands in the way"),
            Step("tuxctl fips enable --yes"),
            Step("reboot", "tuxctl fips status ends with exit status 0"),
        ]
    title = "Enable Extended Security Updates and FIPS mode on AlmaLinux 9.2"
    if not steps:
        return Stage("done", "This host is at the end of the way", [], [])
    return Stage("3", title, [_without_excludes(facts), _without_leftovers(facts)], steps)


def _too_far(facts: Facts) -> Stage:
    return Stage(
        "past",
        "AlmaLinux {} is past 9.2".format(facts.version),
        [
            Check(
                "release",
                False,
                "AlmaLinux " + facts.version,
                "Packages do not go back: Extended Security Updates of 9.2 take a new "
                "installation.",
            )
        ],
        [],
    )


_STAGES: Sequence[Tuple[Callable[[Facts], bool], Callable[[Facts], Stage]]] = [
    (lambda facts: facts.id == "centos" and _major(facts) == "7", _from_centos_7),
    (
        lambda facts: facts.id == "centos" and _major(facts) == "8" and "Stream" in facts.name,
        _from_stream_8,
    ),
    (lambda facts: facts.id == "almalinux" and _major(facts) == "8", _from_alma_8),
    (lambda facts: facts.id == "almalinux" and facts.version in ("9.0", "9.1", "9.2"), _on_9_2),
    (lambda facts: facts.id == "almalinux" and _major(facts) == "9", _too_far),
]


# -- what the stages share -----------------------------------------------------------------------


def _is_version(facts: Facts, wanted: str, update: str) -> Check:
    ok = facts.version == wanted or facts.version.startswith(wanted + ".")
    return Check("release", ok, facts.version, "Bring it to {} first: {}".format(wanted, update))


def _people(facts: Facts) -> List[Check]:
    return [
        Check(
            "another account than root",
            bool(facts.people),
            ", ".join(facts.people) or "none",
            "Make one that may use sudo: root can no longer log in by SSH after stage 2.",
        ),
        Check(
            "SSH keys that FIPS mode takes",
            not facts.unfit,
            "not those of " + ", ".join(facts.unfit) if facts.unfit else "yes",
            "Add RSA keys of 2048 bits or more.",
        ),
    ]


def _without_excludes(facts: Facts) -> Check:
    return Check(
        "no packages excluded",
        not facts.excludes,
        ", ".join(facts.excludes) or "none",
        "The first step below takes the lines out.",
    )


def _without_leftovers(facts: Facts) -> Check:
    return Check(
        "nothing left of earlier stages",
        not facts.leftovers,
        ", ".join(facts.leftovers) or "nothing",
        "The first steps below remove it.",
    )


def _clean_up(facts: Facts, removal: str) -> List[Step]:
    steps = []
    if facts.excludes:
        files = " ".join(facts.excludes)
        steps.append(Step("sed -i '/^exclude=.*/d' " + files, "grep ^exclude finds nothing there"))
    if facts.leftovers or facts.version.startswith("8"):
        steps.append(Step(removal, "rpm -qa '*leapp*' elevate-release says nothing"))
    return steps


def _no_root_login(facts: Facts) -> List[Step]:
    if not facts.root_login:
        return []
    return [
        Step("echo PermitRootLogin no >> /etc/ssh/sshd_config"),
        Step(
            "sed -i 's/^PermitRootLogin.*/PermitRootLogin no/' /etc/ssh/sshd_config",
            "sshd -T says 'permitrootlogin no'; another session of your own account works",
        ),
    ]
