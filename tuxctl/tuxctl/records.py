"""What the journal writes down, and how it reads in journal.json. Pure."""

import json
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from tuxctl.system import Attributes, Content

EDITED = "edited"
OWNED = "owned"
SECRET = "secret"  # noqa: S105  # a kind of file, not a password

_VERSION = 1


class State(NamedTuple):
    """A file as recorded: which bytes, and its attributes."""

    sha256: str
    mode: int
    uid: int
    gid: int
    mtime_ns: Optional[int]
    xattrs: Mapping[str, str]

    @classmethod
    def of(cls, content: Content) -> "State":
        return cls(content.sha256, *content.attributes)

    @property
    def attributes(self) -> Attributes:
        return Attributes(self.mode, self.uid, self.gid, self.mtime_ns, self.xattrs)


class Change(NamedTuple):
    """A change of one file; None stands for no file. `path` is as on the host, without root.

    `directories`: those that had to be made for it, outermost first. `rebased`: the original
    with what people edited between our runs; None where nobody did. `stands`: it is not undone
    when its run fails.
    """

    path: str
    kind: str
    before: Optional[State]
    after: Optional[State]
    directories: List[str]
    rebased: Optional[State] = None
    stands: bool = False


class Action(NamedTuple):
    """A change that is not one of a file; `kind` names who can undo it, `detail` tells him what."""

    kind: str
    detail: Mapping[str, Any]


class Document(NamedTuple):
    """journal.json. `run` names the command of an unfinished run; its changes are in order.

    `settled`: kinds of actions of earlier runs that the unfinished one takes back.
    """

    files: Dict[str, Change]
    actions: List[Action]
    run: Optional[str]
    changes: List[Change]
    run_actions: List[Action]
    settled: Sequence[str] = ()


def merged_files(files: Mapping[str, Change], changes: List[Change]) -> Dict[str, Change]:
    """The files of finished runs and of one more: first original, last written."""
    merged = dict(files)
    for change in changes:
        earlier = merged.get(change.path)
        if earlier:
            change = change._replace(
                before=change.rebased or earlier.before, directories=earlier.directories
            )
        change = change._replace(rebased=None, stands=False)
        unchanged = (
            change.before
            and change.after
            and change.before._replace(mtime_ns=None) == change.after._replace(mtime_ns=None)
        )
        if unchanged or (change.before is None and change.after is None):
            merged.pop(change.path, None)
        else:
            merged[change.path] = change
    return merged


def dump(document: Document) -> bytes:
    """The bytes of journal.json."""
    value = {
        "version": _VERSION,
        "files": [_dump_change(change) for _path, change in sorted(document.files.items())],
        "actions": [dict(action._asdict()) for action in document.actions],
        "run": document.run,
        "changes": [_dump_change(change) for change in document.changes],
        "run_actions": [dict(action._asdict()) for action in document.run_actions],
        "settled": list(document.settled),
    }
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def load(data: bytes) -> Document:
    """The document in journal.json. Raises ValueError, KeyError, TypeError for a damaged one."""
    value = json.loads(data.decode("utf-8"))
    if value["version"] != _VERSION:
        raise ValueError("version {!r}, expected {}".format(value["version"], _VERSION))
    files = [_load_change(item) for item in value["files"]]
    return Document(
        {change.path: change for change in files},
        [Action(**item) for item in value["actions"]],
        value["run"],
        [_load_change(item) for item in value["changes"]],
        [Action(**item) for item in value["run_actions"]],
        value.get("settled", []),
    )


_STATES = ("before", "after", "rebased")


def _dump_change(change: Change) -> Dict[str, Any]:
    item = dict(change._asdict())
    for name in _STATES:
        item[name] = dict(item[name]._asdict()) if item[name] else None
    return item


def _load_change(item: Dict[str, Any]) -> Change:
    states = {name: State(**item[name]) if item[name] else None for name in _STATES}
    return Change(**{**item, **states})
