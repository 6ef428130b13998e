"""core.difference: what lies between two snapshots."""

from tuxmirror.core.difference import Entry, compare
from tuxmirror.core.summary import Advisory

ALPHA = Entry("BaseOS/x86_64", "alpha-1.0-1.x86_64", "a" * 64, 10)
BETA = Entry("BaseOS/x86_64", "beta-1.0-1.x86_64", "b" * 64, 20)


def test_packages_are_told_by_nevra():
    found = compare([ALPHA], [BETA], [], [])
    assert (found.added, found.removed, found.changed) == ((BETA,), (ALPHA,), ())
    assert found.as_dict()["bytes_added"] == 20
    assert found.as_dict()["bytes_removed"] == 10


def test_other_bytes_under_the_same_nevra_are_a_change_of_their_own():
    rebuilt = ALPHA._replace(sha256="c" * 64)
    found = compare([ALPHA], [rebuilt], [], [])
    assert (found.added, found.removed, found.changed) == ((), (), (rebuilt,))


def test_a_package_that_moves_to_another_place_of_its_repository_is_no_change():
    assert compare([ALPHA], [ALPHA], [], []).as_dict()["added"] == []


def test_the_same_package_of_another_repository_counts_there():
    elsewhere = ALPHA._replace(repository="AppStream/x86_64")
    found = compare([ALPHA], [ALPHA, elsewhere], [], [])
    assert found.added == (elsewhere,)


def test_new_advisories_bring_cves_and_severities():
    old = Advisory("ALSA-1", "Low", ("CVE-1",))
    new = Advisory("ALSA-2", "Critical", ("CVE-3", "CVE-2"))
    plain = Advisory("ALBA-3", "", ())
    found = compare([], [], [old], [new, plain])
    assert found.cves == ["CVE-2", "CVE-3"]
    assert found.severities == {"Critical": 1}
    assert found.advisories_removed == (old,)
