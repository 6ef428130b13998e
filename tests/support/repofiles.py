"""The files of almalinux-release and almalinux-repos, generated in the shape that 9.3 ships.

Three sections a file (binary, debuginfo, source), a mirror list in use, the base URL commented out:
that shape is what switching and reverting repositories has to cope with.
"""

from __future__ import annotations

_SECTION = """\
[{id}]
name=AlmaLinux $releasever - {name}
mirrorlist=https://mirrors.almalinux.org/mirrorlist/$releasever/{id}
# baseurl=https://repo.almalinux.org/{path}
enabled={enabled}
gpgcheck=1
{countme}gpgkey=file://{key}
metadata_expire=86400
enabled_metadata={metadata}
"""

# repository id -> (name in the URL, name shown, enabled as shipped, metadata used by default)
_REPOSITORIES = {
    "baseos": ("BaseOS", "BaseOS", 1, 1),
    "appstream": ("AppStream", "AppStream", 1, 1),
    "extras": ("extras", "Extras", 1, 0),
    "crb": ("CRB", "CRB", 0, 0),
    "highavailability": ("HighAvailability", "HighAvailability", 0, 0),
    "plus": ("plus", "Plus", 0, 0),
}


def gpg_key_path(release: str) -> str:
    """Where almalinux-gpg-keys puts the release's key."""
    return f"/etc/pki/rpm-gpg/RPM-GPG-KEY-AlmaLinux-{release.split('.')[0]}"


def repo_files(release: str) -> dict[str, str]:
    """`almalinux-*.repo` by file name."""
    return {f"almalinux-{repo}.repo": _repo_file(repo, release) for repo in _REPOSITORIES}


def community_baseurl(repo: str) -> str:
    """The base URL of a repository id, as the shipped files have it."""
    path = _REPOSITORIES[repo][0]
    return f"https://repo.almalinux.org/almalinux/$releasever/{path}/$basearch/os/"


def release_files(release: str) -> dict[str, str]:
    """`/etc/almalinux-release` and its like, by path."""
    code_name = {"9.2": "Turquoise Kodkod", "9.3": "Shamrock Pampas Cat"}.get(release, "Test Cat")
    line = f"AlmaLinux release {release} ({code_name})\n"
    names = ("almalinux-release", "redhat-release", "system-release")
    return {
        **{f"/etc/{name}": line for name in names},
        "/etc/os-release": _os_release(release, code_name),
    }


def _repo_file(repo: str, release: str) -> str:
    directory, name, enabled, metadata = _REPOSITORIES[repo]
    key = gpg_key_path(release)
    binary = _SECTION.format(
        id=repo,
        name=name,
        path=f"almalinux/$releasever/{directory}/$basearch/os/",
        enabled=enabled,
        countme="countme=1\n",
        key=key,
        metadata=metadata,
    )
    more = [
        _SECTION.format(
            id=f"{repo}-{suffix}",
            name=f"{name} - {shown}",
            path=f"vault/$releasever/{directory}/{path}/",
            enabled=0,
            countme="",
            key=key,
            metadata=0,
        )
        for suffix, shown, path in (
            ("debug", "Debug", "debug/$basearch"),
            ("source", "Source", "Source"),
        )
    ]
    return "\n".join([binary, more[0].replace(f"[{repo}-debug]", f"[{repo}-debuginfo]"), more[1]])


def _os_release(release: str, code_name: str) -> str:
    major = release.split(".")[0]
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
