"""$tuxcare_token and $tuxcare_releasever: where they come from and what is missing."""

import pytest

from tuxcare import hostfiles, variables
from tuxcare.hostfiles import HostPaths

TOKEN = "0123456789abcdef0123456789abcdef"
OTHER = "fedcba9876543210fedcba9876543210"


def make_root(directory, token=None, release=None, releasever=None):
    files = {
        "etc/tuxcare/token": token,
        "etc/almalinux-release": release and f"AlmaLinux release {release} (Turquoise Kodkod)\n",
        "etc/dnf/vars/tuxcare_releasever": releasever,
    }
    for path, text in files.items():
        if text is not None:
            target = directory / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
    return HostPaths(str(directory))


def test_token_and_the_host_s_own_release_are_set(tmp_path):
    substitutions = {"basearch": "x86_64"}
    injected = variables.inject(substitutions, [make_root(tmp_path, TOKEN + "\n", "9.2")])
    assert substitutions == {
        "basearch": "x86_64", "tuxcare_token": TOKEN, "tuxcare_releasever": "9.2",
    }  # fmt: skip
    assert (injected.token, injected.problems) == (TOKEN, [])


def test_a_chosen_release_is_left_alone_but_the_token_of_the_host_wins(tmp_path):
    substitutions = {"tuxcare_releasever": "9.6", "tuxcare_token": OTHER}
    variables.inject(substitutions, [make_root(tmp_path, TOKEN, "9.2", "9.4")])
    assert substitutions == {"tuxcare_releasever": "9.6", "tuxcare_token": TOKEN}


def test_a_compatibility_variable_serves_where_there_is_no_token_file(tmp_path):
    substitutions = {"tuxcare_token": OTHER}
    injected = variables.inject(substitutions, [make_root(tmp_path, None, "9.2")])
    assert substitutions["tuxcare_token"] == OTHER
    assert injected.token == OTHER  # so that it is redacted


def test_the_variable_file_of_a_root_outweighs_its_release(tmp_path):
    substitutions = {}
    variables.inject(substitutions, [make_root(tmp_path, None, "9.2", "9.4\n")])
    assert substitutions == {"tuxcare_releasever": "9.4"}


def test_a_root_with_nothing_in_it_borrows_from_the_next(tmp_path):
    image = make_root(tmp_path / "image")
    lender = make_root(tmp_path / "host", TOKEN, "9.2")
    substitutions = {}
    assert variables.inject(substitutions, [image, lender]).token == TOKEN
    assert substitutions == {"tuxcare_token": TOKEN, "tuxcare_releasever": "9.2"}
    alone = {}
    assert variables.inject(alone, [image]).token is None
    assert alone == {}


def test_a_damaged_token_is_told_without_being_shown(tmp_path):
    substitutions = {}
    injected = variables.inject(substitutions, [make_root(tmp_path, "short-secret", "9.2")])
    assert "tuxcare_token" not in substitutions
    (problem,) = injected.problems
    assert "etc/tuxcare/token" in problem
    assert "short-secret" not in problem


def test_a_token_of_root_s_alone_is_no_problem_for_others(tmp_path, monkeypatch):
    def denied(paths):
        raise PermissionError(13, "denied", paths.token)

    monkeypatch.setattr(hostfiles, "read_token", denied)
    substitutions = {}
    injected = variables.inject(substitutions, [make_root(tmp_path, None, "9.2")])
    assert (injected.token, injected.problems) == (None, [])
    assert substitutions == {"tuxcare_releasever": "9.2"}


def configured(tmp_path, text):
    root = make_root(tmp_path, TOKEN, "9.2")
    (tmp_path / "etc/tuxcare/tuxcare.conf").write_text(text)
    return root


def test_a_token_for_the_header_is_no_variable(tmp_path):
    substitutions = {"tuxcare_token": OTHER}
    root = configured(tmp_path, "[main]\ntoken_in = header\n")
    injected = variables.inject(substitutions, [root])
    assert substitutions == {"tuxcare_releasever": "9.2"}
    assert (injected.token, injected.header_root, injected.problems) == (TOKEN, root, [])
    assert TOKEN not in repr(injected)


@pytest.mark.parametrize("text", ["", "[main]\n# token_in = header\n", "[main]\ntoken_in = path\n"])
def test_the_token_goes_into_urls_where_nobody_chose_the_header(tmp_path, text):
    substitutions = {}
    injected = variables.inject(substitutions, [configured(tmp_path, text)])
    assert substitutions["tuxcare_token"] == TOKEN
    assert injected.header_root is None


def test_an_unknown_place_for_the_token_is_told(tmp_path):
    root = configured(tmp_path, "[main]\ntoken_in = cookie\n")
    (problem,) = variables.inject({}, [root]).problems
    assert "[main] token_in: expected path or header, found 'cookie'" in problem


def test_variables_left_literal_are_found():
    urls = [
        "https://x/$tuxcare_releasever/${tuxcare_token}/a",
        "https://x/$basearch/$tuxcare_token",
    ]
    assert variables.unset_variables(urls) == ["tuxcare_releasever", "tuxcare_token"]
    assert variables.unset_variables(["https://x/$releasever/", "https://x/tuxcare_token/"]) == []


def test_one_line_says_what_is_left_out_and_the_way_out():
    line = variables.explain_unset(["tuxcare-esu", "baseos"], ["tuxcare_token"], registered=False)
    assert line == (
        "tuxcare: this host has no token, so these repositories are left out: "
        "baseos, tuxcare-esu; register it with 'tuxctl --license-key KEY'"
    )
    line = variables.explain_unset(["baseos"], ["tuxcare_releasever"], registered=True)
    assert "no value for $tuxcare_releasever" in line
    assert "\n" not in line
