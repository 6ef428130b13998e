"""What every solver promises (ports.Solver), shown on libsolv's."""

import pytest

from tests.contract.test_metadata_filter import package, repository
from tuxmirror.adapters.solver import LibsolvSolver, _Rich, _tokens
from tuxmirror.core.errors import MetadataError
from tuxmirror.core.policy import closure


def needing(number, *requires, provides=(), version=1, files=()):
    made = package(number, version)
    made.requires = [entry(text) for text in requires]
    made.provides = [entry(f"p{number} = 0:{version}-1"), *map(entry, provides)]
    if files:
        made.files = [("", *file) for file in files]
    return made


def entry(text):
    if text.startswith("("):
        return (text, None, None, None, None, False)
    name, _, rest = text.partition(" ")
    if not rest:
        return (name, None, None, None, None, False)
    flag, _, evr = rest.partition(" ")
    epoch, _, rest = evr.rpartition(":")
    version, _, release = rest.partition("-")
    flags = {"=": "EQ", ">=": "GE", "<": "LT", ">": "GT", "<=": "LE"}
    return (name, flags[flag], epoch or "0", version, release or None, False)


@pytest.fixture
def ask(tmp_path):
    """What a package's requirements are offered by, by their text."""

    def requirements(*packages, arch="x86_64"):
        metadata = repository(tmp_path / "repo", packages)
        return LibsolvSolver(tmp_path).requirements([metadata], arch)

    return requirements


def offered(found, owner):
    return {found.known[n].text: found.known[n].offered_by for n in found.of[owner.pkgId]}


def test_names_versions_and_capabilities(ask):
    one = needing(1, "p2", "p3 >= 2", "libx.so.1(V_1)(64bit)", "nothing")
    two, three = needing(2, provides=["libx.so.1(V_1)(64bit)"]), needing(3, version=1)
    newer = needing(3, version=2)
    found = offered(ask(one, two, three, newer), one)
    assert found == {
        "p2": {two.pkgId},
        "p3 >= 2": {newer.pkgId},
        "libx.so.1(V_1)(64bit)": {two.pkgId},
        "nothing": set(),
    }


def test_what_rpm_itself_offers_is_not_asked_for(ask):
    one = needing(1, "rpmlib(CompressedFileNames) <= 3.0.4-1")
    assert offered(ask(one), one) == {}


def test_files_that_primary_lists_and_that_it_does_not(ask):
    one = needing(1, "/usr/bin/tool", "/usr/libexec/deep&down", "/nowhere")
    two = needing(2, files=[("/usr/bin/", "tool")])
    three = needing(3, files=[("/usr/libexec/", "deep&down"), ("/usr/libexec/", "deep")])
    assert offered(ask(one, two, three), one) == {
        "/usr/bin/tool": {two.pkgId},
        "/usr/libexec/deep&down": {three.pkgId},
        "/nowhere": set(),
    }


@pytest.mark.parametrize(
    ("text", "chosen", "expected"),
    [
        ("(p2 and p3)", [2], False),
        ("(p2 and p3)", [2, 3], True),
        ("(p2 or p3)", [3], True),
        ("(p2 if p3)", [], True),
        ("(p2 if p3)", [3], False),
        ("(p2 if p3 else p4)", [], False),
        ("(p2 if p3 else p4)", [4], True),
        ("((p2 or p3) and p4 >= 1)", [3, 4], True),
        ("(p2 with lib(x))", [2], True),
        ("(p3 with lib(x))", [3], False),
        ("(p2 without lib(x))", [2], False),
        ("(p2 unless p3)", [2], True),
    ],
)
def test_rich_dependencies(ask, text, chosen, expected):
    others = {2: needing(2, provides=["lib(x)"]), 3: needing(3), 4: needing(4)}
    one = needing(1, text)
    [expression] = offered(ask(one, *others.values()), one).values()
    assert closure.holds(expression, {others[n].pkgId for n in chosen}) is expected


def test_requirements_of_all_repositories_together(tmp_path):
    one, two = needing(1, "p2"), needing(2)
    metadata = [repository(tmp_path / "a", [one]), repository(tmp_path / "b", [two])]
    found = LibsolvSolver(tmp_path).requirements(metadata, "x86_64")
    assert offered(found, one) == {"p2": {two.pkgId}}


def test_packages_of_another_arch_offer_nothing(ask):
    other = needing(2)
    other.arch = "aarch64"
    one = needing(1, "p2")
    assert offered(ask(one, other), one) == {"p2": set()}


def test_source_packages_are_not_asked(ask):
    source = needing(1, "p2")
    source.arch = "src"
    found = ask(source)
    assert source.pkgId not in found.of


def test_versions_are_ordered_as_rpm_does(tmp_path):
    compare = LibsolvSolver(tmp_path).compare
    ordered = [("0", "1.0~rc1", "1"), ("0", "1.0", "1"), ("0", "1.0^git", "1"), ("0", "1.10", "1")]
    for lower, higher in zip(ordered, [*ordered[1:], ("1", "0.1", "1")], strict=True):
        assert compare(lower, higher) < 0 < compare(higher, lower)
    assert compare(ordered[0], ordered[0]) == 0


def test_with_of_more_than_names_is_not_guessed(ask):
    with pytest.raises(MetadataError, match="cannot be read"):
        ask(needing(1, "(p2 with (a or b))"))


@pytest.mark.parametrize("text", ["(a and)", "(a", "(a xor b)", "(a else b)", "(a) b", "()"])
def test_rich_dependencies_that_cannot_be_read(text):
    with pytest.raises(MetadataError, match="cannot be read"):
        _Rich(text, _one_name).parse()


def _one_name(words):
    if len(words) != 1:
        raise MetadataError("a rich dependency that cannot be read")
    return frozenset(words)


def test_parentheses_of_names_are_no_groups():
    assert _tokens("(libc.so.6(GLIBC_2.34)(64bit) and (a >= 1 or b))") == [
        "(", "libc.so.6(GLIBC_2.34)(64bit)", "and", "(", "a", ">=", "1", "or", "b", ")", ")",
    ]  # fmt: skip
