"""Advisories in the formats that tools read: each module writes one, and reads back its claims.

`write` is deterministic: the same advisories give the same bytes. `read` takes what was written
and says which advisories, CVEs and packages it speaks of (`claims.Claims`), so that what
`core.advisory.parity` compares are bytes, not intentions.
"""
