"""Which pinned packages dnf must take for asked for."""

import pytest

from tuxctl.reasons import leaves

LISTING = "".join(
    f"{line}\n"
    for line in (
        "openssl\tR\topenssl-libs(x86-64)",
        "openssl\tP\topenssl",
        "openssl\tP\topenssl(x86-64)",
        "openssl-libs\tP\topenssl-libs(x86-64)",
        "openssl-libs\tP\tlibcrypto.so.3()(64bit)",
        "nss\tP\tnss",
        "nss\tP\tconfig(nss)",
        "nss\tR\tconfig(nss)",
        "gnutls\tP\tlibgnutls.so.30()(64bit)",
        "wget\tR\tlibgnutls.so.30()(64bit)",
        "wget\tP\twget",
    )
)


@pytest.mark.parametrize(
    ("pinned", "found"),
    [
        (["openssl", "openssl-libs"], ["openssl"]),
        (["gnutls"], []),
        (["nss"], ["nss"]),  # what it requires of itself does not count
        (["nettle", "kernel-core"], []),
        (["nss", "openssl"], ["nss", "openssl"]),
    ],
)
def test_leaves_are_what_nobody_else_requires(pinned, found):
    assert leaves(LISTING, pinned) == found


def test_an_empty_root_has_none():
    assert leaves("", ["nss"]) == []
