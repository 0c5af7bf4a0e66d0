#!/bin/sh
# Moves one live database up to the point where the target has caught up and both sides were compared:
# preflight, setup, wait, sequences, comparison. The cutover is another decision, and another tool.
#
#   PGL_SOURCE='host=old dbname=shop' PGL_TARGET='host=new dbname=shop' migrate.sh [OPTION OF pgl-setup]…
#
# The documents of all tools are kept in $PGL_DIR (default: ./pgl-migration); none holds a password.
# A run that was stopped is continued by the same command in the same place: the plan that it
# began with is used again. A signal is passed on to the tool that runs, whose end is
# waited for; that takes signals.sh beside this script.
#
#   PGL_DIR      where the documents go
#   PGL_TIMEOUT  how long the target may take to catch up (default: 6h)
#
# Ends with the exit code of the tool that did not succeed; see their --help.
set -eu

: "${PGL_SOURCE:?set PGL_SOURCE to the database to move}"
: "${PGL_TARGET:?set PGL_TARGET to the target database}"
dir=${PGL_DIR:-pgl-migration}
timeout=${PGL_TIMEOUT:-6h}
mkdir -p "$dir"

say() {
    printf '%s\n' "migrate: $*" >&2
}

# shellcheck source=scripts/signals.sh
. "$(dirname "$0")/signals.sh"

if [ ! -s "$dir/plan.json" ]; then
    say "checking both servers"
    # The plan counts only once it is whole, and once nothing blocks.
    code=0
    run pgl-preflight --format json >"$dir/plan.new" || code=$?
    if [ "$code" -ne 0 ]; then
        run pgl-preflight --format text >&2 || :
        say "fix what blocks, then run this again"
        exit "$code"
    fi
    mv "$dir/plan.new" "$dir/plan.json"
fi

say "setting up (the documents are in $dir)"
run pgl-setup --plan "$dir/plan.json" --format json "$@" >"$dir/setup.json"

say "waiting for the target to catch up"
run pgl-status --plan "$dir/plan.json" --wait-for caught-up --timeout "$timeout" --format json >"$dir/status.json"

say "setting the target's sequences (once more at the cutover)"
run pgl-seqsync --plan "$dir/plan.json" --format json >"$dir/seqsync.json"

say "comparing both sides"
run pgl-verify --plan "$dir/plan.json" --format json >"$dir/verify.json"

say "done: both sides hold the same rows, and replication goes on"
