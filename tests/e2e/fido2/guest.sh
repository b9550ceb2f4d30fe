# What a person does with FIDO2 tokens, where their nodes are the kernel's own: the test of the guest in tests/lab, with its
# words. Ana is not root. What tapvault answers where a library stands in for the kernel is tested beside this file.
# shellcheck shell=sh

export PINENTRY_PROGRAM=/home/ana/hand/pinentry XDG_RUNTIME_DIR=/run/ana
mkdir -m 700 /run/ana
chown ana /run/ana
cd /home/ana || exit

# ana CODE COMMAND [WORDS...]: ana runs the command; it ends with this code, and says all of these words.
ana() {
    ana_code=$1 ana_command=$2
    shift 2
    echo "\$ $ana_command"
    as_ana "$ana_command" >/run/said 2>&1
    ana_status=$?
    cat /run/said
    [ "$ana_status" = "$ana_code" ] || fail "it ended with $ana_status and not with $ana_code"
    for ana_words in "$@"; do
        grep -qF -- "$ana_words" /run/said || fail "it does not say: $ana_words"
    done
}

# opens PROFILE TOKEN: exec opens the profile with this token, and hands out the access key.
opens() {
    ana 0 "tapvault exec --no-session $1 -- sh -c 'printf %s \"\$AWS_SECRET_ACCESS_KEY\" | cmp - /given/secret'" \
        "touch Soft FIDO2 key $2 to open $1"
}

# let_in NODE: what the udev rule has logind do for the person at the machine.
let_in() {
    until_there "$1"
    chown ana "$1"
}

# set_pin NODE SERIAL: a first PIN, with libfido2.
set_pin() {
    pin=$(pin_of "$2")
    printf '%s\n%s\n' "$pin" "$pin" | fido2-token -S "$1" >/dev/null 2>&1
}

pin_of() {
    sed -n "s/^$1 //p" /home/ana/hand/known
}

asked() {
    wc -l <hand/asked
}

exec_true="tapvault exec --no-session prod -- true"

section "a node that ana may not open"
first=$(plug one --serial FIDO0001 --touch-timeout-ms 1500) || exit 1
tell one auto-touch on >/dev/null
check "only root may" [ "$(stat -c '%U %a' "$first")" = "root 600" ]
ana 5 "tapvault key enroll fido2" \
    "no-key: Soft FIDO2 key FIDO0001 is plugged in, but this user may not open it ($first)" "docs/hardware.md has the udev rule"
let_in "$first"

section "enroll, add, exec"
ana 7 "tapvault key enroll fido2" "has no PIN yet" "fido2-token -S $first"
check "libfido2 sets a PIN" set_pin "$first" FIDO0001
ana 0 "tapvault key enroll fido2" "touch 3 of 3: Soft FIDO2 key FIDO0001" 'enrolled "fido2"'
ana 0 "tapvault add prod --offline --stdin </given/access-key" "touch Soft FIDO2 key FIDO0001 to seal prod"
opens prod FIDO0001
before=$(asked)
opens prod FIDO0001
check "the PIN is held" [ "$(asked)" = "$before" ]

section "what libfido2 says of it"
keys=.local/share/tapvault/keys.json
for part in credential salt; do
    grep -o "\"$part\":\"[^\"]*\"" $keys | cut -d '"' -f 4 >"/run/$part"
done
# Any hash will do for the client's data: nobody checks the signature.
{
    head -c 32 /dev/zero | base64
    echo age-encryption.org
    cat /run/credential /run/salt
} >/run/request
pin_of FIDO0001 | fido2-assert -G -h -v -i /run/request "$first" >/run/answer 2>/run/said || fail "$(cat /run/said)"
# The last line is what the token makes of the salt.
tail -n 1 /run/answer >/run/output
pin_of FIDO0001 | fido2-token -L -r "$first" >/run/stored 2>/run/said || fail "$(cat /run/said)"
check "nothing is stored on the token" [ ! -s /run/stored ]

section "a wrong PIN"
ana 0 "tapvault lock"
echo 00000000 >hand/answers
chown ana hand/answers
ana 7 "$exec_true" "pin: wrong PIN for Soft FIDO2 key FIDO0001; 7 tries left"
fido2-token -I "$first" >/run/said
check "libfido2 counts as many tries" grep -q "pin retries: 7" /run/said

section "no touch"
tell one auto-touch off >/dev/null
ana 6 "$exec_true" "no-touch: Soft FIDO2 key FIDO0001 was not touched (2 x "

section "pulled out while it waits"
as_ana "$exec_true" >/run/said 2>&1 &
waiting=$!
tell one wait 60000 >/dev/null
tell one remove >/dev/null
wait $waiting
status=$?
cat /run/said
check "it ends as one without a key" [ $status = 5 ]
check "it says so" grep -q "no-key: .*Soft FIDO2 key FIDO0001 was pulled out before it was done" /run/said

section "plugged in anew, and forbidden again"
# The agent looks once a second which nodes have gone; this one has its name back at once.
tell one insert >/dev/null
until_there "$first"
sleep 2
tell one auto-touch on >/dev/null
ana 5 "$exec_true" "this user may not open it ($first)"
ana 1 "tapvault doctor" "fail  Soft FIDO2 key FIDO0001 is plugged in, but this user may not open it ($first)"
let_in "$first"
before=$(asked)
opens prod FIDO0001
check "the PIN went with the token" [ "$(asked)" = $((before + 1)) ]

section "two tokens"
second=$(plug two --serial FIDO0002) || exit 1
tell two auto-touch on >/dev/null
let_in "$second"
check "libfido2 finds both" [ "$(fido2-token -L | wc -l)" = 2 ]
check "libfido2 sets its PIN" set_pin "$second" FIDO0002
ana 0 "tapvault key enroll fido2 --device $second --name second" "Soft FIDO2 key FIDO0001, to vouch" 'enrolled "second"'
tell one remove >/dev/null
ana 0 "tapvault add dev --offline --stdin </given/access-key" "touch Soft FIDO2 key FIDO0002" "sealed dev to fido2 and second"
opens prod FIDO0002
tell two remove >/dev/null
tell one insert >/dev/null
let_in "$first"
opens dev FIDO0001

rm -r hand
hand_over output </run/output
tar -c /home/ana /run/ana 2>/dev/null | hand_over left
