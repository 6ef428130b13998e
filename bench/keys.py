"""One key for all benches: their packages are kept from run to run."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.keys import SigningKey


def bench_key(folder: Path) -> SigningKey:
    """The key in `folder`, made on first use. Not a secret worth keeping: it signs nothing real."""
    record = folder / "key.json"
    if record.exists():
        fields = json.loads(record.read_text())
        paths = {name: Path(fields[name]) for name in ("homedir", "public")}
        return SigningKey(**{**fields, **paths})
    folder.mkdir(parents=True, exist_ok=True)
    key = SigningKey.create(folder, name="Bench", algorithm="rsa4096")
    fields = {
        "name": key.name,
        "fingerprint": key.fingerprint,
        "signing_fingerprint": key.signing_fingerprint,
        "homedir": str(key.homedir),
        "public": str(key.public),
    }
    record.write_text(json.dumps(fields))
    return key
