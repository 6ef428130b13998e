"""`tuxctl releasever [NEW]`: which minor release the repositories follow."""

from typing import Any, Mapping, Optional

from tuxcare import manifest as manifests
from tuxcare.errors import NetworkError, NotRegistered, RefusedError, UsageError
from tuxcare.host import (
    TOKEN_IN_HEADER,
    followed_release,
    is_release,
    read_content_url,
    read_fips,
    read_registration,
    read_release,
    read_token,
)
from tuxcare.repofile import RepoFile
from tuxctl import licence, repos
from tuxctl.context import Context
from tuxctl.fips import choice
from tuxctl.lifecycle import has_esu, is_supported, sort_key, supported_text
from tuxctl.records import EDITED

_PATIENCE = 10.0


def show(context: Context) -> None:
    context.console.say(followed_release(context.paths))


def move(context: Context, release: str, leave_esu: bool = False, dry_run: bool = False) -> None:
    """Follow another minor release from the next `dnf upgrade` on.

    `leave_esu`: also where that gives Extended Security Updates up for good. `dry_run`: check and
    say, change nothing. Raises UsageError, NotRegistered, RefusedError, StorageError.
    """
    _check_name(release)
    if dry_run:
        context.require_root()
        _check(context, release, leave_esu)
        context.console.say(
            "{}: {} -> {}".format(
                context.paths.inside(context.paths.releasever_var),
                followed_release(context.paths),
                release,
            )
        )
        return
    with context.changing():
        _check(context, release, leave_esu)
        with context.journal.run("releasever") as run:
            run.put(context.paths.releasever_var, (release + "\n").encode(), EDITED)
            moved = _moved_fips(context, release)
            if moved:
                choice.write_choice(context, run, moved)
    if moved:
        context.console.note(
            "The pins are those of AlmaLinux {} from now on; after 'dnf upgrade' run 'tuxctl fips "
            "enable' and reboot.".format(release)
        )
    context.console.say("Following AlmaLinux {}; 'dnf upgrade' moves the host.".format(release))


def _check(context: Context, release: str, leave_esu: bool) -> None:
    token = read_token(context.paths)
    if token is None:
        raise NotRegistered("Server is not registered")
    _check_move(context, release)
    if release == followed_release(context.paths):
        return
    _check_esu(context, release, leave_esu)
    _check_licence(context, release, token)


def _check_name(release: str) -> None:
    if not is_release(release) or not is_supported(release):
        raise UsageError(
            "{!r} is not a supported release: expected {}".format(release[:20], supported_text())
        )


def _check_move(context: Context, release: str) -> None:
    installed = read_release(context.paths).version
    if sort_key(release)[0] != sort_key(installed)[0]:
        raise RefusedError(
            "this is AlmaLinux {}: another major release ({}) takes a migration".format(
                installed, release
            )
        )
    if sort_key(release) < sort_key(installed):
        raise RefusedError(
            "this is AlmaLinux {} already: packages do not go back to {} by an upgrade".format(
                installed, release
            ),
            "Install AlmaLinux {} anew, or write /etc/dnf/vars/tuxcare_releasever yourself.".format(
                release
            ),
        )
    fips = read_fips(context.paths)
    path = manifests.manifest_path(context.paths, release)
    if fips.is_on and fips.release != release and context.system.read(path) is None:
        raise RefusedError(
            "FIPS mode is {} for AlmaLinux {} and there are no validated builds for {}".format(
                fips.mode, fips.release, release
            ),
            "Leave FIPS mode first with 'tuxctl fips disable'.",
        )
    _moved_fips(context, release)


def _moved_fips(context: Context, release: str) -> Optional[choice.Fips]:
    """FIPS mode for the new release, None where nothing of it changes: pins of one release would
    hold the packages of another back. Raises RefusedError where the mode cannot be had there."""
    fips = read_fips(context.paths)
    if not fips.is_on or fips.release == release:
        return None
    return choice.prepare(context, fips.mode, release, context.system.machine())


def _check_esu(context: Context, release: str, leave_esu: bool) -> None:
    """Extended Security Updates are for few minor releases, and no upgrade leads back to one."""
    if has_esu(release):
        return
    bought = licence.ESU in _products(read_registration(context.paths))
    if (bought or _uses_esu(context)) and not leave_esu:
        raise RefusedError(
            "AlmaLinux {} has no Extended Security Updates, which this host is registered for; "
            "once packages of it are installed, going back takes a new installation".format(
                release
            ),
            "Move to 9.6, stay where you are, or add --leave-esu.",
        )
    if has_esu(followed_release(context.paths)):
        context.console.note(
            "AlmaLinux {} has no Extended Security Updates: past {} a host cannot take them up "
            "any more without a new installation.".format(
                release, followed_release(context.paths)
            )
        )


def _products(registration: Mapping[str, Any]) -> Any:
    return registration.get("products") or []


def _uses_esu(context: Context) -> bool:
    file = RepoFile(context.system.read(context.paths.tuxcare_repo) or b"")
    return repos.ESU in file.sections() and file.is_enabled(repos.ESU)


def _check_licence(context: Context, release: str, token: str) -> None:
    """Whether the content server opens the release to this host; a server that is away is told."""
    in_header = context.conf().token_in == TOKEN_IN_HEADER
    path = "/almalinux/{}{}/BaseOS/{}/os/repodata/repomd.xml".format(
        release, "" if in_header else "/" + token, context.system.machine()
    )
    server = context.content(read_content_url(context.paths), _PATIENCE)
    try:
        status = server.status(path, token if in_header else None)
    except NetworkError as error:
        context.console.note("{}; not checked whether it has {}".format(error.message, release))
        return
    if status in (401, 403):
        raise RefusedError(
            "{} does not open AlmaLinux {} to this host: the licence does not cover it".format(
                server.url, release
            ),
            "See your account for the releases of your licence.",
        )
    if status == 404:
        raise RefusedError(
            "{} has no AlmaLinux {}".format(server.url, release),
            "Nothing was changed; ask its operator for it.",
        )
