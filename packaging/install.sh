#!/bin/sh
# Installs what runs on a customer's host: DNF plugin, tuxctl, configuration and
# FIPS manifests. The package's %install calls it, and so do the tests.
#
#   install.sh DESTDIR [SITE_PACKAGES]
#
# DESTDIR may be empty (this machine). SITE_PACKAGES defaults to that of $PYTHON.
# Environment:
#   PYTHON            interpreter of the launchers, default /usr/libexec/platform-python or python3
#   TUXCARE_RELEASE   minor release for /etc/tuxcare-release, default that of DESTDIR
#   TUXCARE_GPG_KEY   public key to install as RPM-GPG-KEY-TuxCare; none by default
# An existing file under /etc is kept: like a package's %config(noreplace).
set -eu

usage() { echo "usage: install.sh DESTDIR [SITE_PACKAGES]" >&2; exit 2; }

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

put_modules() { # DIRECTORY: a Python package, at the same name in site-packages
    name=$(basename "$1")
    for module in "$source/$1"/*.py; do
        put 644 "$1/$(basename "$module")" "$site/$name/$(basename "$module")"
    done
}

put_config() { # FILE under etc/
    [ -e "$root/$1" ] || put 644 "$1" "/$1"
}

put_launcher() { # NAME
    put 755 "packaging/bin/$1" "/usr/sbin/$1"
    sed -i "1s|^#!/usr/bin/python3|#!$python|" "$root/usr/sbin/$1"
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

put_modules dnf_plugin/tuxcare
put_modules tuxctl/tuxctl
if [ -e "$source/dnf_plugin/dnf-plugins/tuxcare.py" ]; then
    put 644 dnf_plugin/dnf-plugins/tuxcare.py "$site/dnf-plugins/tuxcare.py"
fi
put_launcher tuxctl

# etc/tuxmirror belongs to the operator's package.
(cd "$source" && find etc -name tuxmirror -prune -o -type f -print) | while read -r file; do
    put_config "$file"
done
put_release
if [ -n "${TUXCARE_GPG_KEY:-}" ]; then
    install -D -p -m 644 "$TUXCARE_GPG_KEY" "$root/etc/pki/rpm-gpg/RPM-GPG-KEY-TuxCare"
fi

for manifest in "$source"/packaging/fips/*.conf; do
    [ -e "$manifest" ] || continue
    put 644 "packaging/fips/$(basename "$manifest")" \
        "/usr/share/tuxcare/fips/$(basename "$manifest")"
done
install -d -m 755 "$root/etc/tuxcare" "$root/etc/tuxcare/fips.d" "$root/etc/dnf/vars" \
    "$root/usr/share/tuxcare/fips" "$root/var/lib/tuxcare"
