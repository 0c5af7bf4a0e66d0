#!/bin/sh
# Read by the scripts beside it: run COMMAND… passes a signal on to the command and waits for its end. A shell that waits
# for a program in the foreground sees a signal only when that has ended; one that is ended leaves it running.
set -eu

running=
run() {
    running=yes
    "$@" <&0 &
    code=0
    wait "$!" || code=$?
    running=
    return "$code"
}

# Ends with the command's exit code; between two commands with that of the signal.
stop() {
    trap '' HUP INT QUIT TERM
    code=$2
    if [ -n "$running" ] && kill -s "$1" "$!" 2>/dev/null; then
        code=0
        wait "$!" || code=$?
    fi
    echo "$(basename "$0" .sh): ended by SIG$1" >&2
    exit "$code"
}

trap 'stop HUP 129' HUP
trap 'stop INT 130' INT
trap 'stop QUIT 131' QUIT
trap 'stop TERM 143' TERM
