"""The keys that rpm trusts."""

from typing import Any, List, Mapping

from tuxcare.errors import StorageError
from tuxctl.journal import Run
from tuxctl.records import Action
from tuxctl.system import System

ACTION = "rpm-key"


class RpmKeys:
    """The gpg-pubkey entries of the host's rpm database."""

    def __init__(self, system: System) -> None:
        self._system = system

    def import_file(self, run: Run, path: str, fingerprint: str) -> bool:
        """Import a key file that was checked to hold `fingerprint`; False if rpm has it already.

        Raises StorageError where rpm refuses.
        """
        key_id = fingerprint[-8:].lower()
        if key_id in self.key_ids():
            return False
        run.act(Action(ACTION, {"key_id": key_id}), lambda: self._rpm("--import", path))
        return True

    def undo(self, detail: Mapping[str, Any]) -> None:
        """Take an imported key out again."""
        if detail["key_id"] in self.key_ids():
            self._rpm("--erase", "--allmatches", "gpg-pubkey-" + detail["key_id"])

    def key_ids(self) -> List[str]:
        """Short ids (8 hex digits), as rpm files them."""
        found = self._system.run(
            self._argv("--query", "gpg-pubkey", "--queryformat", "%{VERSION}\\n")
        )
        # Exit status 1 and a sentence on standard output where there is none.
        return found.stdout.split() if found.status == 0 else []

    def _argv(self, *arguments: str) -> List[str]:
        root = [] if self._system.root == "/" else ["--root", self._system.root]
        return ["rpm"] + root + list(arguments)

    def _rpm(self, *arguments: str) -> None:
        done = self._system.run(self._argv(*arguments))
        if done.status != 0:
            raise StorageError(
                "rpm {} failed with status {}: {}".format(
                    " ".join(arguments), done.status, " ".join(done.stderr.split()) or "no message"
                )
            )
