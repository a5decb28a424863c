#!/bin/bash
# Prepares this checkout on Debian 12 or 13 and starts what was asked. docs/install.md says what is installed and why.
#
# Everything but the Debian packages stays inside the checkout, in .venv. Where packages come from is the machine's own
# affair (apt sources, pip configuration, proxies): no address is written here.
set -euo pipefail

here=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd)
venv=$here/.venv
stamp=$venv/examsite.stamp
python=/usr/bin/python3 # Debian's own: gi and the wheels in the lock files are made for it

base_packages=(python3 python3-venv ffmpeg fonts-dejavu-core tzdata)
demo_packages=(python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good)
test_packages=(chromium git shellcheck systemd)

usage() {
    cat <<'TEXT'
Usage:
  ./install.sh --demo [OPTIONS]   install what is missing and run a whole exam day without any hardware
                                  (--minutes N, --port N, --data DIR, --exit; all of them: --demo --help)
  ./install.sh --test [OPTIONS]   install what is missing and run every test (OPTIONS go to pytest)
  ./install.sh --help             this text

Example:
  ./install.sh --demo --minutes 3 --exit

Debian packages that are missing are installed as root or by sudo; everything else goes to .venv in this folder.
The installation on the box of an exam site (sudo ./install.sh, without options) comes with a later release.
TEXT
}

say() { printf 'install.sh: %s\n' "$*" >&2; }

fail() {
    say "$@"
    exit 1
}

check_system() {
    local ID='' VERSION_ID='' PRETTY_NAME='an unknown system' machine
    # shellcheck source=/dev/null
    [[ -r /etc/os-release ]] && . /etc/os-release
    case $ID-$VERSION_ID in
        debian-12 | debian-13) ;;
        *) fail "This is $PRETTY_NAME. Debian 12 or 13 is needed: its Python, ffmpeg and GStreamer are what examsite" \
            "is tested with. Nothing was installed." ;;
    esac
    machine=$(dpkg --print-architecture)
    case $machine in
        amd64 | arm64) ;;
        *) fail "This system is built for $machine. A 64-bit one is needed, amd64 or arm64: some libraries come for no" \
            "other. On a Raspberry Pi, install the 64-bit Raspberry Pi OS. Nothing was installed." ;;
    esac
}

missing() {
    local installed package
    installed=" $(dpkg-query -W -f '${Package}=${db:Status-Status} ' "$@" 2>/dev/null || true)"
    for package in "$@"; do
        [[ $installed == *" $package=installed "* ]] || printf '%s\n' "$package"
    done
}

as_root() {
    # sudo empties the environment; apt still has to find the way out of the site's network
    local kept=(DEBIAN_FRONTEND=noninteractive) name
    for name in http_proxy https_proxy no_proxy; do
        [[ -z ${!name:-} ]] || kept+=("$name=${!name}")
    done
    if ((EUID == 0)); then
        env "${kept[@]}" "$@"
    else
        sudo env "${kept[@]}" "$@"
    fi
}

install_packages() {
    local packages
    mapfile -t packages < <(missing "$@")
    ((${#packages[@]})) || return 0
    if ((EUID != 0)) && ! { command -v sudo >/dev/null && sudo true; }; then
        fail "Debian packages are missing, and installing them takes the rights of root, which $(id -un) has not got" \
            "here. Somebody who has them runs this once; then start again:"$'\n' \
            "apt-get update && apt-get install --no-install-recommends ${packages[*]}"
    fi
    say "Installing Debian packages: ${packages[*]}"
    as_root apt-get update || say "Some package lists could not be renewed; trying with those that are here."
    # first what an earlier cut left half done; a fresh Debian that is busy with its own upgrades is waited for
    { as_root dpkg --configure -a &&
        as_root apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=300 "${packages[@]}"; } ||
        fail "The Debian packages could not be installed; the lines above say why. Mend that and start again:" \
            "what is installed already is kept."
}

# What .venv was made of and where: anything of it changed, and it is made anew.
fingerprint() {
    {
        printf '%s\n' "$here"
        "$python" -VV
        cat -- "$here/requirements-build.lock" "$here/$1" "$here/pyproject.toml"
    } | sha256sum | cut -d ' ' -f 1
}

holds() { grep -qsxF -- "$1" "$stamp"; }

pip_install() {
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-deps --no-build-isolation "$@" ||
        fail "The Python packages could not be installed; the lines above say why. Mend that and start again."
}

# The stamp is the last thing written: without it .venv was cut off halfway, and a half-copied package looks whole to pip.
prepare_venv() {
    local lock=$1 runtime wanted
    runtime=$(fingerprint requirements.lock)
    wanted=$(fingerprint "$lock")
    ! holds "$wanted" || return 0
    [[ -w $here && (! -e $venv || -w $venv) ]] ||
        fail "$(id -un) may not write to $here. Start as its owner, or remove .venv if root once made it."
    if ! holds "$runtime"; then
        say "Making the Python environment in $venv"
        "$python" -m venv --clear "$venv" || fail "The environment could not be made; the lines above say why."
    fi
    rm -f -- "$stamp"
    # What builds is locked too: two dependencies and this checkout come as source, and are built without isolation,
    # because an isolated build fetches a setuptools of its own that no hash holds.
    say "Fetching Python packages (about 100 MB for the demo, 190 MB for the tests; a minute or two without a word)"
    pip_install --quiet --require-hashes -r "$here/requirements-build.lock"
    pip_install --quiet --require-hashes -r "$here/$lock"
    PYTHONWARNINGS=ignore pip_install --quiet --no-index --editable "$here" # editable is what is wanted, no need to warn
    sync -f "$venv" # so that a power cut cannot leave the stamp and lose the files
    if [[ $wanted == "$runtime" ]]; then
        printf '%s\n' "$runtime" >"$stamp.new"
    else
        printf '%s\n' "$runtime" "$wanted" >"$stamp.new"
    fi
    mv -- "$stamp.new" "$stamp"
}

prepare() {
    local lock=$1
    shift
    check_system
    trap 'echo >&2; say "Stopped. Start it again the same way: it goes on from what is whole."; exit 130' INT TERM
    install_packages "$@"
    unset PYTHONPATH PYTHONHOME PIP_TARGET PIP_PREFIX
    export PIP_USER=0 # a pip configured to install for the user refuses to work in a virtual environment
    # one at a time; the lock is on the folder and ends with this subshell, so that a long demo does not hold it
    (
        exec 9<"$here"
        flock --nonblock 9 || { say "Another start is installing here; waiting for it." && flock 9; }
        prepare_venv "$lock" 9<&-
    )
    trap - INT TERM
}

main() {
    case ${1:-} in
        --demo)
            shift
            prepare requirements.lock "${base_packages[@]}" "${demo_packages[@]}"
            exec "$venv/bin/examsite" demo "$@"
            ;;
        --test)
            shift
            prepare requirements-test.lock "${base_packages[@]}" "${demo_packages[@]}" "${test_packages[@]}"
            cd -- "$here"
            exec "$venv/bin/python" -m pytest "$@"
            ;;
        --help | -h)
            usage
            ;;
        '')
            if ((EUID == 0)); then
                say "The installation on the box of an exam site comes with a later release. What works today:"
            fi
            usage >&2
            exit 2
            ;;
        *)
            say "Unknown option: $1"
            usage >&2
            exit 2
            ;;
    esac
}

# sourced, it only lends its functions (tests/test_install.py)
[[ ${BASH_SOURCE[0]} != "$0" ]] || main "$@"
