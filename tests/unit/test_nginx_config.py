"""nginx's configuration as text; what the real nginx makes of it is tested in integration."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tuxmirror.core.errors import ConfigError
from tuxmirror.core.nginx import Settings
from tuxmirror.core.nginx_files import render

SAMPLE = Path(__file__).parents[2] / "packaging" / "nginx" / "tuxmirror.conf"
LIVE = Path("/etc/letsencrypt/live/repo.example.com")
DEFAULT = Settings(
    server_name="repo.example.com",
    public=Path("/srv/tuxmirror"),
    service="127.0.0.1:8080",
    listen="443",
    certificate=LIVE / "fullchain.pem",
    certificate_key=LIVE / "privkey.pem",
)


def test_the_packaged_sample_is_what_the_command_prints():
    assert SAMPLE.read_text() == render(DEFAULT)


def test_every_placeholder_is_filled():
    assert not re.search("@[a-z_]+@", render(replace(DEFAULT, open_trees=("a/b", "a/c/d"))))


def test_only_packages_below_a_lease_stay_open():
    """Besides the files of the cache of answers."""
    text = render(DEFAULT)
    places = [place for place in text.split("location ") if "open_file_cache max" in place]
    content = [place for place in places if not place.startswith("= /=authorize")]
    assert [place.partition("{\n")[0].endswith('(?<=\\.rpm))$" ') for place in content] == [True]
    assert "root /run/tuxmirror/leases/$tux_slot;" in content[0]


def test_few_descriptors_are_kept():
    """Each worker has 1024 of them where nobody said otherwise, for clients and what they get."""
    kept = [int(most) for most in re.findall(r"open_file_cache max=(\d+) ", render(DEFAULT))]
    assert sum(kept) <= 400


def test_a_place_with_errors_of_its_own_names_all_of_them():
    """What the server says of errors counts where a place says nothing at all."""
    text = render(replace(DEFAULT, open_trees=("almalinux/9.6",)))
    places = [place for place in text.split("    location ")[1:] if " error_page " in place]
    assert len(places) > 3
    for place in places:
        assert re.search(r"error_page 500 502 503 504 = @tux_(api_)?unavailable;", place), place


def test_each_open_tree_has_its_places():
    text = render(replace(DEFAULT, open_trees=("almalinux/9.6", "tuxcare/9.2/x.y")))
    assert text.count('~ "^/(?<tux_tree>almalinux/9\\.6)/') == 2
    assert text.count('~ "^/almalinux/9\\.6/') == 1
    assert text.count("x\\.y/") == 3


def test_the_place_of_packages_passes_over_releases_in_which_something_is_open():
    [before] = re.findall(r'location ~ "\^/(.*)\(\?<tux_tree>.*\\\.rpm\)\)\$"', render(DEFAULT))
    assert before == ""
    text = render(replace(DEFAULT, open_trees=("tuxcare/9.2/x", "a/b.c", "a/b.c/d")))
    [before] = re.findall(r'location ~ "\^/(.*)\(\?<tux_tree>.*\\\.rpm\)\)\$"', text)
    assert before == "(?!(?:a/b\\.c|tuxcare/9\\.2)/)"


@pytest.mark.parametrize(
    "change",
    [
        {"server_name": "a b"},
        {"server_name": "-a"},
        {"public": Path("/srv/it's")},
        {"public": Path("/srv/$host")},
        {"leases": Path("/run/x;y")},
        {"service": "127.0.0.1:1\n}"},
        {"certificate": Path("/a;b")},
        {"certificate_key": None},
    ],
)
def test_what_nginx_would_misread_is_refused(change):
    with pytest.raises(ConfigError):
        render(replace(DEFAULT, **change))
