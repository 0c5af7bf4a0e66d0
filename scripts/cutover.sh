#!/bin/sh
# A cutover made of single tools, to read and to change. pgl-cutover does the same with a shorter
# write outage, undoes it by itself, and survives being killed; use this where the writers are stopped
# by something of your own.
#
#   export PGL_SOURCE='service=old' PGL_TARGET='service=new'
#   export STOP_WRITERS='systemctl stop shop'  START_WRITERS='systemctl start shop'
#   scripts/cutover.sh && ./point-clients-at-the-target
#
# Until the last line any failure, and any signal, starts the writers again, on the source.
set -eu

: "${PGL_SOURCE:?}" "${PGL_TARGET:?}"
: "${STOP_WRITERS:?command that stops everybody who writes}"
: "${START_WRITERS:?command that lets them write to the source again}"

# A shell that waits for a program in the foreground sees a signal only when that has ended.
run() {
    "$@" <&0 &
    child=$!
    code=0
    wait "$child" || code=$?
    child=
    return "$code"
}

stop() {
    trap '' HUP INT TERM
    code=143
    if [ -n "$child" ]; then
        kill -s "$1" "$child"
        wait "$child" || code=$?
    fi
    exit "$code"
}

child=
trap 'stop HUP' HUP
trap 'stop INT' INT
trap 'stop TERM' TERM

run pgl-cutover --dry-run --format text >&2              # failed preconditions are found before anybody waits
run pgl-status --wait-for caught-up --timeout 10m >/dev/null

restore() {
    code=$?
    trap - EXIT
    trap '' HUP INT TERM
    echo 'cutover.sh: rolled back, the source accepts writes' >&2
    sh -c "$START_WRITERS"
    exit "$((code == 0 ? 1 : code))"
}
trap restore EXIT

run sh -c "$STOP_WRITERS"
run pgl-status --wait-for caught-up --timeout 1m >/dev/null
run pgl-seqsync >/dev/null
run pgl-verify >/dev/null
run pgl-setup --step target.foreign-keys >/dev/null

trap '' HUP INT TERM
trap - EXIT
echo 'cutover.sh: the target has everything' >&2
