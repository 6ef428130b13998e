"""Attacks on a mirror, and the test that shows each refused.

What each of these tests asserts: the exit status, the message, and that neither the published tree
nor the pool changed (`MirrorSite.harmless`).
"""

import re

import pytest

from tests.support import CHECKOUT

METADATA = "integration/test_sync_refused_metadata.py"
SIGNATURE = "integration/test_sync_refused_signature.py"
PACKAGES = "integration/test_sync_refused_packages.py"
TRANSPORT = "integration/test_sync_transport.py"
TLS = "integration/test_sync_tls.py"
GUARDS = "integration/test_sync_guards.py"
CRASH = "integration/test_sync_crash.py"
TROUBLE = "integration/test_sync_trouble.py"
READER = "contract/test_metadata_reader.py"
VERIFIER = "contract/test_verifier.py"
LOOP = "integration/test_publish_loop.py"

# attack: (file, test, its case where one test has many)
ATTACKS = {
    "package at ../x": (METADATA, "test_primary", "dotdot"),
    "package at an absolute path": (METADATA, "test_primary", "absolute path"),
    "metadata at ../x": (METADATA, "test_repomd", "dotdot"),
    "metadata at an absolute path": (METADATA, "test_repomd", "absolute path"),
    "file in the place of repomd.xml": (METADATA, "test_repomd", "repomd.xml"),
    "package in the place of repomd.xml": (METADATA, "test_primary", "on repomd.xml"),
    "absolute URL": (METADATA, "test_primary", "http URL"),
    "file: URL": (METADATA, "test_primary", "file URL"),
    "xml:base": (METADATA, "test_primary", "xml:base"),
    "redirect to another host": (TRANSPORT, "test_redirect_to_another_host", None),
    "redirect to another protocol": (TRANSPORT, "test_redirect_to_another_protocol", None),
    "redirect from https to http": (TLS, "test_a_redirect_from_https_to_http_is_refused", None),
    "redirects without end": (TRANSPORT, "test_endless_redirects", None),
    "certificate of a stranger": (
        TLS,
        "test_a_certificate_of_an_unknown_authority_is_refused",
        None,
    ),
    "unsigned package": (PACKAGES, "test_unsigned", None),
    "package signed by another key": (PACKAGES, "test_signed_by_a_stranger", None),
    "package signed by another tree's key": (
        PACKAGES,
        "test_signed_by_a_key_of_another_tree",
        None,
    ),
    "package signed by a revoked subkey": (
        PACKAGES,
        "test_signed_by_a_revoked_subkey_of_a_good_key",
        None,
    ),
    "package signed over SHA-1": (PACKAGES, "test_signed_over_sha1", None),
    "one bad signature of several": (
        PACKAGES,
        "test_of_several_signatures_each_must_be_good",
        None,
    ),
    "signature hidden by a tag of the header": (
        VERIFIER,
        "test_signature_tag_in_the_main_header_is_nobodys_signature",
        None,
    ),
    "package that makes rpm loop": (
        VERIFIER,
        "test_a_package_that_makes_rpm_loop_ends_the_worker_alone",
        None,
    ),
    "payload tampered with": (PACKAGES, "test_payload_tampered_with", None),
    "repomd.xml unsigned": (SIGNATURE, "test_no_signature", None),
    "repomd.xml signed by another": (SIGNATURE, "test_signature_by_a_stranger", None),
    "inline-signed text": (SIGNATURE, "test_inline_signed_text_in_place_of_a_signature", None),
    "rollback": (METADATA, "test_older_state", None),
    "rollback by all mirrors": (
        TRANSPORT,
        "test_all_mirrors_older_than_what_was_accepted_is_a_rollback",
        None,
    ),
    "freeze": (GUARDS, "test_an_upstream_that_stands_still_is_warned_of_then_refused", None),
    "mass removal": (
        GUARDS,
        "test_a_mass_removal_is_refused_until_the_operator_allows_it",
        None,
    ),
    "mass re-signing": (
        GUARDS,
        "test_packages_signed_anew_by_another_key_are_a_mass_change",
        None,
    ),
    "endless repomd.xml": (TRANSPORT, "test_endless_repomd", None),
    "endless file": (TRANSPORT, "test_endless_file", None),
    "slow retrieval": (TRANSPORT, "test_slow_retrieval", None),
    "trickle above the minimum rate": (
        TRANSPORT,
        "test_trickle_just_above_the_minimum_rate",
        None,
    ),
    "trickle of many files": (TRANSPORT, "test_a_whole_sync_has_a_deadline", None),
    "server that is busy for ever": (
        TRANSPORT,
        "test_the_deadline_ends_waiting_for_a_busy_server",
        None,
    ),
    "commands for a terminal": (METADATA, "test_metadata_says_nothing_to_a_terminal", None),
    "disk that fails behind our back": (
        "integration/test_disk.py",
        "test_what_the_kernel_lost_before_the_flush_is_an_error_of_the_flush",
        None,
    ),
    "checksum missing": (METADATA, "test_primary", "no checksum"),
    "checksum md5": (METADATA, "test_primary", "md5"),
    "checksum sha1": (METADATA, "test_primary", "sha1"),
    "header unlike primary": (PACKAGES, "test_header_is_not_what_primary_says", None),
    "one NEVRA with two contents": (METADATA, "test_primary", "one NEVRA, two contents"),
    "entities": (METADATA, "test_primary", "entity"),
    "DOCTYPE": (METADATA, "test_primary", "doctype"),
    "DOCTYPE behind an encoding": (
        METADATA,
        "test_metadata_in_utf_16_cannot_hide_a_doctype",
        None,
    ),
    "decompression bomb": (METADATA, "test_decompression_bomb", None),
    "more memory than there is for it": (
        READER,
        "test_what_takes_more_memory_than_there_is_for_it_is_refused",
        None,
    ),
    "modules that grow, or crash the parser": (
        "unit/test_modulemd.py",
        "test_documents_are_read_within_bounds",
        "aliases",
    ),
    "parser taken over": (READER, "test_a_reader_that_was_taken_over_runs_nothing_here", None),
    "upstream changes meanwhile": (TRANSPORT, "test_upstream_moves_on_while_it_is_read", None),
    "kill at any moment": (CRASH, "test_killed_at_every_point", None),
    "disk full at any moment": (CRASH, "test_disk_fails_at_every_point", None),
    "disk too small": (TROUBLE, "test_disk_too_small_is_noticed_before_anything_is_fetched", None),
    "bit-rot": ("integration/test_verify.py", "test_a_flipped_bit_is_found_and_named", None),
    "long name": (METADATA, "test_primary", "long name"),
    "newline in a name": (METADATA, "test_primary", "newline"),
    "case twins": (METADATA, "test_primary", "case twins"),
    "publish between a file and its signature": (
        LOOP,
        "test_the_mirror_list_shows_matching_pairs_alone",
        None,
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_every_attack_has_its_test(attack):
    file, test, case = ATTACKS[attack]
    text = (CHECKOUT / "tests" / file).read_text()
    assert re.search(rf"^def {test}\(", text, re.MULTILINE), f"{test} is not in {file}"
    assert case is None or f'"{case}": ' in text, f"{file} has no case {case}"
