"""What the lint finds in OVAL of others, and that it has nothing to say of ours."""

import bz2
import json

import pytest

from tests.support import SHARED_DATA
from tests.support.advisories import ESU, advisory, catalogue, package
from tuxmirror.cli import main
from tuxmirror.core.advisory.formats import oval
from tuxmirror.core.advisory.formats.context import Issuer
from tuxmirror.core.advisory.lint import RULES, lint
from tuxmirror.core.advisory.model import Module
from tuxmirror.core.errors import VerificationError


def ours():
    module = Module("nodejs", "18", "9020", "abc", "x86_64")
    found = [
        advisory(packages=[package("openssl-libs", arch=a) for a in ("x86_64", "i686")]),
        advisory("CLSA-2026:002", [package("kernel-core"), package("kernel")]),
        advisory("CLSA-2026:003", [package("nodejs", release="1.module+el9", module=module)]),
    ]
    return oval.write(ESU, found, catalogue(found), Issuer()).decode()


def test_ours_is_fine():
    assert lint(ours().encode(), "ours.xml") == []


def swap(old, new, times=-1):
    def change(text):
        assert old in text
        return text.replace(old, new, times)

    return change


TEST = 'comment="openssl-libs is earlier than 1:3.0.7-1"'
KEY = "<red-def:signature_keyid>d36cb86cb86b3716</red-def:signature_keyid>"
ARCH = '<red-def:arch operation="pattern match">'


def _states(text):
    return text.split("<states>")[1].split("</states>")[0]


MUTANTS = {
    "evr-without-epoch": swap(">1:3.0.7-1<", ">3.0.7-1<"),
    "evr-datatype": swap('datatype="evr_string" operation="less', 'operation="less'),
    "evr-operation": swap('operation="less than">1:', 'operation="less than or equal">1:'),
    "epoch-lost": swap(TEST, TEST.replace("1:3", "0:3")),
    "comment": swap(TEST, TEST.replace("3.0.7-1", "3.0.7-2")),
    "arch-missing": swap(f"{ARCH}^(?:i686|x86_64)$</red-def:arch>", ""),
    "arch-unanchored": swap("^(?:i686|x86_64)$", "i686|x86_64"),
    "signature-gate": swap("<red-def:evr ", f"{KEY}<red-def:evr "),
    "dangling": swap("<objects>", "<objects><!--", 1),
    "duplicate-id": lambda text: text.replace("</states>", _states(text) + "</states>"),
    "duplicate-advisory": swap("CLSA-2026:002", "CLSA-2026:001"),
    "malformed-id": swap(":def:2026001", ":def:x2026001"),
    "no-packages": swap("rpminfo_state", "other_state"),
    "no-release-gate": swap("rpmverifyfile_test", "rpmother_test"),
    "kernel-running": swap("uname_test", "other_test"),
    "kernel-installed": swap('check="all"', 'check="at least one"'),
    "module-gate": swap("textfilecontent54_test", "other_test"),
}  # fmt: skip


@pytest.mark.parametrize("rule", MUTANTS)
def test_each_rule_finds_what_it_is_for(rule):
    text = MUTANTS[rule](ours())
    if rule == "dangling":
        start = text.index("<objects><!--")
        text = text[:start] + "<objects></objects>" + text[text.index("</objects>") + 10 :]
    if rule == "no-packages":
        text = text.replace("<red-def:evr ", "<red-def:other ")
        text = text.replace("</red-def:evr>", "</red-def:other>")
    if rule == "kernel-running":
        text = text.replace("variable_test", "other_test")
    found = {c.rule: c for c in lint(text.encode(), "x.xml")}
    assert rule in found
    assert found[rule].level == RULES[rule][0]
    assert found[rule].times >= 1 and found[rule].examples


def test_every_rule_has_a_mutant():
    assert MUTANTS.keys() == RULES.keys()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<a/>",
        b"<",
        b'<!DOCTYPE x [<!ENTITY a "b">]><oval_definitions/>',
    ],
)
def test_what_is_no_oval_is_refused(data):
    with pytest.raises(VerificationError):
        lint(data, "x.xml")


@pytest.mark.shared_data
def test_almalinuxs_own_file(tmp_path, capsys):
    path = SHARED_DATA / "security" / "org.almalinux.alsa-9.xml.bz2"
    found = {c.rule: c.times for c in lint(bz2.decompress(path.read_bytes()), str(path))}
    assert found == {"arch-missing": 4, "arch-unanchored": 5, "comment": 9, "signature-gate": 2}
    assert main(["advisory", "lint", str(path)]) == 0
    assert "signature-gate" in capsys.readouterr().out


def test_the_command_exits_4_for_errors_and_prints_json(tmp_path, capsys):
    path = tmp_path / "x.xml"
    path.write_text(MUTANTS["evr-without-epoch"](ours()))
    assert main(["advisory", "lint", "--json", str(path)]) == 4
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] in ("valid", "not checked: OpenSCAP is not installed here")
    assert "evr-without-epoch" in {c["rule"] for c in document["complaints"]}
    assert main(["advisory", "lint", str(tmp_path / "no.xml")]) == 2
