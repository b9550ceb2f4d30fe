# What a guest's test can say. Read by its shell before the test.
# shellcheck shell=sh

# plug NAME [ARGUMENT...]: plugs in a key, and prints its node. It is told things as NAME from then on.
plug() {
    plug_name=$1
    shift
    plug_before=$(ls /sys/class/hidraw 2>/dev/null)
    fido-key be --uhid --detached --memory "/run/$plug_name" --control "/run/$plug_name.sock" "$@" \
        >"/run/$plug_name.log" 2>&1 &
    plug_tries=500
    while [ "$(ls /sys/class/hidraw 2>/dev/null)" = "$plug_before" ] || ! tell "$plug_name" ping >/dev/null 2>&1; do
        plug_tries=$((plug_tries - 1))
        [ $plug_tries -gt 0 ] || fail "the key $plug_name does not appear: $(cat "/run/$plug_name.log")"
        usleep 20000
    done
    for plug_node in /sys/class/hidraw/*; do
        case "$plug_before" in
            *"${plug_node##*/}"*) ;;
            *) echo "/dev/${plug_node##*/}" ;;
        esac
    done
}

# tell NAME WORD...: a word for that key's control socket.
tell() {
    tell_name=$1
    shift
    fido-key tell "/run/$tell_name.sock" "$@"
}

# as_ana COMMAND: as somebody who is not root.
as_ana() {
    su ana -c "$1"
}

# check WHAT COMMAND...: fails the guest's test when the command fails.
check() {
    check_what=$1
    shift
    if "$@"; then
        echo "ok: $check_what"
    else
        fail "$check_what"
    fi
}

fail() {
    echo "FAILED: $1" >&2
    exit 1
}
