"""What the command line does with what goes wrong."""

import sys

import pytest

from tuxmirror.cli import main

CONFIG = """\
[main]
store = {folder}/store
public = {folder}/public
[almalinux/9.2]
upstream = http://127.0.0.1:1/9.2
repos = BaseOS
arches = x86_64
gpgkey = {folder}/key
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "mirror.conf"
    path.write_text(CONFIG.format(folder=tmp_path))
    return str(path)


def test_a_missing_library_is_no_bug_but_a_thing_to_install(config, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pycurl", None)
    monkeypatch.delitem(sys.modules, "tuxmirror.adapters.curl", raising=False)
    monkeypatch.delitem(sys.modules, "tuxmirror.adapters.curl_jobs", raising=False)
    assert main(["-c", config, "sync"]) == 2
    said = capsys.readouterr().err
    assert "'pycurl' is not installed" in said
    assert "Traceback" not in said


def test_no_configuration_names_the_file_and_the_way_out(tmp_path, capsys):
    assert main(["-c", str(tmp_path / "none.conf"), "sync"]) == 2
    said = capsys.readouterr().err
    assert "none.conf: No such file or directory" in said
    assert "tuxmirror -c FILE" in said


def test_no_command_shows_the_help(capsys):
    assert main([]) == 2
    assert "usage: tuxmirror" in capsys.readouterr().err
