"""The error tree. Every error a user can meet is one of these; its class decides the exit status.

An error says four things: what it is about, what was expected, what was found, and the way out.
"""

from __future__ import annotations


def printable(text: str) -> str:
    """What strangers said, as a terminal may be given it: nothing in it moves the cursor, changes
    colours or turns the direction of writing. Line breaks stay."""
    if text.isprintable():
        return text
    return "".join(
        character if character == "\n" or character.isprintable() else ascii(character)[1:-1]
        for character in text
    )


def one_line(text: str) -> str:
    """As `printable`, for a line of output: what strangers said begins none of its own."""
    return printable(text.replace("\n", " "))


class MirrorError(Exception):
    """The root. `code` names the kind in JSON, `exit_status` is what the process ends with.

    Args:
        message: one sentence that names the thing.
        expected, found: the two sides of a failed check, if it was one.
        way_out: what the user can do now.
        tree, repository, path: where it happened.
    """

    code = "unexpected"
    exit_status = 70
    default_way_out: str | None = None

    def __init__(
        self,
        message: str,
        *,
        expected: str | None = None,
        found: str | None = None,
        way_out: str | None = None,
        tree: str | None = None,
        repository: str | None = None,
        path: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.expected = expected
        self.found = found
        self.way_out = way_out or self.default_way_out
        self.tree = tree
        self.repository = repository
        self.path = path

    def located(
        self, *, tree: str | None = None, repository: str | None = None, path: str | None = None
    ) -> MirrorError:
        """The same error with the place filled in where it is still unknown."""
        self.tree = self.tree or tree
        self.repository = self.repository or repository
        self.path = self.path or path
        return self

    def __str__(self) -> str:
        place = " ".join(part for part in (self.tree, self.repository, self.path) if part)
        lines = [f"{place}: {self.message}" if place else self.message]
        if self.expected is not None:
            lines.append(f"  expected: {self.expected}")
        if self.found is not None:
            # What an upstream said must not look like a line of ours.
            lines.append(f"  found:    {self.found}".replace("\n", "\n            "))
        if self.way_out is not None:
            lines.append(f"  way out:  {self.way_out}")
        return printable("\n".join(lines))

    def as_dict(self) -> dict[str, object]:
        """For `--json`: keys without a value are left out."""
        fields = {
            "error": self.code,
            "message": self.message,
            "tree": self.tree,
            "repository": self.repository,
            "path": self.path,
            "expected": self.expected,
            "found": self.found,
            "way_out": self.way_out,
            "exit_status": self.exit_status,
        }
        return {key: value for key, value in fields.items() if value is not None}


class ConfigError(MirrorError):
    """Usage or configuration."""

    code = "configuration"
    exit_status = 2


class NetworkError(MirrorError):
    """Nothing usable upstream."""

    code = "network"
    exit_status = 3
    default_way_out = (
        "nothing was changed; run the same command again, or configure another upstream"
    )


class DeadlineError(MirrorError):
    """The time that a sync may take is over. No NetworkError: no other mirror makes up for it."""

    code = "deadline"
    exit_status = 3
    default_way_out = (
        "nothing was published, and what arrived is kept: run the same command again to go on;"
        " where the line needs longer, raise deadline in [main]"
    )


class VerificationError(MirrorError):
    """A signature, digest or piece of metadata that does not hold."""

    code = "verification"
    exit_status = 4


class SignatureError(VerificationError):
    """A missing, foreign, weak or broken signature."""

    code = "signature"


class DigestError(VerificationError):
    """Bytes that are not the ones that signed metadata promises."""

    code = "digest"


class MetadataError(VerificationError):
    """Metadata that is malformed or asks for something no honest repository would."""

    code = "metadata"
    default_way_out = "nothing was published; report this to the upstream's administrators"


class AdvisoryError(VerificationError):
    """An advisory, or data of CVEs, that is malformed or contradicts itself or the packages.

    `path` is a file and line.
    """

    code = "advisory"
    default_way_out = "nothing was published; mend the file, then sync again"


class RefusedError(MirrorError):
    """A rule says no: rollback, freeze, mass change, policy, licence."""

    code = "refused"
    exit_status = 5


class RollbackError(RefusedError):
    """Upstream shows something older than what was accepted before."""

    code = "rollback"


class StorageError(MirrorError):
    """The disk: full, read-only, permissions."""

    code = "storage"
    exit_status = 6


class LockedError(MirrorError):
    """Another run holds the lock."""

    code = "locked"
    exit_status = 7


# Of several trees that failed in one run, the gravest decides how the process ends.
GRAVITY = (70, 2, 4, 5, 6, 3, 7)


def gravest(statuses: list[int]) -> int:
    """The exit status of a run from those of its trees (0 where all went well)."""
    return min((status for status in statuses if status), key=GRAVITY.index, default=0)
