#!/bin/sh
# A cutover made of single tools, to read and to change. pgl-cutover does the same with a shorter
# write outage, undoes it by itself, and survives being killed; use this where the writers are stopped
# by something of your own.
#
#   export PGL_SOURCE='service=old' PGL_TARGET='service=new'
#   export STOP_WRITERS='systemctl stop shop'  START_WRITERS='systemctl start shop'
#   scripts/cutover.sh && ./point-clients-at-the-target
#
# Needs signals.sh beside it.
# Until the last line any failure, and any signal, starts the writers again, on the source.
set -eu

: "${PGL_SOURCE:?}" "${PGL_TARGET:?}"
: "${STOP_WRITERS:?command that stops everybody who writes}"
: "${START_WRITERS:?command that lets them write to the source again}"

# shellcheck source=scripts/signals.sh
. "$(dirname "$0")/signals.sh"

run pgl-cutover --dry-run --format text >&2              # failed preconditions are found before anybody waits
run pgl-status --wait-for caught-up --timeout 10m >/dev/null

restore() {
    code=$?
    trap - EXIT
    trap '' HUP INT QUIT TERM
    echo 'cutover.sh: rolled back, the source accepts writes' >&2
    sh -c "$START_WRITERS"
    exit "$((code == 0 ? 1 : code))"
}
trap restore EXIT

# In the foreground: a signal waits for its end, for what it has begun must not take effect after START_WRITERS.
sh -c "$STOP_WRITERS"
run pgl-status --wait-for caught-up --timeout 1m >/dev/null
run pgl-seqsync >/dev/null
run pgl-verify >/dev/null
run pgl-setup --step target.foreign-keys >/dev/null

trap '' HUP INT QUIT TERM
trap - EXIT
echo 'cutover.sh: the target has everything' >&2
