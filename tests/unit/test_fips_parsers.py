"""Parsers of what other programs print: whatever it is, they never fail, and know what is there."""

from hypothesis import given
from hypothesis import strategies as st

from tuxctl.fips import access, attest, boot, builds, keys, machine

TEXT = st.text(
    alphabet=st.sampled_from('abkernelvmlinuzargsinitrd=" \t\n:/-.0123456789ssh-rsaPBKDF(OE)#'),
    max_size=400,
)


@given(TEXT)
def test_any_text_is_read(text):
    boot.parse_entries(text)
    attest.parse_providers(text)
    builds.parse_installed(text)
    builds.parse_available(text)
    machine.parse_key_slots(text)
    machine.parse_modules(text)
    access.sshd_options(text)
    for key in keys.parse(text):
        assert key.works_in_fips_mode in (True, False)


WORD = st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789._-", min_size=1, max_size=12)
OPTIONS = st.dictionaries(WORD, WORD, max_size=6)


@given(st.lists(st.tuples(WORD, OPTIONS), max_size=5, unique_by=lambda entry: entry[0]))
def test_every_entry_of_grubby_is_found_with_its_arguments(entries):
    text = ""
    for index, (release, options) in enumerate(entries):
        arguments = " ".join(f"{name}={value}" for name, value in options.items())
        text += f'index={index}\nkernel="/boot/vmlinuz-{release}"\nargs="{arguments}"\n'
        text += f'root="/dev/x"\ninitrd="/boot/i-{release}.img"\ntitle="A ({release})"\nid="x"\n'
    found = boot.parse_entries(text)
    assert [entry.kernel for entry in found] == [f"/boot/vmlinuz-{name}" for name, _ in entries]
    assert [entry.options for entry in found] == [options for _, options in entries]


@given(st.lists(st.tuples(st.integers(0, 31), st.sampled_from(["pbkdf2", "argon2id", "argon2i"]))))
def test_every_key_slot_is_found(slots):
    lines = ["LUKS header information", "Keyslots:"]
    for slot, derivation in slots:
        lines += [f"  {slot}: luks2", "\tKey:        512 bits", f"\tPBKDF:      {derivation}"]
    lines += ["Tokens:", "Digests:", "  0: pbkdf2", "\tHash:       sha256"]
    assert machine.parse_key_slots("\n".join(lines)) == slots
