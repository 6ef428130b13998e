"""What the tests stand on: keys, packages, upstream trees, a misbehaving server, hosts."""
