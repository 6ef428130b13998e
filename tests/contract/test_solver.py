"""What every solver promises (ports.Solver), shown on libsolv's."""

import pytest

from tests.contract.test_metadata_filter import package, repository
from tuxmirror.adapters.solver import LibsolvSolver, _Rich, _tokens
from tuxmirror.core.errors import MetadataError
from tuxmirror.core.policy import closure


def needing(number, *requires, provides=(), version=1, files=(), **more):
    made = package(number, version)
    for kind, texts in more.items():
        setattr(made, kind, [entry(text) for text in texts])
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
        return LibsolvSolver(tmp_path).dependencies([metadata], arch).requirements

    return requirements


@pytest.fixture
def depend(tmp_path):
    """Of packages, on x86_64."""

    def dependencies(*packages):
        metadata = repository(tmp_path / "repo", packages)
        return LibsolvSolver(tmp_path).dependencies([metadata], "x86_64")

    return dependencies


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
    found = LibsolvSolver(tmp_path).dependencies(metadata, "x86_64").requirements
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


# -- what can be installed together ----------------------------------------------------------------


def ids(*packages):
    return {each.pkgId for each in packages}


def test_what_goes_together_can_be_installed(depend):
    one, two = needing(1, "p2", "rpmlib(CompressedFileNames) <= 3.0.4-1"), needing(2)
    older = needing(2, version=0)
    found = depend(one, two, older)
    assert found.not_installable(ids(one, two, older)) == {}
    assert found.installed_with(one.pkgId, ids(one, two, older), set()) == ids(one, two)
    assert found.installed_with(one.pkgId, ids(one, two, older), ids(older)) == ids(one, older)


@pytest.mark.parametrize(
    ("second", "third", "said"),
    [
        ({"conflicts": ["p3 < 2"]}, {}, "conflicts with p3 < 2"),
        ({"obsoletes": ["p3 < 2"]}, {}, "obsoletes p3 < 2"),
        ({"requires": ["p3 = 2-1"]}, {}, "same time"),
    ],
)
def test_what_excludes_each_other_cannot(depend, second, third, said):
    """1 needs 2 and the first 3; 2 goes with the second 3 alone: 1 needs another 2."""
    requires = second.pop("requires", [])
    one = needing(1, "p2", "p3")
    two = needing(2, *requires, version=2, **second)
    older, newer = needing(3, version=1, **third), needing(3, version=2)
    found = depend(one, two, older, newer)
    everything = ids(one, two, older, newer)
    assert found.not_installable(everything) == {}
    if not requires:
        [problem] = [found.not_installable(everything - ids(newer))[one.pkgId]]
        assert said in problem
        assert found.installed_with(one.pkgId, everything - ids(newer), set()) == set()
    assert found.installed_with(one.pkgId, everything, ids(older)) == ids(one, two, newer)


def test_two_versions_of_one_package_never_go_together(depend):
    one = needing(1, "p2 = 0:1-1", "p3")
    two, newer, three = needing(2), needing(2, version=2), needing(3, "p2 = 0:2-1")
    other = needing(3, "p2 = 0:1-1", version=2)
    found = depend(one, two, newer, three, other)
    assert found.not_installable(ids(one, two, newer, three, other)) == {}
    assert found.not_installable(ids(one, two, newer, three)).keys() == ids(one)


def test_twins_of_two_arches_go_together(depend):
    one, two = needing(1, "p2(x86-64)", "p2(x86-32)"), needing(2, provides=["p2(x86-64)"])
    twin = needing(2, provides=["p2(x86-32)"])
    twin.arch, twin.pkgId = "i686", "9" * 64
    assert depend(one, two, twin).not_installable(ids(one, two, twin)) == {}


def test_files_that_filelists_alone_knows_can_be_installed(depend):
    one = needing(1, "/usr/libexec/deep")
    two = needing(2, files=[("/usr/libexec/", "deep")])
    found = depend(one, two)
    assert found.not_installable(ids(one, two)) == {}
    assert found.not_installable(ids(one)).keys() == ids(one)
