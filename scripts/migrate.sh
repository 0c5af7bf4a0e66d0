#!/bin/sh
# Carries one live database over, up to the point where the target has caught up and was compared:
# preflight, setup, wait, sequences, comparison. The cutover is another decision, and another tool.
#
#   PGL_SOURCE='host=old dbname=shop' PGL_TARGET='host=new dbname=shop' migrate.sh [OPTION OF pgl-setup]…
#
# Everything that the tools say is kept in $PGL_DIR (default: ./pgl-migration), no password among
# it. A run that was stopped is continued by the same command in the same place: the plan that it
# began with is used again.
#
#   PGL_DIR      where the documents go
#   PGL_TIMEOUT  how long the target may take to catch up (default: 6h)
#
# Ends with the exit code of the tool that did not say yes; see their --help.
set -eu

: "${PGL_SOURCE:?set PGL_SOURCE to the database to move}"
: "${PGL_TARGET:?set PGL_TARGET to its new home}"
dir=${PGL_DIR:-pgl-migration}
timeout=${PGL_TIMEOUT:-6h}
mkdir -p "$dir"

say() {
    printf '%s\n' "migrate: $*" >&2
}

if [ ! -s "$dir/plan.json" ]; then
    say "looking for what would go wrong"
    # The plan counts only once it is whole, and once nothing blocks.
    if pgl-preflight --format json >"$dir/plan.new"; then
        mv "$dir/plan.new" "$dir/plan.json"
    else
        code=$?
        pgl-preflight --format text >&2 || :
        say "mend what blocks, then run this again"
        exit "$code"
    fi
fi

say "setting up (the documents are in $dir)"
pgl-setup --plan "$dir/plan.json" --format json "$@" >"$dir/setup.json"

say "waiting for the target to catch up"
pgl-status --plan "$dir/plan.json" --wait-for caught-up --timeout "$timeout" --format json >"$dir/status.json"

say "carrying the sequences over (once more at the cutover)"
pgl-seqsync --plan "$dir/plan.json" --format json >"$dir/seqsync.json"

say "comparing both sides"
pgl-verify --plan "$dir/plan.json" --format json >"$dir/verify.json"

say "done: both sides hold the same rows, and changes go on arriving"
