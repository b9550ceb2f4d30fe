
# shellcheck shell=bash
# Bash inserts candidates as they are: what a shell would split or take for its own has to be quoted here.
_tapvault() {
    local word="${COMP_WORDS[COMP_CWORD]}" at
    # Bash takes a colon for a word of its own, and clap would take it for an argument.
    if [[ $word == : || ${COMP_WORDS[COMP_CWORD - 1]} == : ]]; then
        COMPREPLY=()
        return
    fi
    _clap_complete_tapvault "$1" "${2//\\/}" "$3"
    # Inside quotes bash quotes for itself.
    [[ $word != [\"\']* ]] || return 0
    for at in "${!COMPREPLY[@]}"; do
        printf -v "COMPREPLY[at]" %q "${COMPREPLY[at]}"
    done
}
complete -o nospace -o bashdefault -F _tapvault tapvault
if [[ ${BASH_VERSINFO[0]} -gt 4 || (${BASH_VERSINFO[0]} -eq 4 && ${BASH_VERSINFO[1]} -ge 4) ]]; then
    complete -o nospace -o bashdefault -o nosort -F _tapvault tapvault
fi
