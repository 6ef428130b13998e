"""FIPS mode of a host: `tuxctl fips enable`, `status`, `disable`.

    choice    the configuration that makes the DNF plugin hold the pins
    builds    which builds are installed, and which ones have to be (pure)
    packages  rpm and dnf
    machine   what decides whether this machine can boot in FIPS mode, as found
    access    who can log in by SSH, as found; keys: which SSH keys FIPS mode takes (pure)
    checks    what stands in the way, and the way out (pure); with checks_ssh and findings
    boot      grubby and fips-mode-setup, and the way back
    state     what is to be true after the reboot
    plan      all of it, to read before anything is done
    enable, disable, status    the commands

Only the plan of `enable` is carried out: it is made once, shown, and then done step by step in one
journalled run.
"""

# The checks that people may overrule with --accept. The others cannot be gone without.
ACCEPTABLE = (
    "boot-device",
    "boot-space",
    "drivers",
    "luks",
    "ssh-host-keys",
    "ssh-locked-out",
)
