"""Every change to the host, recorded before it is made, and the exact way back.

    var/lib/tuxcare/journal/        0700
        journal.json                0600; replaced as one by rename
        blobs/<sha256>              0600; bytes of files as they were and as they were written

journal.json holds two things. `files`: what all finished runs together changed, each file with
its state before the first of them (`original`) and after the last (`written`); unregistering goes
back along these. `run`: the changes of a run that has not finished; if there is one when a
command starts, that run was cut off, and it is undone first. Finishing a run is one rename.

Kinds of file decide what happens to edits that people made after ours:

    edited  somebody else's file: our lines are taken back, theirs stay
    owned   ours alone: the original comes back, an edited copy is left beside it as *.tuxsave
    secret  ours alone: the original comes back, nothing of ours is left
"""

import abc
import contextlib
import functools
import hashlib
import os
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Set

from tuxcare.errors import StorageError, TuxcareError
from tuxcare.host import HostPaths
from tuxctl import records
from tuxctl.merge import take_back
from tuxctl.records import (
    EDITED,
    OWNED,
    SECRET,
    Action,
    Change,
    Document,
    State,
    merged_files,
)
from tuxctl.system import Attributes, Content, System

_FILE = Attributes(mode=0o600, uid=0, gid=0)

Undoer = Callable[[Mapping[str, Any]], None]


class Journal:
    """The journal of one host. Not for two runs at once: hold the lock."""

    def __init__(self, paths: HostPaths, system: System, undoers: Mapping[str, Undoer]) -> None:
        self._paths = paths
        self._system = system
        self._undoers = undoers
        self._file = os.path.join(paths.journal_dir, "journal.json")
        self._blobs = os.path.join(paths.journal_dir, "blobs")

    # -- looking -----------------------------------------------------------------------------

    def pending(self) -> Optional[str]:
        """The command of a run that was cut off, None where there is none."""
        return self._load().run

    def files(self) -> Dict[str, Change]:
        """What finished runs changed: `before` the first of them, `after` the last."""
        return self._load().files

    def actions(self) -> List[Action]:
        """What finished runs did besides changing files, in order."""
        return self._load().actions

    def is_empty(self) -> bool:
        document = self._load()
        return not (document.files or document.actions or document.run)

    def intact(self, change: Change) -> bool:
        """Whether a file still is what tuxctl last made of it."""
        current = self._system.capture(self._paths.join(change.path))
        return (current.sha256 if current else None) == (
            change.after.sha256 if change.after else None
        )

    def original(self, path: str) -> Optional[bytes]:
        """The bytes of a file (real path) before the first run that changed it; the file's own
        where none did; None for no file."""
        change = self.files().get(self._paths.inside(path))
        if change is None:
            return self._system.read(path)
        return self._load_blob(change.before.sha256) if change.before else None

    def written(self, path: str) -> Optional[bytes]:
        """What the last run made of somebody else's file (real path), None where none did."""
        change = self.files().get(self._paths.inside(path))
        if change is None or change.kind != EDITED or change.after is None:
            return None
        return self._load_blob(change.after.sha256)

    # -- changing ----------------------------------------------------------------------------

    @contextlib.contextmanager
    def run(self, command: str) -> Iterator["Run"]:
        """A run: all of its changes, or none if its body raises."""
        document = self._load()
        self._prepare()
        self._save(document._replace(run=command, changes=[], run_actions=[], settled=[]))
        try:
            yield Run(self)
            self._finish()
        except BaseException:
            self._roll_back()
            raise
        # From here on the run counts as done; a next one tidies up as well.
        with contextlib.suppress(StorageError):
            self._tidy(self._load())

    def recover(self) -> Optional[str]:
        """Undo a run that was cut off; its command, None where there was none."""
        document = self._load()
        if document.run is not None:
            self._roll_back()
        else:
            self._tidy(document)
        return document.run

    def record(self, change: Change) -> None:
        """Write down a change of the current run that is about to be made."""
        document = self._load()
        self._save(document._replace(changes=document.changes + [change]))

    def record_action(self, action: Action) -> None:
        document = self._load()
        self._save(document._replace(run_actions=document.run_actions + [action]))

    def settle(self, kinds: Sequence[str]) -> None:
        """The unfinished run undoes what was done of these kinds: once it is finished, so are
        they."""
        document = self._load()
        self._save(document._replace(settled=sorted({*document.settled, *kinds})))

    def capture(self, path: str, kind: str, data: Optional[bytes], mode: int) -> Change:
        """The change that brings a file (real path) to `data` (None: removes it); bytes kept."""
        current = self._system.capture(path)
        before = State.of(current) if current else None
        if current:
            self._keep(current.data)
        after = None
        if data is not None:
            if kind == EDITED:
                self._keep(data)
            attributes = (
                current.attributes._replace(mtime_ns=None)
                if current
                else Attributes(mode, self._system.owner(), self._system.owner())
            )
            if kind == SECRET:
                attributes = attributes._replace(mode=mode)
            earlier = self.files().get(self._paths.inside(path)) if kind == EDITED else None
            if earlier and _same_bytes(Content(data, attributes), earlier.before):
                # All the way back: with the times of then as well.
                attributes = _attributes_back(earlier, current)
            after = State(hashlib.sha256(data).hexdigest(), *attributes)
        missing = [] if data is None else self._system.missing_directories(path)
        inside = [self._paths.inside(directory) for directory in missing]
        rebased = self._rebase(path, current) if kind == EDITED and current else None
        return Change(self._paths.inside(path), kind, before, after, inside, rebased)

    def _rebase(self, path: str, current: Content) -> Optional[State]:
        """The original with the edits that people made since the last run."""
        written, original = self.written(path), self.original(path)
        if written is None or original is None or written == current.data:
            return None
        earlier = self.files()[self._paths.inside(path)]
        data = take_back(original, written, current.data).data
        self._keep(data)
        content = Content(data, _attributes_back(earlier, current)._replace(mtime_ns=None))
        return State.of(content)

    def make(self, change: Change, data: Optional[bytes]) -> None:
        """Make a recorded change."""
        path = self._paths.join(change.path)
        for directory in change.directories:
            self._system.make_directory(self._paths.join(directory))
        if data is None or change.after is None:
            self._system.remove(path)
        else:
            self._system.write(path, data, change.after.attributes)

    # -- going back --------------------------------------------------------------------------

    def revert(self, keep_actions: bool = False) -> List[str]:
        """Put back what finished runs changed; `keep_actions`: but for what is not a file.

        Returns what was left alone, a sentence each. Stops at the first file that cannot be
        written, with StorageError; running it again goes on.
        """
        notes: List[str] = []
        for path, change in sorted(self._load().files.items()):
            notes.extend(self._restore(change))
            document = self._load()
            del document.files[path]
            self._save(document)
        if not keep_actions:
            for action in reversed(self._load().actions):
                self._undoers[action.kind](action.detail)
        self._dispose()
        return notes

    def _roll_back(self) -> None:
        """Undo the unfinished run, as much of it as can be. Raises StorageError for the rest."""
        document = self._load()
        if document.run is None:
            return
        kept = [change for change in document.changes if change.stands and self.intact(change)]
        undo: List[Callable[[], Any]] = [
            functools.partial(self._undoers[action.kind], action.detail)
            for action in reversed(document.run_actions)
        ]
        undo += [
            functools.partial(self._restore, change)
            for change in reversed(document.changes)
            if change not in kept
        ]
        troubles = [trouble for trouble in map(_attempt, undo) if trouble]
        if troubles:
            raise StorageError(
                "could not put back what the unfinished '{}' had changed: {}".format(
                    document.run, "; ".join(troubles)
                ),
                "Remove the cause, then run tuxctl again: it goes on from its journal.",
            )
        settled = Document(merged_files(document.files, kept), document.actions, None, [], [])
        self._save(settled)
        self._tidy(settled)

    def _finish(self) -> None:
        document = self._load()
        files = merged_files(document.files, document.changes)
        for path, change in document.files.items():
            if path not in files and change.before is None:
                self._remove_directories(change)
        actions = [
            action
            for action in document.actions + document.run_actions
            if action.kind not in document.settled
        ]
        self._save(Document(files, actions, None, [], []))

    def _tidy(self, document: Document) -> None:
        """Remove bytes that no record needs; a journal with nothing in it leaves no file."""
        self._prune(document)
        if not document.files and not document.actions:
            self._dispose()

    def _restore(self, change: Change) -> List[str]:
        """Bring a file from `after` back to `before`; sentences on what had to be left alone."""
        path = self._paths.join(change.path)
        self._system.remove_leftover(path)
        current = self._system.capture(path)
        if _same(current, change.before):
            if current is None:
                self._remove_directories(change)
            return []
        if current and change.kind == EDITED and _same_bytes(current, change.before):
            return []  # put back by hand; its attributes are somebody's choice
        notes: List[str] = []
        wanted = self._load_blob(change.before.sha256) if change.before else None
        if not _same_bytes(current, change.after) and change.kind != SECRET:
            if change.kind == OWNED:
                notes = self._save_aside(change, current)
            elif current is None:
                return ["{}: was removed since, stays removed".format(change.path)]
            elif change.before is None or change.after is None:
                return ["{}: was changed since, left alone".format(change.path)]
            else:
                return self._take_back(change, current)
        if change.before is None or wanted is None:
            self._system.remove(path)
            self._remove_directories(change)
        else:
            for directory in self._system.missing_directories(path):
                self._system.make_directory(directory)
            self._system.write(path, wanted, _attributes_back(change, current))
        return notes

    def _remove_directories(self, change: Change) -> None:
        """Those that were made for a file, as far as they are empty."""
        for directory in reversed(change.directories):
            self._system.remove_directory(self._paths.join(directory))

    def _take_back(self, change: Change, current: Content) -> List[str]:
        assert change.before is not None and change.after is not None  # noqa: S101
        merged = take_back(
            self._load_blob(change.before.sha256),
            self._load_blob(change.after.sha256),
            current.data,
        )
        self._system.write(
            self._paths.join(change.path),
            merged.data,
            current.attributes._replace(mtime_ns=None),
        )
        return [
            "{}: was changed since at '{}', that stays".format(
                change.path, line.decode("utf-8", "replace").strip()
            )
            for line in merged.kept
            if line.strip()
        ]

    def _save_aside(self, change: Change, current: Optional[Content]) -> List[str]:
        if current is None:
            return []
        aside = change.path + ".tuxsave"
        attributes = current.attributes._replace(mtime_ns=None)
        self._system.write(self._paths.join(aside), current.data, attributes)
        return ["{}: was changed since, kept as {}".format(change.path, aside)]

    # -- disk --------------------------------------------------------------------------------

    def _prepare(self) -> None:
        for directory in self._system.missing_directories(self._paths.journal_dir):
            self._system.make_directory(directory)
        self._system.make_directory(self._paths.journal_dir, 0o700)
        self._system.make_directory(self._blobs, 0o700)

    def _dispose(self) -> None:
        self._system.remove(self._file)
        self._system.remove_leftover(self._file)
        for blob in self._system.entries(self._blobs):
            self._system.remove(blob)
        self._system.remove_directory(self._blobs)
        self._system.remove_directory(self._paths.journal_dir)

    def _own(self) -> Attributes:
        owner = self._system.owner()
        return _FILE._replace(uid=owner, gid=owner)

    def _keep(self, data: bytes) -> None:
        path = os.path.join(self._blobs, hashlib.sha256(data).hexdigest())
        if self._system.read(path) != data:
            self._system.write(path, data, self._own())

    def _load_blob(self, sha256: str) -> bytes:
        data = self._system.read(os.path.join(self._blobs, sha256))
        if data is None or hashlib.sha256(data).hexdigest() != sha256:
            raise StorageError(
                "{}: the journal's copy {} of an original is missing or damaged".format(
                    self._blobs, sha256
                ),
                "Restore /var/lib/tuxcare from a backup.",
            )
        return data

    def _prune(self, document: Document) -> None:
        """Remove the bytes that no record needs any more; a stale token is among them."""
        needed: Set[str] = set()
        for change in list(document.files.values()) + document.changes:
            states = (change.before, change.after, change.rebased)
            needed.update(state.sha256 for state in states if state)
        for blob in self._system.entries(self._blobs):
            if os.path.basename(blob) not in needed:
                self._system.remove(blob)

    def _load(self) -> Document:
        data = self._system.read(self._file)
        if data is None:
            return Document({}, [], None, [], [])
        try:
            return records.load(data)
        except (ValueError, KeyError, TypeError) as error:
            raise StorageError(
                "{}: damaged journal: {!r}".format(self._file, error),
                "Restore /var/lib/tuxcare from a backup.",
            ) from error

    def _save(self, document: Document) -> None:
        self._system.write(self._file, records.dump(document), self._own())


class Writer(abc.ABC):
    """What changes files: a Run, or a tuxctl.preview.Preview that only shows them."""

    @abc.abstractmethod
    def put(
        self, path: str, data: Optional[bytes], kind: str, mode: int = 0o644, stands: bool = False
    ) -> bool:
        """Bring a file (real path) to `data`, None to remove it; whether that changes anything."""


class Run(Writer):
    """An unfinished run: every change of it goes through here."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def put(
        self,
        path: str,
        data: Optional[bytes],
        kind: str,
        mode: int = 0o644,
        stands: bool = False,
    ) -> bool:
        """Bring a file (real path) to `data`, None to remove it; whether that changed anything.

        An existing file keeps its mode, unless it is a secret; a new one gets `mode`. `stands`:
        the change is not undone if the run fails later.
        """
        change = self._journal.capture(path, kind, data, mode)._replace(stands=stands)
        if change.before and change.after:
            if change.before._replace(mtime_ns=None) == change.after._replace(mtime_ns=None):
                return False
        elif change.before is None and change.after is None:
            return False
        self._journal.record(change)
        self._journal.make(change, data)
        return True

    def act(self, action: Action, do: Callable[[], None]) -> None:
        """Do what is no change of a file, after writing down how to undo it."""
        self._journal.record_action(action)
        do()

    def settle(self, *kinds: str) -> None:
        """This run takes back what earlier ones did of these kinds."""
        self._journal.settle(kinds)


def _same_bytes(current: Optional[Content], state: Optional[State]) -> bool:
    return (current.sha256 if current else None) == (state.sha256 if state else None)


def _same(current: Optional[Content], state: Optional[State]) -> bool:
    if current is None or state is None:
        return current is None and state is None
    return State.of(current)._replace(mtime_ns=None) == state._replace(mtime_ns=None)


def _attempt(undo: Callable[[], Any]) -> str:
    """The trouble that it met, if any."""
    try:
        undo()
    except TuxcareError as error:
        return error.message
    return ""


def _attributes_back(change: Change, current: Optional[Content]) -> Attributes:
    """The original attributes, unless somebody changed those of an edited file since."""
    assert change.before is not None  # noqa: S101
    if change.kind == EDITED and current and change.after:
        found, written = current.attributes, change.after.attributes
        if found._replace(mtime_ns=None) != written._replace(mtime_ns=None):
            return found._replace(mtime_ns=None)
    return change.before.attributes
