# shellcheck shell=bash
# What scripts/up, scripts/test and scripts/check share: the tools of the machine, and .venv. Sourced, never run.
# Meant for Debian and Ubuntu; elsewhere it names what is missing and stops. Quiet unless something fails.
# shellcheck disable=SC2016,SC2034  # the commands below are expanded when they run; the lists are used by who sources this

# Each row: the Debian package | a command that succeeds once it is there | why it is wanted.
readonly RUN_NEEDS=(
  'fuse3|command -v fusermount3|mounts and unmounts without root'
  'libfuse3-dev|pkg-config --exists fuse3|pyfuse3 is compiled against it'
  'pkg-config|command -v pkg-config|pyfuse3 finds libfuse3 with it'
  'gcc|command -v gcc|compiles pyfuse3'
  'libc6-dev|test -e /usr/include/stdio.h|compiles pyfuse3'
  'python3-venv|"$PYTHON" -c "import ensurepip, venv"|makes .venv'
  'python3-dev|"$PYTHON" -c "import os, sysconfig as s; os.stat(s.get_path(\"include\") + \"/Python.h\")"|compiles pyfuse3'
)
readonly TEST_NEEDS=(
  'attr|command -v setfattr|tests read and write extended attributes with it'
  'curl|command -v curl|how programs save: curl --xattr'
  'dbus|command -v dbus-run-session|thumbnails: tumbler is asked over it'
  'debootstrap|command -v debootstrap|scripts/test --long: the roots in which the image is made'
  'go-md2man|command -v go-md2man|man pages are what the commands and the pages say'
  'imagemagick|command -v mogrify|how programs save: ImageMagick'
  'iproute2|command -v ip|faults: a second host with a cable of its own'
  'libfaketime|ls /usr/lib/*/faketime/libfaketimeMT.so.1|faults: clocks that jump'
  'libglib2.0-bin|command -v gio|how programs save: gio save'
  'libimage-exiftool-perl|command -v exiftool|how programs save: exiftool, both ways'
  'libseccomp2|"$PYTHON" -c "import ctypes; ctypes.CDLL(\"libseccomp.so.2\")"|confines the processes that read pictures'
  'rsync|command -v rsync|trees in and out; how programs save: --inplace, --partial'
  'shellcheck|command -v shellcheck|scripts/check'
  'systemd|test -x /lib/systemd/systemd|faults: the units under a real one'
  'tumbler|ls /usr/lib/*/tumbler-1/tumblerd|thumbnails: a real thumbnailer takes ours'
  'unzip|command -v unzip|how programs save: unzip'
  'vim|command -v vim|how programs save: vim'
  'zip|command -v zip|makes the archives for unzip'
)

readonly BENCH_NEEDS=(
  'attr|command -v getfattr|scripts/bench: reads extended attributes with it'
  'libvips-tools|command -v vipsthumbnail|scripts/bench: measured beside'
  's3fs|command -v s3fs|scripts/bench: measured beside'
)

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root
readonly venv=$root/.venv
readonly asked_python=${PYTHON:-}

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# quietly WHAT COMMAND...: tells WHAT in one line, and what COMMAND printed only if it fails.
quietly() {
  local what=$1 log
  shift
  log=$(mktemp)
  printf '%s\n' "$what ..." >&2
  if ! "$@" >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    rm -f "$log"
    die "failed: $what"
  fi
  rm -f "$log"
}

is_new_enough() { "$1" -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null; }

# Sets PYTHON: what the caller asked for, else the first that is new enough, else python3.
choose_python() {
  local candidate
  for candidate in ${asked_python:-python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3}; do
    export PYTHON=$candidate
    is_new_enough "$PYTHON" && return
  done
  PYTHON=${asked_python:-python3}
}

# Prints the package of every row given whose command fails.
list_missing() {
  local row package probe
  for row in "$@"; do
    IFS='|' read -r package probe _ <<<"$row"
    bash -c "$probe" >/dev/null 2>&1 </dev/null || printf '%s\n' "$package"
  done
}

as_root() {
  if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

apt_get() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@"
}

# The package list is fetched only when it is absent or too old to install from.
apt_install() {
  apt_get install --yes --no-install-recommends "$@" && return
  apt_get update || true # an unreachable third-party source must not stop us; the install decides
  apt_get install --yes --no-install-recommends "$@"
}

require_packages() {
  local missing
  mapfile -t missing < <(list_missing "$@")
  ((${#missing[@]})) || return 0
  command -v apt-get >/dev/null || die "please install first (Debian's names): ${missing[*]}"
  ((EUID == 0)) || command -v sudo >/dev/null || die "neither root nor sudo; please run: apt-get install ${missing[*]}"
  quietly "Installing ${missing[*]}" apt_install "${missing[@]}"
  choose_python
  mapfile -t missing < <(list_missing "$@")
  ((${#missing[@]} == 0)) || die "installed, yet not usable with $(command -v "$PYTHON"): ${missing[*]}"
}

require_python() {
  is_new_enough "$PYTHON" && return
  die "needs Python 3.11 or newer, found '$("$PYTHON" --version 2>&1)' ($PYTHON); set PYTHON=/path/to/a/newer/python3"
}

# Scripts in a venv name its path, and its python the one it was made with: both must still hold.
venv_is_sound() {
  grep -qsF " $venv" "$venv/pyvenv.cfg" && is_new_enough "$venv/bin/python" && [[ -x $venv/bin/pip ]]
}

make_venv() {
  venv_is_sound && return
  require_python
  quietly "Making .venv with $("$PYTHON" --version)" "$PYTHON" -m venv --clear "$venv"
}

# install_project [EXTRA]: pip is asked again only after pyproject.toml changed; each extra includes all that a mount needs.
install_project() {
  local extra=${1:-} stamp
  for stamp in "$venv"/installed*; do
    [[ -z $extra || ,${stamp##*/installed-}, == *",$extra,"* ]] && cmp -s "$root/pyproject.toml" "$stamp" && return
  done
  stamp=$venv/installed${extra:+-$extra}
  quietly "Installing konifer-fs and what it needs${extra:+ ($extra)}" \
    "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check \
    --editable "$root${extra:+[$extra]}"
  cp "$root/pyproject.toml" "$stamp"
}

# prepare ROW... -- [EXTRA]: packages, .venv, project. One at a time per tree: two tests may start together.
prepare() {
  local rows=()
  while [[ $1 != -- ]]; do
    rows+=("$1")
    shift
  done
  shift
  choose_python
  (
    flock 9
    if [[ -n $asked_python ]] || command -v "$PYTHON" >/dev/null; then require_python; fi
    require_packages "${rows[@]}"
    make_venv
    install_project "$@"
  ) 9<"$root"
}
