"""Takes secrets out of texts that leave the host. Pure.

What is known to be secret (this host's token, its machine id) goes wherever it stands. What only
looks like one goes by its surroundings: tokens of earlier registrations in content URLs, licence
keys, passwords in URLs, options and headers, private keys.
"""

import re
from typing import Dict, List, Pattern, Tuple

from tuxctl import licence

MASK = "********"

_PATTERNS: List[Tuple[Pattern[str], str]] = [
    (re.compile(r"(/(?:almalinux|tuxcare)/[0-9.]+/)[A-Za-z0-9_-]{20,}(?=[/\s\"'])"), r"\1" + MASK),
    (re.compile(r"\b(?:tux_|[A-Z][A-Z_]+-SERVER-)[A-Za-z0-9_-]{5,}"), MASK),
    (re.compile(r"(\w+://)[^/\s@]+@"), r"\1" + MASK + "@"),
    (re.compile(r"(?i)(authorization:?\s*(?:bearer|basic)?\s+)[^\s\"']+"), r"\1" + MASK),
    (
        re.compile(
            r"(?im)^([ \t#;]*[\w.-]*(?:password|passwd|passphrase|secret|token|api_?key)"
            r"[ \t]*[=:][ \t]*)\S.*$"
        ),
        r"\1" + MASK,
    ),
    (
        re.compile(
            r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----.*?-----END [A-Z ]*PRIVATE KEY"
            r"(?: BLOCK)?-----",
            re.DOTALL,
        ),
        "-----PRIVATE KEY " + MASK + "-----",
    ),
]


def clean(text: str, secrets: Dict[str, str]) -> str:
    """`text` without secrets. `secrets`: a known secret, and what stands in its place."""
    for secret, name in secrets.items():
        text = text.replace(secret, name)
    text = licence.mask(text)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def remains(data: bytes, secrets: Dict[str, str]) -> List[str]:
    """What of the known secrets, by name, and of licence keys is in there still."""
    found = [name for secret, name in secrets.items() if secret.encode() in data]
    text = data.decode("utf-8", "replace")
    return found + (["a licence key"] if licence.mask(text) != text else [])
