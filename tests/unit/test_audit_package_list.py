"""Package lists in every shape that people make them, and in none that they do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuxmirror.core.audit import rpmqa
from tuxmirror.core.audit.host import Host, Installed
from tuxmirror.core.errors import ConfigError

OPENSSL = Installed("openssl-libs", 1, "3.0.7", "24.el9", "x86_64")
BASH = Installed("bash", 0, "5.1.8", "6.el9_1", "x86_64")


@pytest.mark.parametrize(
    "line",
    [
        "openssl-libs-1:3.0.7-24.el9.x86_64",
        "1:openssl-libs-3.0.7-24.el9.x86_64",
        "openssl-libs 1 3.0.7 24.el9 x86_64",
        "openssl-libs\t1\t3.0.7\t24.el9\tx86_64",
        "openssl-libs|1|3.0.7|24.el9|x86_64",
        "openssl-libs, 1, 3.0.7, 24.el9, x86_64",
        "openssl-libs.x86_64    1:3.0.7-24.el9    @baseos",
        "  openssl-libs-1:3.0.7-24.el9.x86_64 \r",
    ],
)
def test_shapes_with_an_epoch(line):
    assert rpmqa.parse(line.encode(), "list") == (OPENSSL,)


def test_a_key_id_as_sixth_field():
    line = b"bash (none) 5.1.8 6.el9_1 x86_64 RSA/SHA256, Mon Jan 1 2024, Key ID d36cb86cb86b3716"
    assert rpmqa.parse(line, "list") == (BASH._replace(key="d36cb86cb86b3716"),)


def test_where_one_line_has_an_epoch_the_others_have_0():
    text = b"bash-5.1.8-6.el9_1.x86_64\nopenssl-libs-1:3.0.7-24.el9.x86_64\n"
    assert rpmqa.parse(text, "list") == (BASH, OPENSSL)


def test_a_list_without_epochs_does_not_invent_them():
    [package] = rpmqa.parse(b"openssl-libs-3.0.7-24.el9.x86_64\n", "list")
    assert package.epoch is None


def test_epochs_are_found_out_from_known_builds():
    known = Installed("openssl-libs", None, "3.0.7", "24.el9", "x86_64")
    other = known._replace(version="3.0.1")
    stranger = Installed("acme", None, "1", "1", "noarch")
    exact = {("openssl-libs", "3.0.7", "24.el9", "x86_64"): 1}
    packages, guessed = rpmqa.with_epochs((known, other, stranger, BASH), exact, {})
    assert [p.epoch for p in packages] == [1, 0, 0, 0]
    assert guessed == ("acme", "openssl-libs")
    packages, guessed = rpmqa.with_epochs((known, other, stranger), exact, {"openssl-libs": 1})
    assert [p.epoch for p in packages] == [1, 1, 0]
    assert guessed == ("acme",)


def test_what_is_no_package_and_belongs_there():
    text = (
        "\ufeffInstalled Packages\n# made on host1\n\ngpg-pubkey-b86b3716-61e69f29\n"
        "bash-5.1.8-6.el9_1.x86_64\nbash-5.1.8-6.el9_1.x86_64\n"
    )
    assert rpmqa.parse(text.encode(), "list") == (BASH._replace(epoch=None),)


@pytest.mark.parametrize(
    "line",
    [
        "bash",
        "bash-5.1.8-6.el9_1",
        "bash-5.1.8.x86_64",
        "1:bash-1:5.1.8-6.el9_1.x86_64",
        "bash-x:5.1.8-6.el9_1.x86_64",
        "bash-5.1.8-6.el9_1.vax",
        "bash-5.1.8-6.el9_1.x86_64 trailing words",
        "<script>-1-1.x86_64",
        "../../etc/passwd-1-1.x86_64",
        "bash-5.1\x008-6.el9_1.x86_64",
        "bash-5.1\x858-6.el9_1.x86_64",
        "bash 0 5.1.8 6.el9_1",
        "-".join("a" * 20_000),
    ],
)
def test_malformed_lines_are_named_by_number(line):
    text = f"bash-5.1.8-6.el9_1.x86_64\n\n{line}\n"
    with pytest.raises(ConfigError) as caught:
        rpmqa.parse(text.encode(), "host1.txt")
    assert "host1.txt: 1 line is no package" in str(caught.value)
    assert caught.value.found.startswith("line 3: ")
    assert "rpm -qa" in caught.value.way_out
    assert caught.value.found.isprintable()


def test_many_malformed_lines_are_counted():
    with pytest.raises(ConfigError) as caught:
        rpmqa.parse(b"nonsense\n" * 25, "list")
    assert "25 lines are no package" in str(caught.value)
    assert "line 10: nonsense; and 15 more" in caught.value.found


@pytest.mark.parametrize("data", [b"", b"\n\n# nothing\n", b"gpg-pubkey-b86b3716-61e69f29\n"])
def test_an_empty_list_is_an_error_not_a_clean_host(data):
    with pytest.raises(ConfigError, match="lists no packages"):
        rpmqa.parse(data, "list")


def test_a_list_out_of_all_proportion():
    with pytest.raises(ConfigError, match="too large"):
        rpmqa.parse(b"\n" * (rpmqa.MAX_BYTES + 1), "list")


NAMES = st.text("abz019+_.-", min_size=1, max_size=8).map(lambda text: f"p{text}x")
PARTS = st.text("abz019._+~^", min_size=1, max_size=8)
PACKAGES = st.builds(
    Installed,
    name=NAMES,
    epoch=st.integers(0, 99),
    version=PARTS,
    release=PARTS,
    arch=st.sampled_from(["x86_64", "noarch", "aarch64", "i686"]),
    key=st.none(),
)


@given(st.lists(PACKAGES, min_size=1, unique=True))
def test_what_rpm_prints_is_read_back(packages):
    lines = [f"{p.name}-{p.epoch}:{p.version}-{p.release}.{p.arch}" for p in packages]
    assert rpmqa.parse("\n".join(lines).encode(), "list") == tuple(packages)


@given(st.binary(max_size=300))
def test_anything_else_is_refused_or_read(data):
    try:
        packages = rpmqa.parse(data, "list")
    except ConfigError:
        return
    assert all(p.name and p.version and p.release and p.arch for p in packages)


def test_the_release_comes_from_its_package():
    release = Installed("almalinux-release", 0, "9.2", "1.el9", "aarch64")
    assert Host((BASH, release)).release == "9.2"
    assert Host((BASH, release)).arch == "aarch64"
    assert Host((BASH,)).release is None
