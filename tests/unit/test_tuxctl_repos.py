"""Switching repositories: which lines change, which never do."""

import pytest

from tests.support import CHECKOUT
from tuxcare.errors import ConfigError
from tuxcare.repofile import RepoFile
from tuxctl import repos

URL = "https://repo.tuxcare.com"
VETTED = "https://repo.tuxcare.com/almalinux/$tuxcare_releasever/$tuxcare_token/{}/$basearch/os/"

SHIPPED = b"""\
# almalinux-baseos.repo

[baseos]
name=AlmaLinux $releasever - BaseOS
mirrorlist=https://mirrors.almalinux.org/mirrorlist/$releasever/baseos
# baseurl=https://repo.almalinux.org/almalinux/$releasever/BaseOS/$basearch/os/
enabled=1

[baseos-debuginfo]
mirrorlist=https://mirrors.almalinux.org/mirrorlist/$releasever/baseos-debug
# baseurl=https://repo.almalinux.org/vault/$releasever/BaseOS/debug/$basearch/
enabled=0
"""


def switched(data, url=URL, exclude=()):
    return repos.switch(data, url, exclude)


def test_a_shipped_section_is_switched_line_for_line():
    edited = switched(SHIPPED)
    expected = SHIPPED.replace(
        b"mirrorlist=https://mirrors.almalinux.org/mirrorlist/$releasever/baseos\n# baseurl="
        b"https://repo.almalinux.org/almalinux/$releasever/BaseOS/$basearch/os/",
        b"# mirrorlist=https://mirrors.almalinux.org/mirrorlist/$releasever/baseos\nbaseurl="
        + VETTED.format("BaseOS").encode(),
    )
    assert edited.data == expected
    assert edited.switched == ["baseos"]
    assert edited.foreign == []


def test_switching_twice_changes_nothing_more():
    once = switched(SHIPPED).data
    assert switched(once).data == once


def test_another_content_server_replaces_the_first():
    moved = switched(switched(SHIPPED).data, "http://127.0.0.1:8080").data
    assert b"baseurl=http://127.0.0.1:8080/almalinux/$tuxcare_releasever/" in moved
    assert b"repo.tuxcare.com" not in moved


@pytest.mark.parametrize("eol", [b"\n", b"\r\n"])
@pytest.mark.parametrize("end", [True, False])
def test_line_endings_stay_as_they_are(eol, end):
    data = SHIPPED.replace(b"\n", eol)
    data = data if end else data[: -len(eol)]
    after = switched(data).data
    assert after.count(eol) == data.count(eol)
    assert after.replace(eol, b"\n") == switched(SHIPPED if end else SHIPPED[:-1]).data


@pytest.mark.parametrize(
    "baseurl",
    [
        b"baseurl=https://repo.almalinux.org/almalinux/$releasever/CRB/$basearch/os/",
        b"baseurl = http://repo.almalinux.org/almalinux/9/CRB/x86_64/os",
        b"#baseurl=https://repo.almalinux.org/almalinux/${releasever}/CRB/${basearch}/os/",
        b"baseurl=https://repo.tuxcare.com/almalinux/$releasever/CRB/$basearch/os/",
    ],
)
def test_forms_that_administrators_leave_behind_are_switched(baseurl):
    edited = switched(b"[crb]\n" + baseurl + b"\n")
    assert RepoFile(edited.data).get("crb", "baseurl").values == [VETTED.format("CRB")]
    assert edited.switched == ["crb"]


def test_only_one_source_is_left_where_there_were_several():
    edited = switched(
        b"[baseos]\n"
        b"metalink=https://m.example/\n"
        b"baseurl=https://mirror.corp.example/9/\n"
        b"baseurl=https://repo.almalinux.org/almalinux/9/BaseOS/x86_64/os/\n"
        b"   https://fallback.example/\n"
        b"enabled=1\n"
    )
    assert edited.data == (
        b"[baseos]\n"
        b"# metalink=https://m.example/\n"
        b"# baseurl=https://mirror.corp.example/9/\n"
        b"baseurl=" + VETTED.format("BaseOS").encode() + b"\n"
        b"#    https://fallback.example/\n"
        b"enabled=1\n"
    )
    assert repos.is_switched(RepoFile(edited.data), "baseos")


def test_enabled_repositories_from_elsewhere_are_named_and_left_alone():
    data = b"[mine]\nbaseurl=https://mirror.corp.example/9/\n[off]\nbaseurl=http://x/\nenabled=0\n"
    edited = switched(data)
    assert edited.data == data
    assert edited.foreign == ["mine"]


def test_debug_and_source_repositories_stay():
    assert b"debuginfo]\nmirrorlist=https" in switched(SHIPPED).data


def test_excludes_are_added_once():
    once = switched(SHIPPED, exclude=["nss", "openssl"]).data
    assert b"enabled=1\nexclude=nss openssl\n" in once
    assert switched(once, exclude=["nss", "openssl"]).data == once


def test_excludes_extend_those_of_the_administrator():
    data = SHIPPED.replace(b"enabled=1\n", b"enabled=1\nexcludepkgs=foo,nss\n")
    assert b"excludepkgs=foo nss openssl\n" in switched(data, exclude=["nss", "openssl"]).data


# -- the package's own file ------------------------------------------------------------------------

OWN = (CHECKOUT / "etc/yum.repos.d/tuxcare.repo").read_bytes()


def test_the_shipped_file_defines_three_repositories_all_off():
    file = RepoFile(OWN)
    assert file.sections() == [repos.BASE, repos.ESU, repos.FIPS]
    assert not any(file.is_enabled(section) for section in file.sections())
    assert len({file.get(section, "priority").values[0] for section in file.sections()}) == 1
    assert all(file.get(section, "module_hotfixes").values == ["1"] for section in file.sections())


def test_enabling_flips_one_line():
    edited = repos.set_own(OWN, URL, {repos.ESU: True, repos.BASE: False}, "tuxcare.repo")
    changed = [(a, b) for a, b in zip(OWN.splitlines(), edited.splitlines()) if a != b]
    assert changed == [(b"enabled=0", b"enabled=1")]
    assert RepoFile(edited).is_enabled(repos.ESU)


def test_all_three_move_to_another_content_server():
    edited = repos.set_own(OWN, "http://h:1/x", {}, "tuxcare.repo").decode()
    assert "baseurl=http://h:1/x/tuxcare/$tuxcare_releasever/base/$basearch/\n" in edited
    assert "baseurl=http://h:1/x/tuxcare/$tuxcare_releasever/$tuxcare_token/esu/" in edited
    assert "repo.tuxcare.com" not in edited


def test_a_missing_section_is_an_error_with_the_way_out():
    with pytest.raises(ConfigError, match=r"has no section \[tuxcare-fips\]") as caught:
        repos.set_own(b"[tuxcare-esu]\nenabled=0\n", URL, {repos.FIPS: True}, "tuxcare.repo")
    assert "reinstall tuxcare-release" in caught.value.hint


def test_a_section_without_enabled_line_can_be_switched_off():
    edited = repos.set_own(b"[tuxcare-esu]\nname=x\n", URL, {repos.ESU: False}, "tuxcare.repo")
    assert edited == b"[tuxcare-esu]\nname=x\nenabled=0\n"
