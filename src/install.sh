#!/usr/bin/env bash
# Builds tapvault as it is meant to be shipped, and installs it.
#
#   bash src/install.sh [PREFIX]      ~/.local when left out: bin/tapvault, libexec/tapvault/tapvault-engine, share/man/man1
#   bash src/install.sh --build       builds only, into target/release
#
# The front is linked with the C library inside it: then nothing has to be loaded, and a warm exec takes half a millisecond less than
# one from `cargo install`. Where the archives for that are missing (Fedora's glibc-static), it is linked as usual.
set -euo pipefail

prefix=${1:-$HOME/.local}
case $prefix in
    --build) ;;
    -*)
        echo "install.sh knows no option $prefix; see its first lines" >&2
        exit 2
        ;;
    # From where it was typed, not from the repository.
    *) prefix=$(realpath --canonicalize-missing -- "$prefix") ;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-target}

cargo build --release --locked --package tapvault --bin tapvault-engine

# What the engine needs of them is in its own program; the front names nothing of it, and these stand for it.
empty=$target/release/without
mkdir -p "$empty"
for library in udev pcsclite; do
    printf '!<arch>\n' >"$empty/lib$library.a"
done
front=(cargo rustc --release --locked --package tapvault --bin tapvault)
if ! "${front[@]}" -- -C target-feature=+crt-static -L "native=$empty"; then
    echo "the front could not be linked with the C library inside; it is linked as usual" >&2
    "${front[@]}"
fi
[[ $prefix != --build ]] || exit 0

# The engine first: no front meets one that is older than itself.
install -D --mode=755 "$target/release/tapvault-engine" "$prefix/libexec/tapvault/tapvault-engine"
install -D --mode=755 "$target/release/tapvault" "$prefix/bin/tapvault"
install -D --mode=644 --target-directory="$prefix/share/man/man1" docs/man/*.1
echo "installed: $prefix/bin/tapvault"
case :$PATH: in
    *":$prefix/bin:"*) ;;
    *) echo "$prefix/bin is not on your PATH" ;;
esac
