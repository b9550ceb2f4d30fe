#!/bin/sh
# A pinentry with nobody in front of it. Beside the link by which it is called lie:
#   answers  one a line, used up first; !cancel closes the window
#   known    lines "WORD ANSWER": the answer to questions with that word in them
#   asked    written here: a line for each question
# Some callers have no PATH.
PATH=${PATH:-/usr/bin:/bin}
here=$(dirname "$0")
question=

answer() {
    if [ -s "$here/answers" ]; then
        { read -r REPLY; cat >"$here/answers.rest"; } <"$here/answers"
        mv "$here/answers.rest" "$here/answers"
        return 0
    fi
    [ -e "$here/known" ] || return 1
    while read -r word REPLY; do
        case $question in *"$word"*) return 0 ;; esac
    done <"$here/known"
    return 1
}

echo "OK nobody here"
while read -r command argument; do
    case $command in
    SETDESC) question=$argument; echo OK ;;
    GETPIN)
        printf '%s\n' "$question" >>"$here/asked"
        if ! answer || [ "$REPLY" = "!cancel" ]; then
            echo "ERR 83886179 Operation cancelled <Pinentry>"
        else
            printf 'D %s\nOK\n' "$REPLY"
        fi
        ;;
    BYE) echo OK; exit 0 ;;
    *) echo OK ;;
    esac
done
