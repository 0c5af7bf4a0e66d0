# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_pgl_verify_global_optspecs
    string join \n source= target= schema= exclude-schema= table= exclude-table= plan= force= format= color= q/quiet v/verbose mode= counts-only digest= j/jobs= throttle= timeout= max-diffs= columns= exclude-column= where= sample= allow-widening redact fix-sql resume= shard= source-snapshot= target-snapshot= max-wait= max-barrier= h/help V/version
end

function __fish_pgl_verify_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_pgl_verify_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_pgl_verify_using_subcommand
    set -l cmd (__fish_pgl_verify_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -l source -d 'Source database: a libpq connection string or URI, with libpq\'s meaning [env: PGL_SOURCE]' -r
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -l target -d 'Target database, likewise [env: PGL_TARGET]' -r
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -l schema -d 'Only tables in schemas that match (repeatable; patterns as in pg_dump)' -r
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -l exclude-schema -d 'No tables in schemas that match (repeatable)' -r
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -l table -d 'Only tables that match (repeatable)' -r
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -l exclude-table -d 'No tables that match (repeatable)' -r
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -l plan -d 'Document of an earlier tool to take migration and plan from; - is standard input' -r -F
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -l force -d 'Go on although this finding blocks (repeatable; exactly the ids that block)' -r
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -l format -d 'Form of the answer on stdout [default: text on a terminal, json otherwise]' -r -f -a "text\t'For people'
json\t'One document'
ndjson\t'One object a line, a closing summary'
csv\t'One table with a header'"
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -l mode -d 'How writes that go on are dealt with; see below' -r -f -a "auto\t'live where a subscription runs, static otherwise; says which'
live\t'Proof without locks while writes go on'
barrier\t'Proof by a short lock on the source'
snapshot\t'Two snapshots exported elsewhere'
static\t'Plain comparison: nobody writes'"
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -l digest -d 'Where rows are digested' -r -f -a "auto\t'The fastest exact function that both servers have'
server\t'Inside the servers'
md5\t'Inside the servers with md5, as for servers before 11: slower, 128 bits a row'
client\t'Here, from binary COPY, 128 bits a row: sends every row over the network'"
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -s j -l jobs -d 'Queries at a time, on both servers together' -r
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -l throttle -d 'Bytes of tables to read per second at most, on both servers together (10MB)' -r
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -l timeout -d 'Give up after this time; tables that are not finished count as inconclusive' -r
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -l max-diffs -d 'Differing rows to name per table' -r
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -l columns -d 'Only these columns and the key: COLUMN or [SCHEMA.]TABLE.COLUMN' -r
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -l exclude-column -d 'Not these columns' -r
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -l where -d 'Only rows that meet this SQL condition, on both sides (names outside pg_catalog with schema)' -r
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -l sample -d 'Only this share of the rows in percent, chosen by a hash of the key' -r
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -l resume -d 'Keep finished tables in this file, and take them from it when it is there' -r -F
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -l shard -d 'Only the i-th of n parts of the tables' -r
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -l source-snapshot -d 'Exported snapshot of the source, for --mode snapshot' -r
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -l target-snapshot -d 'Exported snapshot of the target, for --mode snapshot' -r
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -l max-wait -d 'How long the target may take to catch up with a position of the source' -r
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -l max-barrier -d 'How long writers may wait behind the locks of --mode barrier' -r
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -s q -l quiet -d 'Errors only on stderr'
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -s v -l verbose -d 'More on stderr (repeatable)'
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -l counts-only -d 'Compare row counts only: says nothing about content'
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -l allow-widening -d 'Treat a column as the same where only the width of its type differs (integer and bigint)'
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -l redact -d 'Show no values, only which rows and columns differ'
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -l fix-sql -d 'Print the statements that would mend the target, instead of the report; never run here'
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -s V -l version -d 'Print version'
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -f -a "merge" -d 'Join the JSON documents of all shards into one verdict'
complete -c pgl-verify -n "__fish_pgl_verify_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pgl-verify -n "__fish_pgl_verify_using_subcommand merge" -l format -d 'Form of the answer on stdout [default: text on a terminal, json otherwise]' -r -f -a "text\t'For people'
json\t'One document'
ndjson\t'One object a line, a closing summary'
csv\t'One table with a header'"
complete -c pgl-verify -n "__fish_pgl_verify_using_subcommand merge" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c pgl-verify -n "__fish_pgl_verify_using_subcommand merge" -s q -l quiet -d 'Errors only on stderr'
complete -c pgl-verify -n "__fish_pgl_verify_using_subcommand merge" -s v -l verbose -d 'More on stderr (repeatable)'
complete -c pgl-verify -n "__fish_pgl_verify_using_subcommand merge" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pgl-verify -n "__fish_pgl_verify_using_subcommand help; and not __fish_seen_subcommand_from merge help" -f -a "merge" -d 'Join the JSON documents of all shards into one verdict'
complete -c pgl-verify -n "__fish_pgl_verify_using_subcommand help; and not __fish_seen_subcommand_from merge help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
