"""Repository files: read as dnf reads them, edited without touching any other byte."""

import pytest

from tuxcare.repofile import RepoFile

FILE = b"""\
# a comment before everything
[baseos]
name = BaseOS
mirrorlist=https://mirrors.example/baseos
# baseurl=https://a.example/os/
enabled = 1

[other]
baseurl=https://a.example/
        https://b.example/  https://c.example/
\tftp://d.example/
enabled=0
"""


def test_what_is_not_edited_keeps_every_byte():
    for data in (FILE, FILE.replace(b"\n", b"\r\n"), FILE.rstrip(b"\n"), b"", b"\xff\xfe\n[a]\n"):
        assert RepoFile(data).data() == data


def test_sections_and_options_are_found():
    file = RepoFile(FILE)
    assert file.sections() == ["baseos", "other"]
    assert file.get("baseos", "mirrorlist").values == ["https://mirrors.example/baseos"]
    assert file.get("baseos", "baseurl") is None
    assert [o.values for o in file.options("baseos") if o.commented and o.key == "baseurl"] == [
        ["https://a.example/os/"]
    ]
    assert file.options("missing") == []


def test_continuation_lines_belong_to_their_option():
    assert RepoFile(FILE).get("other", "baseurl").values == [
        "https://a.example/",
        "https://b.example/",
        "https://c.example/",
        "ftp://d.example/",
    ]


def test_the_last_of_two_equal_options_counts():
    assert RepoFile(b"[a]\nenabled=1\nenabled=0\n").get("a", "enabled").values == ["0"]


@pytest.mark.parametrize(
    ("option", "enabled"),
    [(b"", True), (b"enabled=1", True), (b"enabled = yes", True), (b"enabled=0", False)],
)
def test_enabled_as_dnf_sees_it(option, enabled):
    assert RepoFile(b"[a]\nname=x\n" + option + b"\n").is_enabled("a") is enabled


@pytest.mark.parametrize("eol", [b"\n", b"\r\n"])
def test_setting_a_value_keeps_spacing_and_line_ending(eol):
    file = RepoFile(b"[a]\nenabled  =\t0 \nx=1\n".replace(b"\n", eol))
    file.set_value(file.get("a", "enabled"), "1")
    assert file.data() == b"[a]\nenabled  =\t1\nx=1\n".replace(b"\n", eol)


def test_setting_a_commented_option_takes_the_comment_away():
    file = RepoFile(b"[a]\n#  baseurl=https://a.example/\n")
    file.set_value(file.options("a")[0], "https://b.example/")
    assert file.data() == b"[a]\nbaseurl=https://b.example/\n"


def test_setting_a_value_turns_its_further_lines_into_comments():
    file = RepoFile(FILE)
    file.set_value(file.get("other", "baseurl"), "https://new.example/")
    assert (
        b"baseurl=https://new.example/\n"
        b"#         https://b.example/  https://c.example/\n"
        b"# \tftp://d.example/\n"
        b"enabled=0\n" in file.data()
    )
    assert file.get("other", "baseurl").values == ["https://new.example/"]


def test_commenting_out_covers_the_continuation_lines():
    file = RepoFile(FILE)
    file.comment_out(file.get("other", "baseurl"))
    assert file.get("other", "baseurl") is None
    assert file.get("other", "enabled").values == ["0"]


def test_an_added_option_follows_the_sections_last_one():
    file = RepoFile(FILE)
    file.add("baseos", "exclude", "nss")
    assert b"enabled = 1\nexclude=nss\n\n[other]\n" in file.data()


def test_adding_to_a_file_without_final_line_ending_leaves_it_without():
    file = RepoFile(b"[a]\r\nname=x")
    file.add("a", "enabled", "0")
    assert file.data() == b"[a]\r\nname=x\r\nenabled=0"


def test_adding_to_a_missing_section_is_an_error():
    with pytest.raises(KeyError):
        RepoFile(FILE).add("missing", "a", "b")


def test_bytes_that_are_no_text_survive_an_edit_beside_them():
    file = RepoFile(b"[a]\nname=\xe4\xf6\nenabled=0\n")
    file.set_value(file.get("a", "enabled"), "1")
    assert file.data() == b"[a]\nname=\xe4\xf6\nenabled=1\n"
