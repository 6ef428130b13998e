#!/bin/sh
# Puts the project's files where they belong. The package's %install calls it, and so do the tests.
#
#   install.sh [--part client|mirror]... [--without-modules] DESTDIR [SITE_PACKAGES]
#
# --part              client: what runs on a customer's host (DNF plugin, tuxctl, configuration,
#                     FIPS manifests); mirror: tuxmirror. Default: client alone
# --without-modules   leave out the Python packages, where setuptools has installed them
# DESTDIR may be empty (this machine). SITE_PACKAGES defaults to that of $PYTHON.
# Environment:
#   PYTHON               interpreter of the launchers, default /usr/libexec/platform-python or python3
#   TUXCARE_RELEASE      minor release for /etc/tuxcare-release, default that of DESTDIR
#   TUXCARE_GPG_KEY      public key to install as RPM-GPG-KEY-TuxCare; none by default
#   TUXCARE_FINGERPRINT  its fingerprint, where it is not the published one: for tuxcare.conf
# An existing file under /etc is kept: like a package's %config(noreplace).
set -eu

usage() {
    echo "usage: install.sh [--part client|mirror]... [--without-modules] DESTDIR [SITE_PACKAGES]" >&2
    exit 2
}

parts=
modules=yes
while [ $# -gt 0 ]; do
    case $1 in
        --part)
            case ${2:-} in client | mirror) parts="$parts $2" ;; *) usage ;; esac
            shift
            ;;
        --without-modules) modules= ;;
        --*) usage ;;
        *) break ;;
    esac
    shift
done
[ $# -ge 1 ] && [ $# -le 2 ] || usage
source=$(cd "$(dirname "$0")/.." && pwd)
root=${1%/}
python=${PYTHON:-}
if [ -z "$python" ]; then
    python=/usr/libexec/platform-python
    [ -x "$python" ] || python=/usr/bin/python3
fi
site=${2:-$("$python" -c \
    'import sysconfig; print(sysconfig.get_path("purelib", "posix_prefix", {"base": "/usr"}))')}
umask 022

put() { # MODE SOURCE TARGET
    install -D -p -m "$1" "$source/$2" "$root$3"
}

put_modules() { # DIRECTORY: a Python package, those in it and its templates, at the same name in site-packages
    [ -n "$modules" ] || return 0
    above=$(dirname "$1")
    (cd "$source/$above" && find "$(basename "$1")" -name '*.py' -o -path '*/templates/*' -type f) \
        | while read -r module; do
        put 644 "$above/$module" "$site/$module"
    done
}

put_config() { # FILE under etc/
    [ -e "$root/$1" ] || put 644 "$1" "/$1"
}

put_launcher() { # NAME DIRECTORY
    put 755 "packaging/bin/$1" "$2/$1"
    sed -i "1s|^#!/usr/bin/python3|#!$python|" "$root$2/$1"
}

put_manual() { # PAGE...
    for page in "$@"; do
        put 644 "packaging/man/$page" "/usr/share/man/man${page##*.}/$page"
    done
}

put_completion() { # NAME
    put 644 "packaging/completions/$1" "/usr/share/bash-completion/completions/$1"
}

put_units() { # PREFIX
    for unit in "$source"/packaging/systemd/"$1"*; do
        put 644 "packaging/systemd/${unit##*/}" "/usr/lib/systemd/system/${unit##*/}"
    done
}

put_release() {
    release=${TUXCARE_RELEASE:-}
    if [ -z "$release" ] && [ -r "$root/etc/almalinux-release" ]; then
        release=$(sed -n 's/^AlmaLinux release \([0-9.]*\).*/\1/p' "$root/etc/almalinux-release")
    fi
    [ -n "$release" ] || return 0
    echo "TuxCare Enterprise Support for AlmaLinux release $release" > "$root/etc/tuxcare-release"
    chmod 644 "$root/etc/tuxcare-release"
}

put_key() {
    [ -n "${TUXCARE_GPG_KEY:-}" ] || return 0
    install -D -m 644 "$TUXCARE_GPG_KEY" "$root/etc/pki/rpm-gpg/RPM-GPG-KEY-TuxCare"
    [ -n "${TUXCARE_FINGERPRINT:-}" ] || return 0
    sed -i "s|^# fingerprint = .*|fingerprint = $TUXCARE_FINGERPRINT|" \
        "$root/etc/tuxcare/tuxcare.conf"
}

install_client() {
    put_modules dnf_plugin/tuxcare
    put_modules tuxctl/tuxctl
    put 644 dnf_plugin/dnf-plugins/tuxcare.py "$site/dnf-plugins/tuxcare.py"
    put_launcher tuxctl /usr/sbin
    # etc/tuxmirror belongs to the operator's package.
    (cd "$source" && find etc -name tuxmirror -prune -o -type f -print) | while read -r file; do
        put_config "$file"
    done
    put_release
    put_key
    for manifest in "$source"/packaging/fips/*.conf; do
        put 644 "packaging/fips/${manifest##*/}" "/usr/share/tuxcare/fips/${manifest##*/}"
    done
    put_units tuxctl
    put_manual tuxctl.8 tuxcare.conf.5
    put_completion tuxctl
    install -d -m 755 "$root/etc/tuxcare" "$root/etc/tuxcare/fips.d" "$root/etc/dnf/vars" \
        "$root/usr/share/tuxcare/fips" "$root/var/lib/tuxcare"
}

install_mirror() {
    put_modules mirror/tuxmirror
    put_launcher tuxmirror /usr/bin
    put_config etc/tuxmirror/tuxmirror.conf
    put_units tuxmirror
    put 644 packaging/sysusers/tuxmirror.conf /usr/lib/sysusers.d/tuxmirror.conf
    put 644 packaging/tmpfiles/tuxmirror.conf /usr/lib/tmpfiles.d/tuxmirror.conf
    put_manual tuxmirror.8 tuxmirror.conf.5
    put_completion tuxmirror
}

for part in ${parts:-client}; do
    "install_$part"
done
