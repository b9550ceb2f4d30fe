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

# until_there FILE: waits for a node that the kernel makes.
until_there() {
    there_tries=500
    while [ ! -e "$1" ]; do
        there_tries=$((there_tries - 1))
        [ $there_tries -gt 0 ] || fail "$1 does not appear"
        usleep 20000
    done
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

# section WORDS: what comes now, and when.
section() {
    read -r section_seconds _ </proc/uptime
    echo "-- $1 ($section_seconds s)"
}

# hand_over NAME: the test that started the guest gets standard input under this name.
hand_over() {
    echo "$1 $(base64 -w 0)" >/dev/ttyS1
}

fail() {
    echo "FAILED: $1" >&2
    exit 1
}
