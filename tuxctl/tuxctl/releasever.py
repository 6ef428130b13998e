"""`tuxctl releasever [NEW]`: which minor release the repositories follow."""

from tuxcare import manifest as manifests
from tuxcare.errors import NotRegistered, RefusedError, UsageError
from tuxcare.host import RELEASEVER, followed_release, read_fips, read_release, read_token
from tuxcare.repofile import RepoFile
from tuxctl import repos
from tuxctl.context import Context
from tuxctl.lifecycle import has_esu, is_supported, sort_key, supported_text
from tuxctl.records import EDITED


def show(context: Context) -> None:
    context.console.say(followed_release(context.paths))


def move(context: Context, release: str) -> None:
    """Follow another minor release from the next `dnf upgrade` on.

    Raises UsageError, NotRegistered, RefusedError.
    """
    _check_name(release)
    with context.changing():
        if read_token(context.paths) is None:
            raise NotRegistered("Server is not registered")
        _check_move(context, release)
        if _uses_esu(context) and not has_esu(release):
            context.console.note(
                "AlmaLinux {} has no Extended Security Updates: once packages of it are "
                "installed, going back takes a new installation.".format(release)
            )
        with context.journal.run("releasever") as run:
            run.put(context.paths.releasever_var, (release + "\n").encode(), EDITED)
    context.console.say("Following AlmaLinux {}; 'dnf upgrade' moves the host.".format(release))


def _check_name(release: str) -> None:
    if not RELEASEVER.match(release) or not is_supported(release):
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
    choice = read_fips(context.paths)
    path = manifests.manifest_path(context.paths, release)
    if choice.is_on and choice.release != release and context.system.read(path) is None:
        raise RefusedError(
            "FIPS mode is {} for AlmaLinux {} and there are no validated builds for {}".format(
                choice.mode, choice.release, release
            ),
            "Leave FIPS mode first with 'tuxctl fips disable'.",
        )


def _uses_esu(context: Context) -> bool:
    file = RepoFile(context.system.read(context.paths.tuxcare_repo) or b"")
    return repos.ESU in file.sections() and file.is_enabled(repos.ESU)
