"""Hosts that prove definitions, and what is said where a scanner decides otherwise."""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.advisories import ESU, advisory, package
from tuxmirror.core.advisory import proof
from tuxmirror.core.advisory.model import Module
from tuxmirror.core.advisory.previous import Build, Previous
from tuxmirror.core.audit.results import Evidence, Finding
from tuxmirror.core.errors import VerificationError

MODULE = Module("nodejs", "18", "9020", "abc", "x86_64")


def finding(name, result, *evidence):
    return Finding("oval:x:def:1", name, "title", result, evidence, ())


def test_a_sample_has_the_newest_and_is_always_the_same():
    found = [advisory(f"CLSA-2026:{n:04}", updated=2_000_000 + n) for n in range(500)]
    chosen = proof.sample(found)
    assert len(chosen) == len({a.id for a in chosen}) == proof.SAMPLE
    assert set(found[-100:]) <= set(chosen)
    assert proof.sample(list(reversed(found))) == chosen
    assert proof.sample(found[:200]) == found[:200]


@given(st.lists(st.sets(st.sampled_from("abcdef"), min_size=1), max_size=12))
def test_no_two_advisories_of_a_batch_speak_of_the_same_package(names):
    found = [
        advisory(f"CLSA-2026:{n:03}", [package(name) for name in sorted(some)])
        for n, some in enumerate(names)
    ]
    batches = proof.batches(found)
    assert sorted(a.id for batch in batches for a in batch) == [a.id for a in found]
    for batch in batches:
        seen = [p.name for a in batch for p in a.packages]
        assert len(seen) == len(set(seen))


def cases(found):
    return {case.name: case for case in proof.cases(ESU, [found])}


def test_hosts_of_a_library():
    found = cases(advisory(packages=[package(arch=a) for a in ("x86_64", "i686")]))
    assert set(found) == {"before", "fixed", "release"}
    assert found["before"].expected == {"CLSA-2026:001": True}
    assert {p.nevra for p in found["before"].host.packages} == {
        "openssl-1:3.0.7-1~.x86_64", "openssl-1:3.0.7-1~.i686",
        "almalinux-release-9.2-1.el9.x86_64",
    }  # fmt: skip
    assert found["release"].host.release == "9.20"
    assert found["release"].expected == {"CLSA-2026:001": False}


def test_a_host_has_the_real_build_before_the_fix_where_one_is_known():
    builds = [("1", "x86_64"), ("3", "x86_64"), ("4", "x86_64"), ("9", "i686")]
    known = Previous(Build("openssl", a, "", 1, "3.0.7", r) for r, a in builds)
    known_module = Previous([Build("nodejs", "x86_64", "nodejs:18", 1, "3.0.7", "0.9")])
    two = [package(release="4", arch=arch) for arch in ("x86_64", "i686")]
    found = {case.name: case for case in proof.cases(ESU, [advisory(packages=two)], known)}
    case = found["previous"]
    assert (case.expected, case.shown) == ({"CLSA-2026:001": True}, True)
    assert {p.nevra for p in case.host.packages if p.name == "openssl"} == {
        "openssl-1:3.0.7-3.x86_64",
        "openssl-1:3.0.7-4~.i686",
    }
    assert "previous" not in cases(advisory(packages=two))
    # Another stream's build is not the one before.
    assert known_module.of(package("nodejs", module=MODULE)) is not None
    assert known_module.of(package("nodejs")) is None


def test_hosts_of_a_kernel_and_of_a_module():
    kernel = [
        package(n, epoch=0, version="5.14.0", release="2.el9") for n in ("kernel", "kernel-core")
    ]
    found = cases(advisory(packages=kernel))
    assert found["beside"].host.running_kernel == "5.14.0-2.el9~.x86_64"
    assert found["beside, fixed"].host.running_kernel == "5.14.0-2.el9.x86_64"
    assert len(found["beside"].host.packages) == 5
    found = cases(advisory(packages=[package("nodejs", module=MODULE)]))
    assert "stream=18" in found["before"].host.modules["nodejs.module"]
    assert found["module"].host.modules == {}
    mixed = cases(advisory(packages=[package("nodejs", module=MODULE), package("curl")]))
    assert "module" not in mixed


def test_of_two_builds_the_newer_is_the_fix():
    found = cases(advisory(packages=[package(release="9"), package(release="10")]))
    fixed = [p.release for p in found["fixed"].host.packages if p.name == "openssl"]
    assert fixed == ["10"]
    before = {p.release for p in found["before"].host.packages if p.name == "openssl"}
    assert before == {"9~", "10~"}


def test_what_a_scanner_says_otherwise_is_named():
    one = advisory(packages=[package("a"), package("b")])
    before, fixed = (cases(one)[name] for name in ("before", "fixed"))
    a, b = (Evidence(p, "1:3.0.7-1") for p in before.host.packages if p.name in ("a", "b"))
    assert proof.check(before, [one], [finding(one.id, "true", a, b)]) == {}
    assert proof.check(fixed, [one], [finding(one.id, "false")]) == {}
    for said in ("false", "unknown", "error"):
        [error] = proof.check(before, [one], [finding(one.id, said)]).values()
        assert isinstance(error, VerificationError)
        assert (error.expected, error.found) == ("true", said)
    [error] = proof.check(before, [one], [finding(one.id, "true", a)]).values()
    assert error.expected == "true because of b-1:3.0.7-1.x86_64"
    [error] = proof.check(before, [one], []).values()
    assert error.found == "no definition"
    assert proof.check(fixed, [one], [finding(one.id, "true", a)])
