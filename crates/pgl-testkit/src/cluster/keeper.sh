# shellcheck shell=sh
#
# Keeps one server alive for as long as somebody holds the other end of standard input. At the end of
# that pipe, whoever wanted the server is gone, killed or not: then the server goes, and its files.
#
# usage: sh keeper.sh DIRECTORY LOCKFILE COMMAND...
set -u
directory=$1
lockfile=$2
shift 2

exec 3<&0 </dev/null
"$@" 3<&- &
server=$!

(
    # Nobody ever writes: cat returns when the pipe closes.
    cat <&3 >/dev/null
    : >"$directory/orphaned"
    kill -QUIT "$server"
) 2>/dev/null &
watcher=$!

wait "$server"
status=$?
if [ -e "$directory/orphaned" ]; then
    rm -rf "$directory" "$lockfile"
else
    # The cat holds nothing but the pipe, which closes with its only writer.
    kill "$watcher" 2>/dev/null
fi
exit "$status"
