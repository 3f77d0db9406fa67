#!/usr/bin/env bash
# Makes `cargo check --target x86_64-pc-windows-gnu` work where the target cannot be downloaded:
# Debian's mingw compiler, and a standard library built once from source into the toolchain.
#
#   setup.sh            do what is missing
#   setup.sh --check    exit code 0 when nothing is missing
#
# Where rustup can reach its server, `rustup target add x86_64-pc-windows-gnu` gives the same.
# The source of exactly this compiler's standard library is looked for in
#   1. the toolchain itself (rustup's component rust-src)
#   2. the file $RUST_STD_SRC_TARBALL: a tar with `version` and `library/`
#   3. Debian's package rust-src, in the suites $RUST_SRC_SUITES, through lists of our own:
#      the machine's package sources stay as they are
set -euo pipefail

target=x86_64-pc-windows-gnu
suites=${RUST_SRC_SUITES:-trixie-backports forky sid}
release=$(rustc -vV | sed -n 's/^release: //p')
sysroot=$(rustc --print sysroot)
lib=$sysroot/lib/rustlib/$target/lib
start=$SECONDS

say() { printf 'windows setup, %d s: %s\n' $((SECONDS - start)) "$*" >&2; }
die() { say "$*"; exit 1; }

has_compiler() { command -v x86_64-w64-mingw32-gcc >/dev/null; }
has_std() { compgen -G "$lib/libstd-*.rlib" >/dev/null; }

if [ "${1:-}" = --check ]; then
    has_compiler && has_std
    exit
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The machine's own mirror and key, whichever of the two list formats it uses.
mirror() {
    { sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources 2>/dev/null || true
      sed -n 's/^deb \(\[[^]]*\] *\)\?\([^ ]*\) .*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null || true
    } | tr ' ' '\n' | grep -v security | sed '/^$/d' | head -1
}
keyring() {
    local key
    key=$(sed -n 's/^Signed-By: *//p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -1 || true)
    printf '%s\n' "${key:-/usr/share/keyrings/debian-archive-keyring.gpg}"
}

apt_of() {
    local suite=$1 dir=$work/apt-$1
    shift
    if [ ! -d "$dir" ]; then
        mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/parts"
        printf 'deb [arch=%s signed-by=%s] %s %s main\n' \
            "$(dpkg --print-architecture)" "$(keyring)" "$(mirror)" "$suite" >"$dir/list"
    fi
    local options=(-q -q -o "Dir::Etc::sourcelist=$dir/list" -o "Dir::Etc::sourceparts=$dir/parts"
        -o "Dir::State::lists=$dir/lists" -o "Dir::Cache=$dir/cache"
        -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=3)
    case $1 in
        madison) apt-cache "${options[@]}" "$@" ;;
        *) apt-get "${options[@]}" "$@" ;;
    esac
}

# Prints the folder library/ of exactly this release.
source_of_std() {
    if [ -f "$sysroot/lib/rustlib/src/rust/library/Cargo.lock" ]; then
        say "source: the toolchain's own"
        printf '%s\n' "$sysroot/lib/rustlib/src/rust/library"
        return
    fi
    if [ -f "${RUST_STD_SRC_TARBALL:-}" ]; then
        mkdir "$work/tarball"
        tar -C "$work/tarball" -xf "$RUST_STD_SRC_TARBALL"
        if [ "$(cat "$work/tarball/version")" = "$release" ]; then
            say "source: $RUST_STD_SRC_TARBALL"
            printf '%s\n' "$work/tarball/library"
            return
        fi
        say "$RUST_STD_SRC_TARBALL holds $(cat "$work/tarball/version"), not $release"
    fi
    local suite version
    for suite in $suites; do
        apt_of "$suite" update >&2 || { say "suite $suite cannot be read"; continue; }
        version=$(apt_of "$suite" madison rust-src | awk -F' *[|] *' '{ print $2 }' | grep -F "$release+" | tail -1 || true)
        [ -n "$version" ] || { say "suite $suite has no rust-src $release"; continue; }
        say "source: rust-src $version from $suite"
        (cd "$work" && apt_of "$suite" download "rust-src=$version" >&2) || continue
        dpkg-deb --fsys-tarfile "$work"/rust-src_*.deb | tar -C "$work" -x --wildcards './usr/src/rustc-*/library/*'
        printf '%s\n' "$work/usr/src/rustc-$release/library"
        return
    done
    return 1
}

build_std() {
    local library=$1 own=$sysroot/lib/rustlib/src/rust/library seed=$work/seed built
    # cargo looks for the source only inside the toolchain
    if ! [ "$library" -ef "$own" ]; then
        mkdir -p "$(dirname "$own")"
        cp -r "$library" "$own"
    fi
    mkdir -p "$seed/src"
    printf '[package]\nname = "seed"\nedition = "2024"\n[workspace]\n' >"$seed/Cargo.toml"
    : >"$seed/src/lib.rs"
    say "building the standard library of $release for $target"
    (
        cd "$seed"
        unset CARGO_TARGET_DIR CARGO_ENCODED_RUSTFLAGS
        RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Cembed-bitcode=yes CARGO_PROFILE_RELEASE_DEBUG=0 \
            cargo build --quiet --release --target $target --target-dir "$seed/out" \
            -Z build-std=std,panic_unwind,panic_abort,proc_macro,test
    ) || die "building the standard library failed"
    rm -rf "$lib.new"
    mkdir -p "$lib.new"
    for built in "$seed/out/$target/release/deps"/*.rlib; do
        case $built in */libseed-*) ;; *) cp "$built" "$lib.new/" ;; esac
    done
    compgen -G "$lib.new/libstd-*.rlib" >/dev/null || die "the build left no standard library"
    rm -rf "$lib"
    mv "$lib.new" "$lib"
}

if ! has_compiler; then
    [ "$(id -u)" = 0 ] || die "as root: apt-get install -y --no-install-recommends gcc-mingw-w64-x86-64-win32"
    say "installing gcc-mingw-w64-x86-64-win32"
    apt-get -qq update || say "package lists could not be renewed, going on with the old ones"
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 install -y --no-install-recommends \
        gcc-mingw-w64-x86-64-win32 >"$work/apt.log" 2>&1 || { tail -20 "$work/apt.log" >&2; die "apt-get install failed"; }
fi

if ! has_std; then
    library=$(source_of_std) || die "no source of the standard library $release: set RUST_STD_SRC_TARBALL, or: rustup target add $target"
    build_std "$library"
fi
say "ready: rustc $release for $target"
