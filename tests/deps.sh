#!/bin/bash
# Installs what building, testing and the demo need, and nothing that runs: packages of Debian 12 that are missing.  Servers are not
# installed but unpacked into build/servers, so that nothing is started, enabled or left behind; what tests take from npm goes into
# build/npm.  Asks for root only when a package is missing; with everything there it takes no network and no time.
set -eu
cd "$(dirname "$0")/.."
mkdir -p build/servers
exec 9>build/deps.lock
flock 9

packages="gcc make pkg-config libc6-dev libpq-dev libhiredis-dev libssl-dev libcurl4-openssl-dev libcmark-dev libxlsxwriter-dev
  libjansson-dev libyaml-dev libsqlite3-dev libarchive-dev libzstd-dev libc-ares-dev libpcre2-dev libexpat1-dev zlib1g-dev
  libcmocka-dev libtree-sitter-dev ca-certificates openssl jq curl sqlite3 zstd procps util-linux unzip busybox systemd
  clang clang-format libclang-rt-14-dev shellcheck cppcheck gcovr"
# Commands that may have come from elsewhere.
command -v node >/dev/null || packages="$packages nodejs"
command -v npm >/dev/null || packages="$packages npm"
command -v kubectl >/dev/null || packages="$packages kubernetes-client"
command -v chromium >/dev/null || packages="$packages chromium"
# What the unpacked servers are linked with.
packages="$packages libicu72 libldap-2.5-0 liblz4-1 libpam0g libxml2 libxslt1.1 libgssapi-krb5-2 libreadline8 libevent-2.1-7
  libjemalloc2 liblua5.1-0 liblzf1 lua-bitop lua-cjson libedit2 libnettle8 libgnutls30 libseccomp2 tzdata"
servers="postgresql-15 postgresql-client-15 check-postgres postgresql-15-cron nginx nginx-common redis-server redis-tools pgbouncer prometheus prometheus-alertmanager chrony busybox-static"

missing=""
for package in $packages; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
done
unpack=""
for package in $servers; do
        [ -e "build/servers/.$package" ] || unpack="$unpack $package"
done
npm=""
cmp -s tests/npm/package-lock.json build/npm/.installed || npm=yes
[ -n "$missing$unpack$npm" ] || exit 0

run_apt() {
        if [ "$(id -u)" -eq 0 ]; then
                env DEBIAN_FRONTEND=noninteractive apt-get -q "$@"
        elif command -v sudo >/dev/null; then
                sudo env DEBIAN_FRONTEND=noninteractive apt-get -q "$@"
        else
                echo "deps: these packages are missing, and neither root nor sudo is at hand. As root:" >&2
                echo "    apt-get install --no-install-recommends$missing" >&2
                return 1
        fi
}

# Lists of packages that are missing or more than a week old are fetched again.
fresh=$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' -mtime -7 2>/dev/null | head -n 1)
[ -n "$fresh" ] || [ -z "$missing$unpack" ] || run_apt update >build/deps.log 2>&1 || { cat build/deps.log >&2; exit 1; }

if [ -n "$missing" ]; then
        echo "deps: installing$missing"
        # Nothing that a package brings may start while it is installed.
        policy=/usr/sbin/policy-rc.d
        as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }
        ours=""
        if [ ! -e $policy ]; then
                printf '#!/bin/sh\nexit 101\n' >build/policy-rc.d
                if [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null; then
                        as_root install -m 755 build/policy-rc.d $policy && ours=yes
                fi
        fi
        status=0
        # shellcheck disable=SC2086
        run_apt install -y --no-install-recommends $missing >build/deps.log 2>&1 || status=$?
        [ -z "$ours" ] || as_root rm -f $policy
        if [ $status -ne 0 ]; then
                tail -n 30 build/deps.log >&2
                echo "deps: could not install:$missing" >&2
                exit 1
        fi
fi

if [ -n "$unpack" ]; then
        echo "deps: unpacking$unpack into build/servers"
        mkdir -p build/debs
        for package in $unpack; do
                # The sandbox user of apt cannot write into everybody's folders: download as who we are.
                (cd build/debs && apt-get -q -o APT::Sandbox::User="$(id -un)" download "$package" >../deps.log 2>&1) || {
                        cat build/deps.log >&2
                        exit 1
                }
                for deb in build/debs/"${package}"_*.deb; do
                        dpkg-deb -x "$deb" build/servers
                done
                rm -f build/debs/"${package}"_*.deb
                # Debian's Alertmanager opens its templates by an absolute path; a relative one of the same length lets it run from here
                # (started in build/servers), with nothing installed.
                [ "$package" != prometheus-alertmanager ] ||
                        LC_ALL=C sed -i 's#/usr/share/prometheus/alertmanager#usr/share/prometheus//alertmanager#g' \
                                build/servers/usr/bin/prometheus-alertmanager
                touch "build/servers/.$package"
        done
fi

# Scripts of packages stay unrun: they fetch and build what nothing here needs.  A machine without the registry still builds, and
# the tests that need a package skip loudly.
if [ -n "$npm" ]; then
        echo "deps: installing the test tools of tests/npm into build/npm"
        mkdir -p build/npm
        cp tests/npm/package.json tests/npm/package-lock.json build/npm/
        if (cd build/npm && npm ci --ignore-scripts --no-audit --no-fund) >build/deps.log 2>&1; then
                cp tests/npm/package-lock.json build/npm/.installed
        else
                tail -n 5 build/deps.log >&2
                echo "deps: npm could not install; tests that need it will be skipped" >&2
        fi
fi
