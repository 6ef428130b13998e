"""Dependencies of all repositories of a tree together, by libsolv."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Callable
from xml.sax.saxutils import escape

import rpm
import solv

from ..core.errors import MetadataError
from ..core.policy.closure import Expression, Requirement, Requirements
from ..ports import Metadata
from .installing import Installing
from .rpmmd import inflated

# rpm itself offers these.
_OF_RPM = ("rpmlib(", "solvable:")
_RELATIONS = {
    "<": solv.REL_LT,
    "<=": solv.REL_LT | solv.REL_EQ,
    "=": solv.REL_EQ,
    ">=": solv.REL_GT | solv.REL_EQ,
    ">": solv.REL_GT,
}
_OPERATORS = ("and", "or", "if", "unless", "with", "without", "else")
_BLOCK = 8 << 20

# Packages that own files, by path; of paths.
_Owners = Callable[[Iterable[str]], dict[str, set[str]]]


class LibsolvSolver:
    """See `ports.Solver`. `scratch` is a folder for inflated files."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch

    def compare(self, one: tuple[str, str, str], other: tuple[str, str, str]) -> int:
        return int(rpm.labelCompare(one, other))

    def dependencies(self, metadata: Sequence[Metadata], arch: str) -> LibsolvDependencies:
        pool = solv.Pool()
        pool.setdisttype(solv.Pool.DISTTYPE_RPM)
        pool.setarch(arch)
        # As dnf: a package goes together with its twin of another arch, not with an earlier one.
        pool.set_flag(solv.Pool.POOL_FLAG_IMPLICITOBSOLETEUSESCOLORS, 1)
        for each in metadata:
            self._load(pool, each)
        pool.addfileprovides()
        pool.createwhatprovides()
        return LibsolvDependencies(pool, lambda paths: self._owners(metadata, paths))

    def _load(self, pool: Any, metadata: Metadata) -> None:
        primary = metadata.repomd.file("primary")
        assert primary is not None  # noqa: S101  # the parser of repomd.xml refuses one without
        path = metadata.places[primary.sha256]
        repo = pool.add_repo(metadata.repository)
        with contextlib.ExitStack() as stack:
            promised = (primary.open_sha256, primary.open_size)
            plain = stack.enter_context(inflated(self._scratch, path, *promised))
            file = stack.enter_context(plain.open("rb"))
            read = repo.add_rpmmd(solv.xfopen_fd("primary.xml", file.fileno()), None, 0)
        if not read:
            raise MetadataError(
                "libsolv does not read primary",
                found=str(pool.errstr),
                repository=metadata.repository,
                path=primary.location,
            )

    def _owners(self, metadata: Sequence[Metadata], paths: Iterable[str]) -> dict[str, set[str]]:
        """Packages that own files which primary does not list, by path."""
        owners: dict[str, set[str]] = {path: set() for path in paths}
        escaped = {escape(path).encode(): path for path in owners}
        wanted = re.compile(
            rb'<package [^>]*?pkgid="([0-9a-f]{64})"|>('
            + b"|".join(re.escape(path) for path in escaped)
            + rb")</file>"
        )
        for each in metadata:
            filelists = each.repomd.file("filelists")
            if filelists is None:
                continue
            path = each.places[filelists.sha256]
            promised = (filelists.open_sha256, filelists.open_size)
            with inflated(self._scratch, path, *promised) as plain:
                for package, file in _matches(plain, wanted):
                    owners[escaped[file]].add(package)
        return owners


def _matches(plain: Path, wanted: re.Pattern[bytes]) -> Iterable[tuple[str, bytes]]:
    """Package and path, for each file that is wanted; in lines, which no element is split by."""
    package = ""
    with plain.open("rb") as file:
        while block := file.read(_BLOCK):
            block += file.readline()
            for match in wanted.finditer(block):
                if match[1]:
                    package = match[1].decode()
                else:
                    yield package, match[2]


class LibsolvDependencies(Installing):
    """See `core.policy.closure.Dependencies`."""

    def __init__(self, pool: Any, owners: _Owners) -> None:
        reader = _Reader(pool, owners)
        self.requirements = reader.read()
        super().__init__(pool, reader.ids)


class _Reader:
    """The requirements of a pool, each once; `ids` are those of its packages, by SHA-256."""

    def __init__(self, pool: Any, owners: _Owners) -> None:
        self._pool = pool
        self._owners = owners
        self.ids: dict[str, list[int]] = {}
        self._package: dict[int, str] = {}
        self._numbers: dict[int, int | None] = {}
        self._known: list[Requirement] = []

    def read(self) -> Requirements:
        needs: dict[str, set[int]] = {}
        ids: dict[str, list[int]] = {}
        for solvable in self._pool.solvables:
            if solvable.arch in ("src", "nosrc"):
                continue
            checksum = solvable.lookup_checksum(solv.SOLVABLE_CHECKSUM)
            if checksum is None:
                raise MetadataError("libsolv finds a package without a checksum", found=solvable)
            sha = checksum.hex()
            self._package[solvable.id] = sha
            self.ids.setdefault(sha, []).append(solvable.id)
            ids.setdefault(sha, []).extend(solvable.lookup_idarray(solv.SOLVABLE_REQUIRES, 0))
        for sha, wanted in ids.items():
            numbers = {self._number(wanted_id) for wanted_id in wanted}
            needs[sha] = {number for number in numbers if number is not None}
        self._add_owners()
        return Requirements(
            tuple(self._known), {sha: tuple(sorted(found)) for sha, found in needs.items()}
        )

    def _number(self, dependency: int) -> int | None:
        if dependency not in self._numbers:
            text = self._pool.dep2str(dependency)
            self._numbers[dependency] = None
            if not text.startswith(_OF_RPM):
                self._numbers[dependency] = len(self._known)
                self._known.append(Requirement(text, self._expression(dependency, text)))
        return self._numbers[dependency]

    def _expression(self, dependency: int, text: str) -> Expression:
        if text.startswith("("):
            return _Rich(text, self._offering_text).parse()
        return self._offering(dependency)

    def _offering(self, dependency: int) -> frozenset[str]:
        found = self._pool.whatprovides(dependency)
        return frozenset(self._package[s.id] for s in found if s.id in self._package)

    def _offering_text(self, words: Sequence[str]) -> frozenset[str]:
        dependency = self._pool.Dep(words[0])
        if len(words) == 3 and words[1] in _RELATIONS:
            dependency = dependency.Rel(_RELATIONS[words[1]], self._pool.Dep(words[2]))
        elif len(words) != 1:
            raise MetadataError("a rich dependency that cannot be read", found=" ".join(words))
        return self._offering(dependency.id)

    def _add_owners(self) -> None:
        """Primary lists the files of a few folders; others are looked up where they are needed.

        The pool is told of them as well.
        """
        open_ = {
            requirement.text: number
            for number, requirement in enumerate(self._known)
            if requirement.text.startswith("/") and not requirement.offered_by
        }
        for path, packages in (self._owners(open_) if open_ else {}).items():
            number = open_[path]
            self._known[number] = Requirement(path, frozenset(packages))
            for solvable in (n for sha in packages for n in self.ids.get(sha, ())):
                provided = self._pool.id2solvable(solvable)
                provided.add_deparray(solv.SOLVABLE_PROVIDES, self._pool.str2id(path))
        if open_:
            self._pool.createwhatprovides()


class _Rich:
    """A rich dependency as rpm writes it: `(A if (B and C) else D)`."""

    def __init__(self, text: str, offering: Any) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._offering = offering
        self._at = 0

    def parse(self) -> Expression:
        found = self._group()
        if self._at != len(self._tokens):
            raise self._bad()
        return found

    def _group(self) -> Expression:
        if self._next() != "(":
            raise self._bad()
        left = self._operand()
        while (token := self._next()) != ")":
            if token not in _OPERATORS:
                raise self._bad()
            right = self._operand()
            left = self._joined(token, left, right)
        return left

    def _joined(self, operator: str, left: Expression, right: Expression) -> Expression:
        if operator in ("with", "without"):
            if not (isinstance(left, frozenset) and isinstance(right, frozenset)):
                raise self._bad()
            return left & right if operator == "with" else left - right
        if operator == "else":
            if isinstance(left, frozenset) or left[0] not in ("if", "unless"):
                raise self._bad()
            return (*left, right)
        return (operator, left, right)

    def _operand(self) -> Expression:
        if self._tokens[self._at : self._at + 1] == ["("]:
            return self._group()
        words: list[str] = []
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            if token in ("(", ")") or (words and token in _OPERATORS):
                break
            words.append(token)
            self._at += 1
        if not words:
            raise self._bad()
        offered: Expression = self._offering(words)
        return offered

    def _next(self) -> str:
        if self._at >= len(self._tokens):
            raise self._bad()
        self._at += 1
        return self._tokens[self._at - 1]

    def _bad(self) -> MetadataError:
        return MetadataError("a rich dependency that cannot be read", found=self._text[:200])


def _tokens(text: str) -> list[str]:
    """Parentheses that belong to a name (`libc.so.6(GLIBC_2.34)(64bit)`) are part of it."""
    tokens: list[str] = []
    at = 0
    while at < len(text):
        character = text[at]
        if character.isspace():
            at += 1
        elif character in "()":
            tokens.append(character)
            at += 1
        else:
            start, depth = at, 0
            while at < len(text) and not text[at].isspace():
                if text[at] == "(":
                    depth += 1
                elif text[at] == ")":
                    if not depth:
                        break
                    depth -= 1
                at += 1
            tokens.append(text[start:at])
    return tokens
