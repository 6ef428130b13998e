"""Rows on the repository files, dnf's settings and the plugin."""

from typing import Any, Dict, Iterator, List, Mapping

from tuxcare.host import FipsChoice, read_content_url
from tuxcare.repofile import RepoFile
from tuxctl import dnfconf, drift, repos
from tuxctl.context import Context
from tuxctl.licence import ESU, FIPS
from tuxctl.repositories import TUXCARE, VETTED, Repository
from tuxctl.verifying import Row, judge

_BRING_BACK = "Run 'tuxctl --force' with the licence key, or 'tuxctl repos switch'."
_EDIT_BACK = "Put the line back as the package ships it."
_NO = ("0", "no", "false", "off")


def rows(
    context: Context,
    registration: Mapping[str, Any],
    repositories: List[Repository],
    choice: FipsChoice,
) -> Iterator[Row]:
    yield judge(
        "token",
        None,
        "The token is there, well formed, and for root alone",
        drift.of_token(context),
        "chmod 600 /etc/tuxcare/token, or register again with 'tuxctl --force'.",
    )
    yield judge(
        "own-registration",
        None,
        "The registration is this host's own",
        drift.of_copy(context, registration),
        "Register this host with 'tuxctl --force --license-key-file FILE'.",
    )
    yield judge(
        "vetted-repositories",
        None,
        "AlmaLinux's packages come from the vetted repositories",
        drift.of_files(context) + _elsewhere(repositories),
        _BRING_BACK,
    )
    yield _esu(registration, repositories)
    yield _options(context, repositories, choice)
    yield _dnf(context)
    yield _plugin(context)


def _elsewhere(repositories: List[Repository]) -> List[str]:
    return [
        "{} is enabled and gets its packages elsewhere".format(item.id)
        for item in repositories
        if item.enabled and item.source not in (VETTED, TUXCARE)
    ]


def _esu(registration: Mapping[str, Any], repositories: List[Repository]) -> Row:
    """Its check asks `dnf repolist` for tuxcare-esu; an Essential licence has none to enable."""
    enabled = {item.id for item in repositories if item.enabled}
    bought = {ESU, FIPS} & set(registration.get("products") or [])
    missing = bought and repos.ESU not in enabled
    return judge(
        "esu-repository",
        "V-269125",
        "The TuxCare ESU repository is enabled",
        ["{} is not enabled".format(repos.ESU)] if missing else [],
        _BRING_BACK,
        "enabled" if repos.ESU in enabled else "not part of this licence",
    )


def _options(context: Context, repositories: List[Repository], choice: FipsChoice) -> Row:
    """Nothing in our own file switches a check off."""
    path = context.paths.tuxcare_repo
    file = RepoFile(context.system.read(path) or b"")
    content_url = read_content_url(context.paths) + "/"
    problems: List[str] = []
    priorities = set()
    for item in repositories:
        if item.source != TUXCARE or not item.enabled:
            continue
        values = _values(file, item.id)
        if values.get("gpgcheck", "1") in _NO:
            problems.append("{}: gpgcheck is off".format(item.id))
        if values.get("sslverify", "1") in _NO:
            problems.append("{}: sslverify is off".format(item.id))
        if choice.is_on and values.get("module_hotfixes", "0") in _NO:
            problems.append("{}: module_hotfixes is off".format(item.id))
        if item.url and not item.url.startswith(content_url):
            problems.append("{}: baseurl leads elsewhere".format(item.id))
        priorities.add(values.get("priority", "99"))
    if choice.is_on and len(priorities) > 1:
        problems.append("the priorities differ, which hides fixes of one behind the other")
    return judge(
        "repository-options",
        None,
        "The TuxCare repositories check signatures, and hide nothing of each other",
        problems,
        _EDIT_BACK,
    )


def _values(file: RepoFile, section: str) -> Dict[str, str]:
    found: Dict[str, str] = {}
    for option in file.options(section):
        if not option.commented:
            found[option.key] = " ".join(option.values).lower()
    return found


def _dnf(context: Context) -> Row:
    """V-269163: gpgcheck; ours besides: plugins, without which no pin holds."""
    main = dnfconf.read_main(context.paths)
    problems = []
    if main.get("gpgcheck", "0").lower() in _NO:
        problems.append("gpgcheck is not 1")
    if main.get("plugins", "1").lower() in _NO:
        problems.append("plugins are off: neither token nor pins work")
    return judge(
        "dnf-settings",
        "V-269163",
        "dnf checks signatures, and loads plugins",
        problems,
        "Set gpgcheck=1 and plugins=1 in [main] of /etc/dnf/dnf.conf.",
    )


def _plugin(context: Context) -> Row:
    main = dnfconf.read_main(context.paths, dnfconf.PLUGIN)
    off = main.get("enabled", "1").lower() in _NO
    return judge(
        "plugin",
        None,
        "The tuxcare plugin of dnf is enabled",
        ["enabled=0 in /etc/dnf/plugins/tuxcare.conf"] if off else [],
        "Set enabled=1 there: without it nothing holds the pins at dnf's level.",
    )
