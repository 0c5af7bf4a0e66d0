#!/bin/sh
# Moves every database of a server, one after the other, with migrate.sh and signals.sh beside it.
#
#   PGL_SOURCE='host=old user=postgres' PGL_TARGET='host=new user=postgres' migrate-cluster.sh [OPTION OF pgl-setup]…
#
# Both strings are keywords (host=…), not URIs, and name no database: each database is put behind
# them. Roles come with the first database (--roles copy is added). A database that fails does not
# keep the others from being moved; the exit code is that of the first that failed. A signal ends
# the database at work, and no further one is begun.
#
#   PGL_DIR      where the documents go, one directory a database (default: ./pgl-migration)
#   PGL_EXCLUDE  databases to leave out, as a regular expression of the server (default: ^postgres$)
set -eu

: "${PGL_SOURCE:?set PGL_SOURCE to the server to move, without a database}"
: "${PGL_TARGET:?set PGL_TARGET to the target server, without a database}"
case "$PGL_SOURCE$PGL_TARGET" in
*://*)
    echo "migrate-cluster: give keywords (host=… user=…), not URIs" >&2
    exit 2
    ;;
esac
here=$(dirname "$0")
# shellcheck source=scripts/signals.sh
. "$here/signals.sh"

base=${PGL_DIR:-pgl-migration}
exclude=${PGL_EXCLUDE:-^postgres\$}
first=0
list=$(psql -XAtq "$PGL_SOURCE dbname=postgres" -v exclude="$exclude" <<'SQL'
SELECT datname FROM pg_database
 WHERE datallowconn AND NOT datistemplate AND datname !~ :'exclude'
 ORDER BY datname
SQL
)
if [ -z "$list" ]; then
    echo "migrate-cluster: no database is left to move" >&2
    exit 2
fi
# One name a line; a name with a line break in it would need more than a shell.
while IFS= read -r name; do
    # As libpq wants it: in quotes, with a backslash before quotes and backslashes.
    quoted=$(printf '%s' "$name" | sed "s/[\\\\']/\\\\&/g")
    echo "migrate-cluster: $name" >&2
    source="$PGL_SOURCE dbname='$quoted'"
    target="$PGL_TARGET dbname='$quoted'"
    code=0
    # Preflight reads the target's database: it has to exist first.
    run env "PGL_SOURCE=$source" "PGL_TARGET=$target" \
        pgl-setup --step target.database --format json </dev/null >/dev/null || code=$?
    if [ "$code" -eq 0 ]; then
        run env "PGL_SOURCE=$source" "PGL_TARGET=$target" "PGL_DIR=$base/$name" \
            "$here/migrate.sh" --roles copy "$@" </dev/null || code=$?
    fi
    if [ "$code" -ne 0 ]; then
        echo "migrate-cluster: $name was not moved (exit code $code)" >&2
        [ "$first" -ne 0 ] || first=$code
    fi
done <<LIST
$list
LIST
exit "$first"
