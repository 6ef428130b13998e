"""FIPS mode as configuration: the choice, its repository, and what holds tools without plugins.

The choice in /etc/tuxcare/fips.conf makes the DNF plugin enforce the pins of the release's
manifest. Here is no process started and nothing but files is changed.
"""

from typing import List, NamedTuple, Optional, Tuple

from tuxcare import manifest as manifests
from tuxcare.errors import ConfigError, NotRegistered, RefusedError
from tuxcare.host import (
    MODE_OFF,
    MODE_PATCHED,
    MODE_STRICT,
    FipsChoice,
    format_fips_conf,
    parse_fips_conf,
    read_content_url,
    read_registration,
    read_token,
)
from tuxcare.manifest import Manifest
from tuxctl import licence, preflight, repos
from tuxctl.context import Context
from tuxctl.journal import Writer
from tuxctl.merge import take_back
from tuxctl.records import EDITED, OWNED

# The package that holds the pins below dnf; the one of the other mode may be swapped away.
PIN_PACKAGES = {MODE_PATCHED: "tuxcare-fips-pin", MODE_STRICT: "tuxcare-fips-pin-strict"}


class Fips(NamedTuple):
    """FIPS mode as it will be: the choice, and the names that only TuxCare may provide."""

    choice: FipsChoice
    pinned: List[str]


def prepare(context: Context, mode: str, release: str, arch: str) -> Fips:
    """Check that the mode can be had on this release.

    Raises RefusedError where the manifest does not allow it, ConfigError where it is bad.
    """
    known = context.system.read(manifests.manifest_path(context.paths, release))
    if known is None:
        raise RefusedError(
            "there are no FIPS-validated builds for AlmaLinux {}: {} is missing".format(
                release, manifests.manifest_path(context.paths, release)
            ),
            "Validated builds exist for AlmaLinux 9.2.",
        )
    manifest = manifests.load(context.paths, release)
    manifests.require_mode(manifest, mode)
    return Fips(FipsChoice(mode, release), pinned_names(manifest, arch))


def pinned_names(manifest: Manifest, arch: str) -> List[str]:
    """The binary packages that are pinned on an architecture, sorted."""
    pins = [pin for pin in manifest.pins if arch in pin.arches]
    return sorted({binary.name for pin in pins for binary in pin.binaries})


def check_product(products: List[str]) -> None:
    """Raises RefusedError where the licence does not cover FIPS."""
    if licence.FIPS not in products:
        raise RefusedError(
            "this licence does not cover the FIPS-validated builds; it covers {}".format(
                ", ".join(products) or "nothing"
            ),
            "Extended Security Updates (a key that begins with ESU-) includes them.",
        )


def write_choice(context: Context, run: Writer, fips: Fips) -> None:
    """Record the mode, and protect the pin package from removal."""
    run.put(context.paths.fips_conf, format_fips_conf(fips.choice).encode(), OWNED)
    run.put(context.paths.protected, (PIN_PACKAGES[fips.choice.mode] + "\n").encode(), OWNED)


def check_host(context: Context, mode: str) -> Tuple[preflight.Facts, Fips]:
    """Whether this host may have FIPS mode at all, and what it would be.

    Raises NotRegistered, RefusedError (product, release), UsageError, ConfigError.
    """
    if read_token(context.paths) is None:
        raise NotRegistered(
            "Server is not registered", "Register it with 'tuxctl --fips --license-key KEY'."
        )
    facts = preflight.check_system(context)
    registered = read_registration(context.paths).get("products")
    if isinstance(registered, list):
        check_product(registered)
    return facts, prepare(context, mode, facts.followed, facts.arch)


def put(context: Context, run: Writer, fips: Fips, with_repository: bool) -> None:
    """Write all that makes the mode hold."""
    write_choice(context, run, fips)
    set_repository(context, run, with_repository)
    hide_pinned(context, run, fips.pinned)


def take_away(context: Context, run: Writer) -> None:
    """Take back what `put` wrote; works with a damaged fips.conf."""
    unprotect(context, run)
    run.put(context.paths.fips_conf, _switched_off(context), OWNED)
    set_repository(context, run, False)
    show_pinned(context, run)


def unprotect(context: Context, run: Writer) -> None:
    """Let the pin package be removed again."""
    paths = context.paths
    if paths.inside(paths.protected) in context.journal.files():
        run.put(paths.protected, context.journal.original(paths.protected), OWNED)


def _switched_off(context: Context) -> Optional[bytes]:
    """fips.conf for mode off: what was there before tuxctl, if that says off or there was none."""
    path = context.paths.fips_conf
    original = context.journal.original(path)
    if original is None:
        return None
    try:
        choice = parse_fips_conf(path, original.decode("utf-8", "replace"))
    except ConfigError:
        choice = FipsChoice(MODE_PATCHED)
    off = FipsChoice(MODE_OFF, choice.release)
    return format_fips_conf(off).encode() if choice.is_on else original


def offers_repository(context: Context, facts: preflight.Facts) -> bool:
    """Whether there is a tuxcare-fips to enable: some servers keep its builds in tuxcare-esu."""
    content = context.content(read_content_url(context.paths))
    token = read_token(context.paths) or ""
    return not content.lacks_fips(facts.followed, facts.arch, token)


def set_repository(context: Context, run: Writer, wanted: bool) -> None:
    """Switch tuxcare-fips on or off."""
    path = context.paths.tuxcare_repo
    data = context.system.read(path)
    if data is not None:
        content_url = read_content_url(context.paths)
        edited = repos.set_own(data, content_url, {repos.FIPS: wanted}, path)
        run.put(path, edited, EDITED)


def hide_pinned(context: Context, run: Writer, pinned: List[str]) -> None:
    """Hide AlmaLinux's pinned packages from tools that load no plugin, where that is wanted."""
    if not context.conf().compat_vars:
        return
    content_url = read_content_url(context.paths)
    for path in preflight.almalinux_files(context):
        data = context.system.read(path)
        if data is not None:
            run.put(path, repos.switch(data, content_url, pinned).data, EDITED)


def show_pinned(context: Context, run: Writer) -> None:
    """Take back what hide_pinned wrote, edits of others kept."""
    content_url = read_content_url(context.paths)
    for path in preflight.almalinux_files(context):
        original, written = context.journal.original(path), context.journal.written(path)
        data = context.system.read(path)
        if original is None or written is None or data is None:
            continue
        shown = repos.switch(original, content_url).data
        if shown != written:
            run.put(path, take_back(shown, written, data).data, EDITED)
