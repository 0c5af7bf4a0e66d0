#!/bin/sh
# A cutover made of single tools, to read and to change. pgl-cutover does the same with less of a
# pause, undoes it by itself, and survives being killed; use this where the writers are stopped by
# something of your own.
#
#   export PGL_SOURCE='service=old' PGL_TARGET='service=new'
#   export STOP_WRITERS='systemctl stop shop'  START_WRITERS='systemctl start shop'
#   scripts/cutover.sh && ./point-clients-at-the-target
#
# Until the last line any failure starts the writers again, on the source.
set -eu

: "${PGL_SOURCE:?}" "${PGL_TARGET:?}"
: "${STOP_WRITERS:?command that stops everybody who writes}"
: "${START_WRITERS:?command that lets them write to the source again}"

pgl-cutover --dry-run --format text >&2              # what is in the way is found before anybody waits
pgl-status --wait-for caught-up --timeout 10m >/dev/null

restore() {
    code=$?
    trap - EXIT INT TERM
    echo 'cutover.sh: taken back, the source takes writes' >&2
    sh -c "$START_WRITERS"
    exit "$((code == 0 ? 1 : code))"
}
trap restore EXIT INT TERM

sh -c "$STOP_WRITERS"
pgl-status --wait-for caught-up --timeout 1m >/dev/null
pgl-seqsync >/dev/null
pgl-verify >/dev/null
pgl-setup --step target.foreign-keys >/dev/null

trap - EXIT INT TERM
echo 'cutover.sh: the target has everything' >&2
