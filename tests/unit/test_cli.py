"""What the command line does with what goes wrong."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

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


def test_the_journal_gets_priorities_and_nobody_else(tmp_path, monkeypatch, capsys):
    from tuxmirror.adapters import reporters

    reporter = reporters.PlainReporter(quiet=True)
    reporter.event("warning", message="old")
    assert capsys.readouterr().err == "warning: old\n"
    with (tmp_path / "journal").open("w+") as journal:
        status = os.fstat(journal.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        monkeypatch.setattr(sys, "stderr", journal)
        reporter.event("warning", message="old")
        reporter.event("damaged", error="digest", exit_status=4, message="bad", way_out="mend")
        journal.seek(0)
        lines = journal.read().splitlines()
    assert lines[0] == "<4>warning: old"
    assert len(lines) > 2
    assert all(line.startswith("<3>") for line in lines[1:])


def test_folders_import_nothing_that_buckets_and_workers_need(config):
    code = (
        "import sys; from tuxmirror.cli import main; main(sys.argv[1:]);"
        " sys.exit(bool({'boto3', 'botocore', 'distributed', 'dask'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "-c", config, "sync"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_workers_are_told_no_secret():
    from tuxmirror.cli.wiring import for_workers
    from tuxmirror.core.config import Config

    told = for_workers(
        Config(trees={}, database="postgresql://tux:sesame@db/tux", passphrase_file=Path("/p"))
    )
    assert b"sesame" not in pickle.dumps(told)
    assert told.passphrase_file is None
