#!/usr/bin/python3
"""Stand-ins for programs that only an EL host has: one file, linked under each program's name.

They mimic arguments, output, exit status and the files that are left behind; anything else on the
command line is refused, as the originals do it. What each one mimics, as read in its source:

    grubby                  grubby-8.40 of EL8/EL9, script grubby-bls (github.com/rhboot/grubby):
                            options by getopt, unknown ones exit 1; `--info` prints index, kernel,
                            args, root, initrd, title, id for each entry; `--args` replaces an
                            argument of the same name; the default is saved_entry of grubenv;
                            --update-kernel=ALL also changes GRUB_CMDLINE_LINUX, from which entries
                            of later kernels are made (here: /etc/kernel/cmdline)
    fips-mode-setup         crypto-policies-scripts of EL9: --enable completes the installation of
                            the fips module, sets the policy FIPS and `fips=1` on all entries, with
                            boot=UUID=… where /boot and / are different devices; --disable sets
                            fips=0 and the policy DEFAULT, and leaves boot= where it is; --check
                            prints "FIPS mode is enabled." ("disabled."), with exit 1 and
                            "Inconsistent state detected." where the parts disagree; --is-enabled
                            exits 2 where it is off; usage exits 2
    fips-finish-install     writes /etc/dracut.conf.d/40-fips.conf, then dracut; --undo removes it
    update-crypto-policies  --set POLICY, --show; /etc/crypto-policies/state/current
    dracut                  -f --regenerate-all, or -f IMAGE KVER: writes /boot/initramfs-KVER.img
    kernel-install          add KVER IMAGE, remove KVER: what kernel-core's scriptlets start; a new
                            kernel becomes the default (UPDATEDEFAULT=yes of /etc/sysconfig/kernel)
    uname                   -r, -m, -i; the kernel of the last (pretended) boot
    openssl                 list -providers; a provider's version belongs to the build
    reboot                  boots by pretending: see tests.support.boot

Every call is a line of JSON in /var/log/el-tools.log. A name in /run/el-tools.fail makes that
program fail, one in /run/el-tools.kill kills the program that started it, and itself.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

ENTRIES = Path("/boot/loader/entries")
GRUBENV = Path("/boot/grub2/grubenv")
CMDLINE = Path("/etc/kernel/cmdline")
POLICY = Path("/etc/crypto-policies/state/current")
DRACUT_CONF = Path("/etc/dracut.conf.d/40-fips.conf")
LOG = Path("/var/log/el-tools.log")
RELEASE = Path("/proc/sys/kernel/osrelease")
FLAG = Path("/proc/sys/crypto/fips_enabled")
VALIDATED_PROVIDERS = {"3.0.7-20.el9_2.tuxcare.1": "3.0.7-1d2bd88ee26b3c90"}


def fail(text, status=1):
    print(text, file=sys.stderr)
    raise SystemExit(status)


def call(*argv, check=True):
    return subprocess.run(argv, check=check, text=True, stdout=subprocess.PIPE).stdout


def require_root(name):
    if os.geteuid():
        fail(f"You must be root to run {name}")


# -- grubby --------------------------------------------------------------------------------------


def parse_entry(path):
    pairs = (line.split(None, 1) for line in path.read_text().splitlines() if " " in line)
    return {"file": path, **dict(pairs)}


def read_entries():
    """Newest first, as `ls -vr` sorts them."""
    listing = call("ls", "-vr", str(ENTRIES)).split() if ENTRIES.is_dir() else []
    return [parse_entry(ENTRIES / name) for name in listing]


def kernel_path(entry):
    return "/boot" + entry["linux"]


def default_entry(entries):
    saved = ""
    if GRUBENV.exists():
        saved = GRUBENV.read_text().strip().partition("saved_entry=")[2]
    named = [entry for entry in entries if entry["file"].stem == saved]
    return (named or entries or [None])[0]


def chosen(entries, parameter):
    if parameter == "ALL":
        return entries
    if parameter == "DEFAULT":
        return [default_entry(entries)]
    found = [entry for entry in entries if kernel_path(entry) == parameter]
    return found or fail(f"The param {parameter} is incorrect")


def update_arguments(text, add, remove):
    words = text.split()
    for word in remove.split():
        words = [w for w in words if w != word and ("=" in word or w.partition("=")[0] != word)]
    for word in add.split():
        name, equals, _value = word.partition("=")
        same = [n for n, w in enumerate(words) if w.partition("=")[0] == name] if equals else []
        if same:
            words[same[0]] = word
        elif word not in words:
            words.append(word)
    return " ".join(words)


def write_entry(entry):
    text = "".join(f"{key} {value}\n" for key, value in entry.items() if key != "file")
    entry["file"].write_text(text)


def grubby(arguments):
    options = {}
    known = ("default-kernel", "info", "set-default", "update-kernel", "args", "remove-args")
    words = list(arguments)
    while words:
        name, equals, value = words.pop(0).partition("=")
        if not name.startswith("--") or name[2:] not in known:
            fail(f"grubby: unrecognized option '{name}'")
        if name != "--default-kernel" and not equals:
            if not words:
                fail(f"grubby: option '{name}' requires an argument")
            value = words.pop(0)
        options[name[2:]] = value
    if not options:
        fail("no action specified")
    entries = read_entries()
    if "default-kernel" in options:
        found = default_entry(entries)
        print(kernel_path(found) if found else "")
    elif "info" in options:
        show(entries, chosen(entries, options["info"]))
    elif "set-default" in options:
        require_root("grubby")
        [entry] = chosen(entries, options["set-default"])
        GRUBENV.parent.mkdir(parents=True, exist_ok=True)
        GRUBENV.write_text(f"saved_entry={entry['file'].stem}\n")
        index = entries.index(entry)
        print(f"The default is {entry['file']} with index {index} and kernel {kernel_path(entry)}")
    elif "update-kernel" in options:
        require_root("grubby")
        add, remove = options.get("args", ""), options.get("remove-args", "")
        for entry in chosen(entries, options["update-kernel"]):
            entry["options"] = update_arguments(entry["options"], add, remove)
            write_entry(entry)
        if options["update-kernel"] == "ALL" and CMDLINE.exists():
            CMDLINE.write_text(update_arguments(CMDLINE.read_text(), add, remove) + "\n")
    else:
        fail("no action specified")


def show(entries, wanted):
    for entry in wanted:
        print(f"index={entries.index(entry)}")
        print(f'kernel="{kernel_path(entry)}"')
        print(f'args="{entry["options"]}"')
        print('root="UUID=11111111-2222-3333-4444-555555555555"')
        print(f'initrd="/boot{entry["initrd"]}"')
        print(f'title="{entry["title"]}"')
        print(f'id="{entry["file"].stem}"')


# -- fips-mode-setup and what it starts ----------------------------------------------------------


def policy():
    return POLICY.read_text().strip() if POLICY.exists() else "DEFAULT"


def flag():
    return FLAG.read_text().strip() if FLAG.exists() else "0"


def fips_mode_setup(arguments):
    asked = [word for word in arguments if word in ("--enable", "--disable", "--check",
                                                    "--is-enabled")]  # fmt: skip
    if len(asked) != 1 or set(arguments) - {*asked, "--no-bootcfg"}:
        print("Check, enable, or disable (unsupported) the system FIPS mode.")
        print("usage: /usr/bin/fips-mode-setup --enable|--disable [--no-bootcfg]")
        print("usage: /usr/bin/fips-mode-setup --check")
        print("usage: /usr/bin/fips-mode-setup --is-enabled")
        raise SystemExit(2)
    require_root("fips-mode-setup")
    if asked[0] in ("--check", "--is-enabled"):
        check_fips(quiet=asked[0] == "--is-enabled")
    elif asked[0] == "--enable":
        print("Kernel initramdisks are being regenerated. This might take some time.")
        if subprocess.run(["fips-finish-install", "--complete"], check=False).returncode:
            fail("Installation of FIPS modules could not be completed.")
        if not policy().startswith("FIPS"):
            call("update-crypto-policies", "--no-reload", "--set", "FIPS")
        configure_boot("1", "enabled", "--no-bootcfg" not in arguments)
    else:
        call("fips-finish-install", "--undo")
        call("update-crypto-policies", "--no-reload", "--set", "DEFAULT")
        configure_boot("0", "disabled", "--no-bootcfg" not in arguments)


def check_fips(quiet):
    signs = {flag() == "1", policy().startswith("FIPS"), DRACUT_CONF.exists()}
    if not quiet:
        print(f"FIPS mode is {'enabled' if flag() == '1' else 'disabled'}.")
    if len(signs) == 2:
        if not quiet:
            print("Inconsistent state detected.")
        raise SystemExit(1)
    raise SystemExit(2 if quiet and signs == {False} else 0)


def boot_is_separate():
    return Path("/boot").stat().st_dev != Path("/").stat().st_dev


def configure_boot(value, word, with_loader):
    print(f"FIPS mode will be {word}.")
    options = f"fips={value}"
    if with_loader and boot_is_separate():
        uuid = call("findmnt", "--first-only", "-t", "noautofs", "--noheadings", "--output",
                    "uuid", "--mountpoint", "/boot", check=False).strip()  # fmt: skip
        if uuid:
            options += f" boot=UUID={uuid}"
        else:
            print("Boot device not identified, you have to configure the bootloader manually.",
                  file=sys.stderr)  # fmt: skip
            with_loader = False
    if with_loader:
        call("grubby", "--update-kernel=ALL", f"--args={options}")
        print("Please reboot the system for the setting to take effect.")
    else:
        print(f'Now you need to configure the bootloader to add kernel options "{options}"')
        print("and reboot the system for the setting to take effect.")


def fips_finish_install(arguments):
    if arguments == ["--undo"]:
        DRACUT_CONF.unlink(missing_ok=True)
    elif arguments == ["--complete"]:
        DRACUT_CONF.parent.mkdir(parents=True, exist_ok=True)
        DRACUT_CONF.write_text('# turn on fips module\n\nadd_dracutmodules+=" fips "\n')
    else:
        fail("Complete the installation of FIPS modules.\nusage: --complete|--undo", 2)
    if subprocess.run(["dracut", "-f", "--regenerate-all"], check=False).returncode:
        if arguments == ["--complete"]:
            DRACUT_CONF.unlink()
        raise SystemExit(1)


def update_crypto_policies(arguments):
    words = [word for word in arguments if word != "--no-reload"]
    if words == ["--show"]:
        print(policy())
    elif len(words) == 2 and words[0] == "--set" and words[1].replace(":", "").isupper():
        require_root("update-crypto-policies")
        POLICY.parent.mkdir(parents=True, exist_ok=True)
        POLICY.write_text(words[1] + "\n")
        print(f"Setting system policy to {words[1]}")
    else:
        fail("usage: update-crypto-policies [-h] [--set [POLICY] | --show] [--no-reload]", 2)


def dracut(arguments):
    fips = "fips " if DRACUT_CONF.exists() else ""
    if arguments == ["-f", "--regenerate-all"]:
        for entry in read_entries():
            Path("/boot" + entry["initrd"]).write_text(f"modules: {fips}base\n")
    elif len(arguments) == 3 and arguments[0] == "-f":
        Path(arguments[1]).write_text(f"modules: {fips}base\n")
    else:
        fail(f"dracut: unrecognized option '{' '.join(arguments)}'")


def kernel_install(arguments):
    if len(arguments) == 3 and arguments[0] == "add":
        release = arguments[1]
        ENTRIES.mkdir(parents=True, exist_ok=True)
        Path(f"/boot/vmlinuz-{release}").write_text(f"kernel {release}\n")
        machine = Path("/etc/machine-id").read_text().strip()
        entry = {
            "file": ENTRIES / f"{machine}-{release}.conf",
            "title": f"AlmaLinux ({release}) 9.2 (Turquoise Kodkod)",
            "version": release,
            "linux": f"/vmlinuz-{release}",
            "initrd": f"/initramfs-{release}.img",
            "options": CMDLINE.read_text().strip() if CMDLINE.exists() else "ro",
        }
        write_entry(entry)
        call("dracut", "-f", f"/boot/initramfs-{release}.img", release)
        call("grubby", f"--set-default=/boot/vmlinuz-{release}")
    elif len(arguments) == 2 and arguments[0] == "remove":
        for path in (*ENTRIES.glob(f"*-{arguments[1]}.conf"),
                     Path(f"/boot/vmlinuz-{arguments[1]}"),
                     Path(f"/boot/initramfs-{arguments[1]}.img")):  # fmt: skip
            path.unlink(missing_ok=True)
    else:
        fail("Unknown command or wrong number of arguments")


# -- what a running kernel and its libraries say -------------------------------------------------


def uname(arguments):
    known = {"-r": RELEASE.read_text().strip(), "-m": "x86_64", "-i": "x86_64"}
    if len(arguments) != 1 or arguments[0] not in known:
        fail(f"uname: invalid option -- {' '.join(arguments)!r}")
    print(known[arguments[0]])


def openssl(arguments):
    if arguments != ["list", "-providers"]:
        fail(f'Invalid command {" ".join(arguments)!r}; type "help" for a list.')
    query = ["rpm", "-q", "--qf", "%{VERSION} %{RELEASE}", "openssl-libs"]
    version, release = call(*query).split()
    print("Providers:\n  default\n    name: OpenSSL Default Provider")
    print(f"    version: {version}\n    status: active")
    if flag() == "1":
        provider = VALIDATED_PROVIDERS.get(f"{version}-{release}", f"{version}-0123456789abcdef")
        print("  fips\n    name: OpenSSL FIPS Provider for AlmaLinux 9")
        print(f"    version: {provider}\n    status: active")


def reboot(arguments):
    if arguments:
        fail(f"reboot: unrecognized option {arguments[0]!r}")
    boot()


def boot():
    """What a boot of the default entry makes of /proc/sys."""
    entry = default_entry(read_entries())
    arguments = dict(word.partition("=")[::2] for word in entry["options"].split())
    if arguments.get("fips") == "1" and boot_is_separate() and "boot" not in arguments:
        fail("FIPS integrity test failed: /boot is not there", 75)  # a dead host
    if not os.path.ismount("/proc/sys"):
        call("mount", "-t", "tmpfs", "sys", "/proc/sys")
    files = {
        RELEASE: entry["version"],
        FLAG: arguments.get("fips", "0"),
        Path("/proc/sys/kernel/random/boot_id"): os.urandom(16).hex(),
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


PROGRAMS = {
    "grubby": grubby,
    "fips-mode-setup": fips_mode_setup,
    "fips-finish-install": fips_finish_install,
    "update-crypto-policies": update_crypto_policies,
    "dracut": dracut,
    "kernel-install": kernel_install,
    "uname": uname,
    "openssl": openssl,
    "reboot": reboot,
}


def _named(list_file, name):
    path = Path(list_file)
    return path.exists() and name in path.read_text().split()


def main(argv):
    name = Path(argv[0]).name
    with (LOG if os.access(LOG.parent, os.W_OK) else Path(os.devnull)).open("a") as log:
        log.write(json.dumps([name, *argv[1:]]) + "\n")
    if _named("/run/el-tools.kill", name):
        os.kill(os.getppid(), signal.SIGKILL)
        raise SystemExit(137)
    if _named("/run/el-tools.fail", name):
        fail(f"{name}: it does not work today")
    PROGRAMS[name](argv[1:])


if __name__ == "__main__":
    main(sys.argv)
