"""The files of almalinux-release and almalinux-repos, generated in the shape that they ship in.

EL9 and EL10: a file for each repository. EL8: one for the first three, and other ids and names for
the rest. A mirror list in use, the base URL commented out, debuginfo and source off: that shape is
what switching and reverting repositories has to cope with.
"""

from __future__ import annotations

from typing import NamedTuple


class Repository(NamedTuple):
    """A repository as shipped: its file, its name in URLs, whether it is on."""

    id: str
    file: str
    directory: str
    shown: str
    enabled: int = 0
    metadata: int = 0


_EL8 = (
    Repository("baseos", "almalinux", "BaseOS", "BaseOS", 1),
    Repository("appstream", "almalinux", "AppStream", "AppStream", 1),
    Repository("extras", "almalinux", "extras", "Extras", 1),
    Repository("powertools", "almalinux-powertools", "PowerTools", "PowerTools"),
    Repository("ha", "almalinux-ha", "HighAvailability", "HighAvailability"),
    Repository("plus", "almalinux-plus", "plus", "Plus"),
)
_EL9 = (
    Repository("baseos", "almalinux-baseos", "BaseOS", "BaseOS", 1, 1),
    Repository("appstream", "almalinux-appstream", "AppStream", "AppStream", 1, 1),
    Repository("extras", "almalinux-extras", "extras", "Extras", 1),
    Repository("crb", "almalinux-crb", "CRB", "CRB"),
    Repository("highavailability", "almalinux-highavailability", "HighAvailability",
               "HighAvailability"),
    Repository("plus", "almalinux-plus", "plus", "Plus"),
)  # fmt: skip


_CODE_NAMES = {
    "8.10": "Cerulean Leopard",
    "9.2": "Turquoise Kodkod",
    "9.3": "Shamrock Pampas Cat",
}


def gpg_key_path(release: str) -> str:
    """Where the repository files expect the release's key."""
    major = _major(release)
    return "/etc/pki/rpm-gpg/RPM-GPG-KEY-AlmaLinux" + ("" if major == "8" else f"-{major}")


def repo_files(release: str) -> dict[str, str]:
    """`almalinux*.repo` by file name."""
    key = gpg_key_path(release)
    if _major(release) == "8":
        files = dict.fromkeys(repository.file for repository in _EL8)
        return {
            f"{name}.repo": _el8_file(name, [r for r in _EL8 if r.file == name], key)
            for name in files
        }
    return {f"{repository.file}.repo": _el9_file(repository, key) for repository in _EL9}


def release_files(release: str) -> dict[str, str]:
    """`/etc/almalinux-release` and its like, by path."""
    code_name = _CODE_NAMES.get(release, "Test Cat")
    line = f"AlmaLinux release {release} ({code_name})\n"
    names = ("almalinux-release", "redhat-release", "system-release")
    return {
        **{f"/etc/{name}": line for name in names},
        "/etc/os-release": _os_release(release, code_name),
    }


def _major(release: str) -> str:
    return release.split(".")[0]


def _section(section: str, name: str, list_id: str, path: str, *lines: str) -> str:
    return "\n".join(
        [
            f"[{section}]",
            f"name=AlmaLinux $releasever - {name}",
            f"mirrorlist=https://mirrors.almalinux.org/mirrorlist/$releasever/{list_id}",
            f"# baseurl=https://repo.almalinux.org/{path}/",
            *lines,
            "",
        ]
    )


def _el9_file(repo: Repository, key: str) -> str:
    where, checked = repo.directory, ("gpgcheck=1",)
    end = (f"gpgkey=file://{key}", "metadata_expire=86400")
    binary = _section(
        repo.id, repo.shown, repo.id, f"almalinux/$releasever/{where}/$basearch/os",
        f"enabled={repo.enabled}", *checked, "countme=1", *end, f"enabled_metadata={repo.metadata}",
    )  # fmt: skip
    off = ("enabled=0", *checked, *end, "enabled_metadata=0")
    debug = _section(
        f"{repo.id}-debuginfo", f"{repo.shown} - Debug", f"{repo.id}-debug",
        f"vault/$releasever/{where}/debug/$basearch", *off,
    )  # fmt: skip
    source = _section(
        f"{repo.id}-source", f"{repo.shown} - Source", f"{repo.id}-source",
        f"vault/$releasever/{where}/Source", *off,
    )  # fmt: skip
    return "\n".join([binary, debug, source])


def _el8_file(name: str, repos: list[Repository], key: str) -> str:
    end = ("gpgcheck=1", f"gpgkey=file://{key}")
    counted = ("gpgcheck=1", "countme=1", f"gpgkey=file://{key}")
    binaries = [
        _section(r.id, r.shown, r.id, f"almalinux/$releasever/{r.directory}/$basearch/os",
                 f"enabled={r.enabled}", *counted)
        for r in repos
    ]  # fmt: skip
    sources = [
        _section(f"{r.id}-source", f"{r.shown} Source", f"{r.id}-source",
                 f"vault/$releasever/{r.directory}/Source", "enabled=0", *end)
        for r in repos
    ]  # fmt: skip
    debugs = [
        _section(f"{r.id}-debuginfo", f"{r.shown} debuginfo", f"{r.id}-debuginfo",
                 f"vault/$releasever/{r.directory}/debug/$basearch", "enabled=0", *end)
        for r in repos
    ]  # fmt: skip
    parts = ["\n".join(binaries), "## Sources\n" + "\n".join(sources)]
    return "\n".join([f"# {name}.repo\n", *parts, "## Debuginfo\n" + "\n".join(debugs)])


def _os_release(release: str, code_name: str) -> str:
    major = _major(release)
    return f"""\
NAME="AlmaLinux"
VERSION="{release} ({code_name})"
ID="almalinux"
ID_LIKE="rhel centos fedora"
VERSION_ID="{release}"
PLATFORM_ID="platform:el{major}"
PRETTY_NAME="AlmaLinux {release} ({code_name})"
ANSI_COLOR="0;34"
LOGO="fedora-logo-icon"
CPE_NAME="cpe:/o:almalinux:almalinux:{major}::baseos"
HOME_URL="https://almalinux.org/"
DOCUMENTATION_URL="https://wiki.almalinux.org/"
BUG_REPORT_URL="https://bugs.almalinux.org/"

ALMALINUX_MANTISBT_PROJECT="AlmaLinux-{major}"
ALMALINUX_MANTISBT_PROJECT_VERSION="{release}"
REDHAT_SUPPORT_PRODUCT="AlmaLinux"
REDHAT_SUPPORT_PRODUCT_VERSION="{release}"
"""
