#!/bin/bash
# Runs the newcomer's commands on a bare Debian in a chroot, for releases: nothing but git and ca-certificates is there.
set -Eeuo pipefail

usage() {
    cat <<'TEXT'
Usage: tests/bare_debian.sh SUITE WHO FOLDER [COMMAND...]      (as root; needs debootstrap)
  SUITE     bookworm or trixie
  WHO       root, sudo (an ordinary user with sudo) or user (one without)
  FOLDER    where the bare systems are kept; made on first use, never written to again: each run has its own layer
            on top, FOLDER/SUITE-ARCH.WHO, which stays for a look afterwards and is removed by the next run
  COMMAND   run in a fresh clone of what is committed here; the two commands of the README if left out

Example: tests/bare_debian.sh trixie sudo /var/tmp/bare ./install.sh --test -q

The chroot takes over what this machine needs to reach its registries: resolv.conf, hosts, pip.conf, its own certificates,
and PIP_* and proxy variables. BARE_BINDS names further folders to show there, read-only. BARE_ARCH=arm64 tries the other
architecture, where the kernel runs its programs (qemu-user-static); slow, and good enough to see that all installs.
TEXT
    exit 2
}

if (($# < 3 || EUID != 0)); then usage; fi
suite=$1 who=$2 folder=$(realpath -m -- "$3")
shift 3
case $suite in bookworm | trixie) ;; *) usage ;; esac
case $who in root | sudo | user) ;; *) usage ;; esac
(($#)) || set -- sh -c './install.sh --demo --exit --minutes 3 && ./install.sh --test && ./install.sh --test --version'

checkout=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
arch=${BARE_ARCH:-$(dpkg --print-architecture)}
bare=$folder/$suite-$arch layer=$folder/$suite-$arch.$who
if [[ ! -e $bare/.complete ]]; then
    debootstrap --arch="$arch" --variant=minbase --include=git,ca-certificates "$suite" "$bare" http://deb.debian.org/debian
    touch "$bare/.complete"
fi

# Everything below lives in a mount and process namespace of its own: at its end no mount and no process is left.
if [[ ${BARE_INSIDE:-} != yes ]]; then
    BARE_INSIDE=yes exec unshare --mount --pid --fork --kill-child "$0" "$suite" "$who" "$folder" "$@"
fi
rm -rf -- "$layer"
mkdir -p "$layer"/{changed,work,root}
root=$layer/root
mount -t overlay overlay -o "lowerdir=$bare,upperdir=$layer/changed,workdir=$layer/work" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
mount -t tmpfs tmpfs "$root/run"
taken_over=(/etc/resolv.conf /etc/hosts /etc/pip.conf /etc/ssl/certs/ca-certificates.crt /usr/local/share/ca-certificates)
for path in "${taken_over[@]}"; do
    [[ ! -e $path ]] || cp -aL --parents -- "$path" "$root"
done
for path in ${BARE_BINDS:-}; do
    mkdir -p "$root$path"
    mount --rbind -o ro -- "$path" "$root$path"
done

run=(env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "TERM=${TERM:-dumb}")
while IFS= read -r name; do
    run+=("$name=${!name}")
done < <(compgen -e | grep -E '^(PIP_.*|(http|https|no)_proxy)$' || true)
home=/root
if [[ $who != root ]]; then
    home=/home/newcomer
    if [[ $who == sudo ]]; then
        chroot "$root" "${run[@]}" apt-get update -qq
        chroot "$root" "${run[@]}" DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends sudo >/dev/null
    fi
    chroot "$root" useradd --create-home --shell /bin/bash newcomer
    [[ $who == user ]] || echo 'newcomer ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/newcomer"
fi
git clone --quiet --no-hardlinks -- "$checkout" "$root$home/examsite"
owner=$(stat -c %u:%g "$root$home")
chown -R "$owner" "$root$home/examsite"
run+=("HOME=$home")
chroot --userspec="$owner" "$root" "${run[@]}" env --chdir="$home/examsite" "$@"
