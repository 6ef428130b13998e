"""Where events go: JSON lines, plain lines, or a progress line on a terminal."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import IO, Any

from ..core.errors import MirrorError, StorageError, printable

# These go to stderr, and are told to those too who asked for quiet.
_TROUBLE = {"warning", "mirror", "quarantine", "error", "damaged"}
# As syslog numbers them; the rest of the trouble is an error.
_WARNINGS = {"warning", "mirror", "quarantine"}
_ERROR, _WARNING = 3, 4
_UNITS = ("B", "kB", "MB", "GB", "TB")


def human_bytes(number: float) -> str:
    """`786 MB`; decimal units, as disks and lines are sold."""
    for unit in _UNITS:
        if abs(number) < 1000 or unit == _UNITS[-1]:
            return (
                f"{number:.0f} {unit}" if unit == "B" or number >= 100 else f"{number:.1f} {unit}"
            )
        number /= 1000
    raise AssertionError("unreachable")


def utc(seconds: int) -> str:
    """`2026-12-01 10:30 UTC`."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def journal_stream(stream: IO[str]) -> bool:
    """Whether what is written there goes to systemd's journal, see systemd.exec(5)."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def tell_trouble(text: str, warning: bool = False) -> None:
    """On standard error; for the journal each line with its priority, see sd-daemon(3)."""
    text = printable(text)
    if journal_stream(sys.stderr):
        mark = f"<{_WARNING if warning else _ERROR}>"
        text = "\n".join(mark + line for line in text.splitlines())
    print(text, file=sys.stderr, flush=True)


def _say(line: str, stream: IO[str]) -> None:
    """Raises StorageError where it cannot be written, BrokenPipeError where nobody reads."""
    try:
        print(line, file=stream, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        # What is left in the buffer would fail once more when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise StorageError(
            f"what there is to say cannot be written to standard output: {error.strerror}",
            way_out="make room where it goes, then run the same command again; it goes on",
        ) from error


class JsonReporter:
    """One JSON object a line."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream or sys.stdout

    def event(self, name: str, **fields: object) -> None:
        if name != "progress":
            _say(json.dumps({"event": name, **fields}), self._stream)


class PlainReporter:
    """For people: a line for what matters; progress on a terminal alone."""

    _REFRESH = 0.1

    def __init__(self, quiet: bool = False, stream: IO[str] | None = None) -> None:
        self._stream = stream or sys.stdout
        self._quiet = quiet
        self._live = self._stream.isatty() and not quiet
        self._painted = 0.0
        self._started = time.monotonic()

    def event(self, name: str, **fields: object) -> None:
        if name == "progress":
            self._progress(**fields)  # type: ignore[arg-type]
            return
        line = getattr(self, f"_{name}", _nothing)(**fields)
        trouble = name in _TROUBLE
        if line and (trouble or not self._quiet):
            self._clear()
            if trouble:
                tell_trouble(line, name in _WARNINGS)
            else:
                _say(printable(line), self._stream)

    def _clear(self) -> None:
        if self._live and self._painted:
            self._stream.write("\r\x1b[K")
            self._painted = 0.0

    def _progress(self, tree: str, done: int, total: int, bytes: int, total_bytes: int) -> None:
        now = time.monotonic()
        if not self._live or now - self._painted < self._REFRESH:
            return
        rate = bytes / max(now - self._started, 0.001)
        share = bytes * 100 // max(total_bytes, 1)
        self._stream.write(
            f"\r\x1b[K{tree}: {done} of {total} files, {share} % of"
            f" {human_bytes(total_bytes)}, {human_bytes(rate)}/s"
        )
        self._stream.flush()
        self._painted = now

    def _proven(
        self, tree: str, definitions: int, tried: int, with_real_builds: int, **_: object
    ) -> str:
        return (
            f"{tree}: {tried} of {definitions} OVAL definitions proven right by OpenSCAP,"
            f" {with_real_builds} of them on real builds from before the fix"
        )

    def _warning(self, message: str, **_: object) -> str:
        return f"warning: {message}"

    def _mirror(self, host: str, reason: str, times: int, url: str, **_: object) -> str:
        often = f" ({times} times)" if times > 1 else ""
        return f"warning: mirror {host} failed{often}: {reason}: {url}"

    def _quarantine(self, path: str, message: str, **_: object) -> str:
        return f"warning: kept in the quarantine: {path}: {message}"

    def _error(self, error: str, exit_status: int, **fields: Any) -> str:
        return f"tuxmirror: error: {MirrorError(**fields)}"

    def _unchanged(self, tree: str, snapshot: str, repositories: int, **_: object) -> str:
        return f"{tree}: nothing changed in {repositories} repositories (snapshot {snapshot})"

    def _fetching(
        self,
        tree: str,
        packages: int,
        bytes: int,
        to_verify: int,
        images: int = 0,
        **_: object,
    ) -> str:
        self._started = time.monotonic()
        if images:
            # Nobody says the size of those in an installation tree.
            size = f" ({human_bytes(bytes)} or more)" if bytes else ""
            return f"{tree}: {images} images to fetch{size}"
        fetch = f"{packages} packages to fetch ({human_bytes(bytes)}), " if packages else ""
        return f"{tree}: {fetch}{to_verify} to verify"

    def _snapshot(
        self,
        tree: str,
        snapshot: str,
        packages: int,
        added: int,
        removed: int,
        advisories: list[str],
        cves: list[str],
        **_: object,
    ) -> str:
        text = f"{tree}: snapshot {snapshot}: {packages} packages, {added} added, {removed} removed"
        if advisories:
            text += f"; {len(advisories)} new advisories fixing {len(cves)} CVEs"
        return text

    def _published(self, tree: str, channel: str, snapshot: str, **_: object) -> str:
        return f"{tree}: published to {channel}: {snapshot}"

    def _damaged(self, error: str, exit_status: int, **fields: Any) -> str:
        return f"damaged: {MirrorError(**fields)}"

    def _repaired(self, tree: str, path: str, **_: object) -> str:
        return f"{tree}: repaired: {path}"

    def _replaced(self, tree: str, snapshot: str, by: str, **_: object) -> str:
        return (
            f"{tree}: snapshot {snapshot} lost a signature of yours and was signed anew: it is"
            f" {by} now, in all else the same"
        )

    def _superseded(self, tree: str, snapshot: str, by: str, **_: object) -> str:
        return (
            f"{tree}: snapshot {snapshot} is left out: {by} took its place, and no channel shows"
            " it; prune removes it"
        )

    def _verified(self, tree: str, files: int, bytes: int, damaged: int, **_: object) -> str:
        what = f"{tree}: {files} files ({human_bytes(bytes)})"
        return f"{what}, {damaged} damaged" if damaged else f"{what} are as they were verified"

    def _exporting(
        self, trees: list[dict[str, Any]], contents: int, bytes: int, dry_run: bool, **_: object
    ) -> str:
        self._started = time.monotonic()
        lines = []
        for tree in trees:
            since = f", what {tree['since']} has not" if tree["since"] else ""
            lines.append(f"{tree['tree']}: snapshot {tree['snapshot']}{since}")
        what = f"{contents} files ({human_bytes(bytes)})"
        if not contents:
            lines.append("there is nothing new to export")
        elif dry_run:
            lines.append(f"would write {what}; nothing was written")
        else:
            lines.append(f"{what} to write")
        return "\n".join(lines)

    def _exported(self, bytes: int, contents: int, **_: object) -> str:
        return f"wrote a signed bundle of {contents} files ({human_bytes(bytes)})"

    def _bundle(
        self, trees: list[str], created: int, contents: int, bytes: int, **_: object
    ) -> str:
        self._started = time.monotonic()
        made = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(created))
        return (
            f"a bundle of {', '.join(trees)}, made {made}: {contents} files"
            f" ({human_bytes(bytes)}); its signature holds"
        )

    def _strays(self, files: int, bytes: int, **_: object) -> str:
        what = f"{files} files of the pool ({human_bytes(bytes)})"
        return f"{what} are needed by nothing; prune removes them"

    def _pruned(
        self,
        snapshots: list[str],
        files: int,
        bytes: int,
        leftovers: int,
        dry_run: bool,
        **_: object,
    ) -> str:
        text = (
            f"{len(snapshots)} snapshots, {files} files of the pool ({human_bytes(bytes)}) and"
            f" {leftovers} leftovers"
        )
        return f"would remove {text}; nothing was changed" if dry_run else f"removed {text}"

    def _removed(self, tree: str, snapshot: str, dry_run: bool, **_: object) -> str:
        return f"{tree}: {'would remove' if dry_run else 'removed'} snapshot {snapshot}"

    def _held(self, tree: str, channel: str, snapshot: str, **_: object) -> str:
        return (
            f"{tree}: {channel} stays where it was put: {snapshot} is held; to show it:"
            f" tuxmirror publish {tree} --snapshot {snapshot} --channel {channel}"
        )

    def _vetted(self, tree: str, channel: str, held: int, until: int | None, **_: object) -> str:
        when = f", the first until {utc(until)}" if until is not None else ""
        return f"{tree}: {channel}: {held} packages wait{when} (tuxmirror plan {tree} says why)"

    def _behind(self, tree: str, channel: str, follows: str, snapshot: str, **_: object) -> str:
        return (
            f"{tree}: {channel} stays, though {follows} went back to {snapshot}; to go back too:"
            f" tuxmirror rollback {tree} --channel {channel}"
        )

    def _waiting(self, tree: str, channel: str, snapshot: str, **_: object) -> str:
        return (
            f"{tree}: {channel} waits for an approval of {snapshot}: tuxmirror plan {tree}"
            f" --channel {channel}, then tuxmirror approve ID"
        )

    def _already(self, tree: str, channel: str, snapshot: str, **_: object) -> str:
        return f"{tree}: {channel} shows {snapshot} already"

    def _plan(
        self,
        tree: str,
        packages: int,
        bytes: int,
        added: int,
        removed: int,
        advisories: list[str],
        images: int = 0,
        **_: object,
    ) -> str:
        more = f" and {images} images" if images else ""
        return (
            f"{tree}: would fetch {packages} packages{more} ({human_bytes(bytes)}): {added} added,"
            f" {removed} removed, {len(advisories)} new advisories; nothing was changed"
        )

    def _done(
        self, seconds: float = 0, bytes: int | None = None, packages: int = 0, **_: object
    ) -> str | None:
        if bytes is None:
            return None
        return f"done in {seconds:.1f} s: {packages} packages, {human_bytes(bytes)} fetched"


def _nothing(**_: object) -> None:
    return None
