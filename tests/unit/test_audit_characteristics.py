"""System characteristics: what definitions ask, as far as a host can answer."""

import xml.etree.ElementTree as ElementTree

import pytest

from tuxmirror.core.audit.characteristics import describe
from tuxmirror.core.audit.host import Host, Installed, is_modular, module_file
from tuxmirror.core.errors import VerificationError

LINUX = "http://oval.mitre.org/XMLSchema/oval-definitions-5#linux"
HEAD = (
    '<oval_definitions xmlns="http://oval.mitre.org/XMLSchema/oval-definitions-5"'
    ' xmlns:i="http://oval.mitre.org/XMLSchema/oval-definitions-5#independent"'
    f' xmlns:u="http://oval.mitre.org/XMLSchema/oval-definitions-5#unix" xmlns:l="{LINUX}">'
)
NAMED = '<l:rpminfo_object id="oval:a:obj:1" version="1"><l:name{}>{}</l:name></l:rpminfo_object>'
MODULE = (
    '<i:textfilecontent54_object id="oval:a:obj:1" version="1">'
    "<i:filepath>/etc/dnf/modules.d/{}.module</i:filepath>"
    '<i:pattern operation="pattern match">\\[{}\\][\\w\\W]*</i:pattern>'
    '<i:instance datatype="int">1</i:instance></i:textfilecontent54_object>'
)
UNAME = '<u:uname_object id="oval:a:obj:1" version="1"/>'
BASH = Installed("bash", 0, "5.1.8", "6.el9_1", "x86_64", "d36cb86cb86b3716")
OPENSSL = Installed("openssl", 1, "3.0.7", "24.el9", "x86_64")
HOST = Host((BASH, OPENSSL, OPENSSL._replace(arch="i686")))


def ask(objects, host=HOST):
    definitions = f"{HEAD}<objects>{objects}</objects></oval_definitions>".encode()
    described = describe(definitions, host, "oval.xml")
    root = ElementTree.fromstring(described.data)
    namespace = "{http://oval.mitre.org/XMLSchema/oval-system-characteristics-5}"
    [collected] = root.iter(namespace + "object")
    items = [
        {child.tag.rpartition("}")[2]: child.text for child in item}
        for item in root.find(namespace + "system_data")
    ]
    return collected.get("flag"), items, described


def test_every_build_of_a_name_with_epoch():
    flag, items, described = ask(NAMED.format("", "openssl"))
    assert flag == "complete"
    assert [(i["name"], i["arch"], i["evr"]) for i in items] == [
        ("openssl", "x86_64", "1:3.0.7-24.el9"),
        ("openssl", "i686", "1:3.0.7-24.el9"),
    ]
    assert [p.arch for p in described.packages.values()] == ["x86_64", "i686"]


def test_an_epoch_of_0_is_spelt_in_the_evr():
    _, [item], _ = ask(NAMED.format("", "bash"))
    assert (item["epoch"], item["evr"]) == ("(none)", "0:5.1.8-6.el9_1")
    assert item["signature_keyid"] == "d36cb86cb86b3716"


def test_what_is_not_installed_does_not_exist():
    assert ask(NAMED.format("", "vim"))[:2] == ("does not exist", [])


def test_names_by_pattern():
    flag, items, _ = ask(NAMED.format(' operation="pattern match"', "^(ba|ope)"))
    assert (flag, len(items)) == ("complete", 3)


@pytest.mark.parametrize(
    "question",
    [
        NAMED.format(' operation="not equal"', "bash"),
        NAMED.format(' var_ref="oval:a:var:1"', ""),
        "<l:partition_object id='oval:a:obj:1' version='1'/>",
        "<l:rpminfo_object id='oval:a:obj:1' version='1'><set/></l:rpminfo_object>",
        UNAME,
        MODULE.format("nodejs", "nodejs"),
    ],
)
def test_what_a_list_cannot_tell_is_not_collected(question):
    flag, items, described = ask(question)
    assert (flag, items) == ("not collected", [])
    assert list(described.not_collected) == ["oval:a:obj:1"]


def test_a_module_that_is_enabled():
    host = Host((BASH,), modules={"nodejs.module": module_file("nodejs", "18")})
    flag, [item], _ = ask(MODULE.format("nodejs", "nodejs"), host)
    assert flag == "complete"
    assert "\nstream=18\n" in item["text"]
    assert ask(MODULE.format("ruby", "ruby"), host)[0] == "not collected"
    whole = Host((BASH,), modules=host.modules, modules_complete=True)
    assert ask(MODULE.format("ruby", "ruby"), whole)[0] == "does not exist"


def test_a_running_kernel_that_is_known():
    flag, [item], _ = ask(UNAME, Host((BASH,), running_kernel="5.14.0-284.el9.x86_64"))
    assert (flag, item["os_release"]) == ("complete", "5.14.0-284.el9.x86_64")


def test_no_element_closes_itself():
    # OpenSCAP 1.3 would lose the one after it.
    _, _, described = ask(NAMED.format("", "vim"))
    assert b"<object " in described.data
    assert b'"/>\n<object' not in described.data.replace(b'<reference item_ref="', b"")
    assert b'exist"/>' not in described.data


@pytest.mark.parametrize(
    "definitions",
    [b"", b"<a/>", b"<oval_definitions/>", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", b"\xff"],
)
def test_what_is_no_oval_is_refused_by_name(definitions):
    with pytest.raises(VerificationError) as caught:
        describe(definitions, HOST, "oval.xml")
    assert caught.value.path == "oval.xml"


def test_modular_releases():
    assert is_modular("1.module_el9.2.0+36+853e48f5")
    assert is_modular("1.module+el8.9.0+3659+9c8643f3")
    assert not is_modular("23.el9_2.tuxcare.1")


VARIABLE = (
    "<objects>" + UNAME + '<i:variable_object id="oval:a:obj:2" version="1">'
    "<i:var_ref>oval:a:var:1</i:var_ref></i:variable_object></objects><variables>"
    '<local_variable id="oval:a:var:1" version="1" datatype="evr_string" comment="c"><concat>'
    "<literal_component>0:</literal_component><regex_capture pattern='^([0-9.-]+el9)\\.'>"
    '<object_component object_ref="oval:a:obj:1" item_field="os_release"/></regex_capture>'
    "</concat></local_variable></variables>"
)


@pytest.mark.parametrize(
    ("running", "value"), [("5.14.0-1.el9.x86_64", "0:5.14.0-1.el9"), ("6.1-generic", "0:")]
)
def test_a_variable_of_the_running_kernel(running, value):
    described = describe(
        f"{HEAD}{VARIABLE}</oval_definitions>".encode(), Host((), running_kernel=running), "x"
    )
    root = ElementTree.fromstring(described.data)
    values = [e.text for e in root.iter() if e.tag.endswith("#independent}value")]
    assert values == [value]
    assert described.not_collected == {}


def test_a_variable_of_anything_else_is_not_collected():
    for text in (VARIABLE.replace("os_release", "machine_class"), VARIABLE):
        described = describe(f"{HEAD}{text}</oval_definitions>".encode(), Host(()), "x")
        assert "oval:a:obj:2" in described.not_collected
