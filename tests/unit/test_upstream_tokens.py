"""Tokens for upstreams: where they go, and where they are never seen."""

import pytest

from tuxmirror.adapters.upstream_tokens import UpstreamTokens
from tuxmirror.core import config
from tuxmirror.core.errors import ConfigError

TOKEN = "tux_" + "a1B-_" * 8
HEADER = "https://central.example.com/almalinux/9.2"
PATH = "https://other.example.com/almalinux/9.2/{token}"


@pytest.fixture
def tokens(tmp_path):
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    file.chmod(0o600)
    return UpstreamTokens({HEADER: file, PATH: file})


def test_a_token_goes_into_the_header_or_into_its_place(tokens):
    assert tokens.apply(f"{HEADER}/TIME") == (f"{HEADER}/TIME", TOKEN)
    assert tokens.apply(f"{PATH}/TIME") == (f"{PATH}/TIME".replace("{token}", TOKEN), None)


@pytest.mark.parametrize(
    "url",
    [
        "https://central.example.com/almalinux/9.20/TIME",
        "https://central.example.com/",
        "https://central.example.com.evil.example/almalinux/9.2/TIME",
        "http://central.example.com/almalinux/9.2/TIME",
        "https://evil.example/?https://central.example.com/almalinux/9.2/",
    ],
)
def test_nobody_else_gets_it(tokens, url):
    assert tokens.apply(url) == (url, None)


def test_what_upstream_repeats_is_hidden_again(tokens):
    url, _ = tokens.apply(f"{PATH}/x")
    assert tokens.hide(url) == f"{PATH}/x"


def test_a_file_is_read_when_its_root_is_asked(tmp_path):
    tokens = UpstreamTokens({HEADER: tmp_path / "none"})
    tokens.apply("https://elsewhere.example.com/")
    with pytest.raises(ConfigError, match="No such file"):
        tokens.apply(f"{HEADER}/TIME")


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [(TOKEN, 0o604, "everybody"), ("", 0o600, "no token"), (f"{TOKEN}\nmore", 0o600, "no token"),
     (f"{TOKEN}/../x", 0o600, "no token"), ("short", 0o600, "no token")],
)  # fmt: skip
def test_a_file_that_is_no_secret_is_refused_without_naming_it(tmp_path, content, mode, said):
    file = tmp_path / "token"
    file.write_text(content)
    file.chmod(mode)
    with pytest.raises(ConfigError, match=said) as refusal:
        UpstreamTokens({HEADER: file}).apply(f"{HEADER}/TIME")
    assert TOKEN not in str(refusal.value)


def parse(upstream, more=""):
    lines = ["[almalinux/9.2]", "repos = BaseOS", "arches = x86_64", "gpgkey = /k"]
    lines += [f"upstream = {upstream}", more]
    return config.parse("\n".join(lines)).tree("almalinux/9.2")


def test_the_configuration_names_the_file():
    tree = parse(f"{HEADER} {PATH} http://127.0.0.1:8080/x", "token_file = /etc/tuxmirror/token")
    assert str(tree.token_file) == "/etc/tuxmirror/token"


@pytest.mark.parametrize(
    ("upstream", "more", "said"),
    [
        (f"https://x.example.com/almalinux/9.2/{TOKEN}", "", "ends up in logs"),
        (PATH, "", "needs token_file"),
        ("http://x.example.com/almalinux/9.2", "token_file = /t", "unencrypted"),
    ],
)
def test_a_configuration_that_would_tell_it_is_refused(upstream, more, said):
    with pytest.raises(ConfigError, match=said):
        parse(upstream, more)
