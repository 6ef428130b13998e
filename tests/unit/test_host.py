"""The host's files: what is read, what is refused, and how the refusal reads."""

import pytest

from tuxcare import host, osrelease
from tuxcare.errors import ConfigError, StorageError
from tuxcare.host import FipsChoice, HostPaths, TuxcareConf

TOKEN = "EXTENDED_SECURITY_UPDATES-SERVER-abc12"


@pytest.fixture
def paths(tmp_path):
    return HostPaths(str(tmp_path))


def put(path, text):
    from pathlib import Path

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(text if isinstance(text, bytes) else text.encode())


def test_paths_lie_under_the_root_and_read_as_on_the_host(tmp_path):
    paths = HostPaths(str(tmp_path))
    assert paths.token == str(tmp_path / "etc/tuxcare/token")
    assert paths.inside(paths.token) == "/etc/tuxcare/token"
    assert HostPaths("/").inside("/etc/tuxcare/token") == "/etc/tuxcare/token"


# -- release ---------------------------------------------------------------------------------------


def test_almalinux_release_decides_the_version():
    found = osrelease.identify(
        "AlmaLinux release 8.10 (Cerulean Leopard)\n", 'ID="almalinux"\nVERSION_ID="8.9"\n'
    )
    assert found == osrelease.Release("almalinux", "8.10")
    assert str(found) == "AlmaLinux 8.10"
    assert found.major == 8
    assert found.is_minor


def test_os_release_alone_is_enough():
    assert osrelease.identify(None, "ID=almalinux\nVERSION_ID=9.2\n").version == "9.2"


def test_another_distribution_is_not_taken_for_almalinux():
    found = osrelease.identify("AlmaLinux release 9.2 (X)\n", "ID=rocky\nVERSION_ID='9.4'\n")
    assert found == osrelease.Release("rocky", "9.4")


@pytest.mark.parametrize("os_release", [None, "", "# nothing\n", 'ID="unclosed\n'])
def test_an_unknown_system_is_an_error_that_says_where_it_looked(os_release):
    with pytest.raises(ConfigError, match="almalinux-release"):
        osrelease.identify(None, os_release)


def test_release_is_read_from_usr_lib_where_etc_has_none(paths):
    put(paths.os_release[1], "ID=almalinux\nVERSION_ID=9.6\n")
    assert host.read_release(paths).version == "9.6"


# -- followed release ------------------------------------------------------------------------------


def test_followed_release_is_the_variable_else_the_hosts_own(paths):
    put(paths.almalinux_release, "AlmaLinux release 9.2 (X)\n")
    assert host.followed_release(paths) == "9.2"
    put(paths.releasever_var, "\n")
    assert host.followed_release(paths) == "9.2"
    put(paths.releasever_var, "9.4\n")
    assert host.followed_release(paths) == "9.4"


@pytest.mark.parametrize("text", ["nine", "9.2/../x", "9.2\n9.4", "9.2.1"])
def test_a_variable_that_is_no_release_is_refused(paths, text):
    put(paths.releasever_var, text)
    with pytest.raises(ConfigError, match="tuxcare_releasever: expected a release such as"):
        host.read_releasever_var(paths)


# -- token -----------------------------------------------------------------------------------------


def test_no_token_file_means_not_registered(paths):
    assert host.read_token(paths) is None


def test_a_token_is_read_without_its_line_ending(paths):
    put(paths.token, TOKEN + "\n")
    assert host.read_token(paths) == TOKEN


@pytest.mark.parametrize("text", ["", "short\n", TOKEN + "/../x\n", TOKEN + "\n" + TOKEN + "\n"])
def test_a_damaged_token_is_an_error_that_does_not_repeat_it(paths, text):
    put(paths.token, text)
    with pytest.raises(ConfigError) as caught:
        host.read_token(paths)
    assert TOKEN not in caught.value.message
    assert "--force" in caught.value.hint


def test_a_token_that_is_a_directory_is_a_storage_error(paths, tmp_path):
    (tmp_path / "etc/tuxcare/token").mkdir(parents=True)
    with pytest.raises(StorageError, match="Is a directory"):
        host.read_token(paths)


# -- tuxcare.conf ----------------------------------------------------------------------------------


def test_no_configuration_means_the_public_service(paths):
    conf = host.read_tuxcare_conf(paths)
    assert conf == TuxcareConf()
    assert conf.content_url == "https://repo.tuxcare.com"
    assert conf.fingerprint == "FAD7859081D0738B7A828496D07BF2A08D50EB66"
    assert not conf.compat_vars


def test_configuration_is_read(paths):
    put(
        paths.tuxcare_conf,
        "[server]\nregister = https://a.example/x/\ncontent = http://b.example:8080\n"
        "[gpg]\nkey = /etc/key\nfingerprint = " + "ab12 " * 10 + "\n[main]\ncompat_vars = yes\n",
    )
    assert host.read_tuxcare_conf(paths) == TuxcareConf(
        "https://a.example/x", "http://b.example:8080", "/etc/key", "AB12" * 10, True
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[servr]\n", r"unknown section \[servr\]; did you mean 'server'"),
        ("[server]\nregistr = x\n", "unknown key 'registr' in .server.; did you mean 'register'"),
        ("[server]\ncontent = ftp://x\n", r"\[server\] content: expected http"),
        ("[server]\ncontent = https://user:pw@x\n", "without a user name"),
        ("[gpg]\nfingerprint = 1234\n", "expected 40 or 64 hexadecimal digits"),
        ("[gpg]\nkey = key.asc\n", "expected an absolute path"),
        ("[main]\ncompat_vars = maybe\n", "expected yes or no, found 'maybe'"),
        ("compat_vars = yes\n", "no section headers"),
        ("[main]\ncompat_vars = no\ncompat_vars = yes\n", "compat_vars"),
    ],
)
def test_a_bad_configuration_names_file_section_key_and_finding(paths, text, message):
    put(paths.tuxcare_conf, text)
    with pytest.raises(ConfigError, match=message) as caught:
        host.read_tuxcare_conf(paths)
    assert "tuxcare.conf" in caught.value.message
    assert caught.value.exit_status == 2


def test_a_configuration_that_is_not_text_is_refused(paths):
    put(paths.tuxcare_conf, b"[server]\xff\n")
    with pytest.raises(ConfigError, match="not UTF-8"):
        host.read_tuxcare_conf(paths)


# -- fips.conf -------------------------------------------------------------------------------------


def test_no_fips_file_means_off(paths):
    assert host.read_fips(paths) == FipsChoice("off", None)
    assert not host.read_fips(paths).is_on


@pytest.mark.parametrize("choice", [FipsChoice("patched", "9.2"), FipsChoice("off", None)])
def test_a_written_choice_reads_back(paths, choice):
    put(paths.fips_conf, host.format_fips_conf(choice))
    assert host.read_fips(paths) == choice


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "mode: expected off or patched or strict, found ''"),
        ("[fips]\nmode = on\n", "found 'on'"),
        ("[fips]\nmode = strict\n", "release: missing"),
        ("[fips]\nmode = strict\nrelease = ../9\n", "release: expected"),
        ("[fips]\nmod = strict\n", "did you mean 'mode'"),
        ("mode = strict\n", "no section headers"),
    ],
)
def test_a_choice_that_cannot_be_read_is_never_off(paths, text, message):
    put(paths.fips_conf, text)
    with pytest.raises(ConfigError, match=message):
        host.read_fips(paths)


# -- registration ----------------------------------------------------------------------------------


def test_content_comes_from_the_registration_before_the_configuration(paths):
    put(paths.tuxcare_conf, "[server]\ncontent = https://conf.example\n")
    assert host.read_content_url(paths) == "https://conf.example"
    put(paths.registration, '{"content_url": "https://registered.example"}')
    assert host.read_content_url(paths) == "https://registered.example"


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_damaged_registration_is_an_error(paths, text):
    put(paths.registration, text)
    with pytest.raises(ConfigError, match=r"registration\.json"):
        host.read_registration(paths)
