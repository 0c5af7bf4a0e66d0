# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_pgl_control_global_optspecs
    string join \n h/help V/version
end

function __fish_pgl_control_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_pgl_control_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_pgl_control_using_subcommand
    set -l cmd (__fish_pgl_control_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c pgl-control -n "__fish_pgl_control_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pgl-control -n "__fish_pgl_control_needs_command" -s V -l version -d 'Print version'
complete -c pgl-control -n "__fish_pgl_control_needs_command" -f -a "pause" -d 'Stop replication; the slot retains what is written meanwhile'
complete -c pgl-control -n "__fish_pgl_control_needs_command" -f -a "resume" -d 'Start replication again, and prove with a marker row that it works'
complete -c pgl-control -n "__fish_pgl_control_needs_command" -f -a "resync" -d 'Copy tables again'
complete -c pgl-control -n "__fish_pgl_control_needs_command" -f -a "add-table" -d 'Add tables to the replication, with their rows'
complete -c pgl-control -n "__fish_pgl_control_needs_command" -f -a "remove-table" -d 'Remove tables from the replication; their rows on the target stay'
complete -c pgl-control -n "__fish_pgl_control_needs_command" -f -a "add-sequence" -d 'Add sequences to the plan'
complete -c pgl-control -n "__fish_pgl_control_needs_command" -f -a "skip" -d 'Skip the transaction that stops the target; without --lsn, show it'
complete -c pgl-control -n "__fish_pgl_control_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand pause" -l source -d 'Source database: a libpq connection string or URI, with libpq\'s meaning [env: PGL_SOURCE]' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand pause" -l target -d 'Target database, likewise [env: PGL_TARGET]' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand pause" -l plan -d 'Document of an earlier tool to take migration and plan from; - is standard input' -r -F
complete -c pgl-control -n "__fish_pgl_control_using_subcommand pause" -l name -d 'Name of the migration [default: the plan\'s, else the source database\'s]' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand pause" -l timeout -d 'How long to wait for locks on the source, and for the target to catch up' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand pause" -l lock-timeout -d 'How long writers of a table may have to wait behind one try to lock it' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand pause" -l format -d 'Form of the answer on stdout [default: text on a terminal, json otherwise]' -r -f -a "text\t'For people'
json\t'One document'
ndjson\t'One object a line, a closing summary'
csv\t'One table with a header'"
complete -c pgl-control -n "__fish_pgl_control_using_subcommand pause" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c pgl-control -n "__fish_pgl_control_using_subcommand pause" -l force -d 'Go on although this finding blocks (repeatable; exactly the ids that block)' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand pause" -l dry-run -d 'Change nothing; show what would be done, with the statements'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand pause" -s y -l yes -d 'Confirm without being asked'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand pause" -s q -l quiet -d 'Errors only on stderr'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand pause" -s v -l verbose -d 'More on stderr (repeatable)'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand pause" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand resume" -l source -d 'Source database: a libpq connection string or URI, with libpq\'s meaning [env: PGL_SOURCE]' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand resume" -l target -d 'Target database, likewise [env: PGL_TARGET]' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand resume" -l plan -d 'Document of an earlier tool to take migration and plan from; - is standard input' -r -F
complete -c pgl-control -n "__fish_pgl_control_using_subcommand resume" -l name -d 'Name of the migration [default: the plan\'s, else the source database\'s]' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand resume" -l timeout -d 'How long to wait for locks on the source, and for the target to catch up' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand resume" -l lock-timeout -d 'How long writers of a table may have to wait behind one try to lock it' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand resume" -l format -d 'Form of the answer on stdout [default: text on a terminal, json otherwise]' -r -f -a "text\t'For people'
json\t'One document'
ndjson\t'One object a line, a closing summary'
csv\t'One table with a header'"
complete -c pgl-control -n "__fish_pgl_control_using_subcommand resume" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c pgl-control -n "__fish_pgl_control_using_subcommand resume" -l force -d 'Go on although this finding blocks (repeatable; exactly the ids that block)' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand resume" -l dry-run -d 'Change nothing; show what would be done, with the statements'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand resume" -s y -l yes -d 'Confirm without being asked'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand resume" -s q -l quiet -d 'Errors only on stderr'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand resume" -s v -l verbose -d 'More on stderr (repeatable)'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand resume" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand resync" -l source -d 'Source database: a libpq connection string or URI, with libpq\'s meaning [env: PGL_SOURCE]' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand resync" -l target -d 'Target database, likewise [env: PGL_TARGET]' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand resync" -l plan -d 'Document of an earlier tool to take migration and plan from; - is standard input' -r -F
complete -c pgl-control -n "__fish_pgl_control_using_subcommand resync" -l name -d 'Name of the migration [default: the plan\'s, else the source database\'s]' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand resync" -l timeout -d 'How long to wait for locks on the source, and for the target to catch up' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand resync" -l lock-timeout -d 'How long writers of a table may have to wait behind one try to lock it' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand resync" -l format -d 'Form of the answer on stdout [default: text on a terminal, json otherwise]' -r -f -a "text\t'For people'
json\t'One document'
ndjson\t'One object a line, a closing summary'
csv\t'One table with a header'"
complete -c pgl-control -n "__fish_pgl_control_using_subcommand resync" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c pgl-control -n "__fish_pgl_control_using_subcommand resync" -l force -d 'Go on although this finding blocks (repeatable; exactly the ids that block)' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand resync" -l always -d 'Copy a table also where both sides are equal'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand resync" -l dry-run -d 'Change nothing; show what would be done, with the statements'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand resync" -s y -l yes -d 'Confirm without being asked'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand resync" -s q -l quiet -d 'Errors only on stderr'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand resync" -s v -l verbose -d 'More on stderr (repeatable)'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand resync" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand add-table" -l pg-bindir -d 'Directory of pg_dump [default: the newest found] [env: PGL_PG_BINDIR]' -r -F
complete -c pgl-control -n "__fish_pgl_control_using_subcommand add-table" -l source -d 'Source database: a libpq connection string or URI, with libpq\'s meaning [env: PGL_SOURCE]' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand add-table" -l target -d 'Target database, likewise [env: PGL_TARGET]' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand add-table" -l plan -d 'Document of an earlier tool to take migration and plan from; - is standard input' -r -F
complete -c pgl-control -n "__fish_pgl_control_using_subcommand add-table" -l name -d 'Name of the migration [default: the plan\'s, else the source database\'s]' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand add-table" -l timeout -d 'How long to wait for locks on the source, and for the target to catch up' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand add-table" -l lock-timeout -d 'How long writers of a table may have to wait behind one try to lock it' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand add-table" -l format -d 'Form of the answer on stdout [default: text on a terminal, json otherwise]' -r -f -a "text\t'For people'
json\t'One document'
ndjson\t'One object a line, a closing summary'
csv\t'One table with a header'"
complete -c pgl-control -n "__fish_pgl_control_using_subcommand add-table" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c pgl-control -n "__fish_pgl_control_using_subcommand add-table" -l force -d 'Go on although this finding blocks (repeatable; exactly the ids that block)' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand add-table" -l dry-run -d 'Change nothing; show what would be done, with the statements'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand add-table" -s y -l yes -d 'Confirm without being asked'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand add-table" -s q -l quiet -d 'Errors only on stderr'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand add-table" -s v -l verbose -d 'More on stderr (repeatable)'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand add-table" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand remove-table" -l source -d 'Source database: a libpq connection string or URI, with libpq\'s meaning [env: PGL_SOURCE]' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand remove-table" -l target -d 'Target database, likewise [env: PGL_TARGET]' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand remove-table" -l plan -d 'Document of an earlier tool to take migration and plan from; - is standard input' -r -F
complete -c pgl-control -n "__fish_pgl_control_using_subcommand remove-table" -l name -d 'Name of the migration [default: the plan\'s, else the source database\'s]' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand remove-table" -l timeout -d 'How long to wait for locks on the source, and for the target to catch up' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand remove-table" -l lock-timeout -d 'How long writers of a table may have to wait behind one try to lock it' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand remove-table" -l format -d 'Form of the answer on stdout [default: text on a terminal, json otherwise]' -r -f -a "text\t'For people'
json\t'One document'
ndjson\t'One object a line, a closing summary'
csv\t'One table with a header'"
complete -c pgl-control -n "__fish_pgl_control_using_subcommand remove-table" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c pgl-control -n "__fish_pgl_control_using_subcommand remove-table" -l force -d 'Go on although this finding blocks (repeatable; exactly the ids that block)' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand remove-table" -l dry-run -d 'Change nothing; show what would be done, with the statements'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand remove-table" -s y -l yes -d 'Confirm without being asked'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand remove-table" -s q -l quiet -d 'Errors only on stderr'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand remove-table" -s v -l verbose -d 'More on stderr (repeatable)'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand remove-table" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand add-sequence" -l pg-bindir -d 'Directory of pg_dump [default: the newest found] [env: PGL_PG_BINDIR]' -r -F
complete -c pgl-control -n "__fish_pgl_control_using_subcommand add-sequence" -l source -d 'Source database: a libpq connection string or URI, with libpq\'s meaning [env: PGL_SOURCE]' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand add-sequence" -l target -d 'Target database, likewise [env: PGL_TARGET]' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand add-sequence" -l plan -d 'Document of an earlier tool to take migration and plan from; - is standard input' -r -F
complete -c pgl-control -n "__fish_pgl_control_using_subcommand add-sequence" -l name -d 'Name of the migration [default: the plan\'s, else the source database\'s]' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand add-sequence" -l timeout -d 'How long to wait for locks on the source, and for the target to catch up' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand add-sequence" -l lock-timeout -d 'How long writers of a table may have to wait behind one try to lock it' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand add-sequence" -l format -d 'Form of the answer on stdout [default: text on a terminal, json otherwise]' -r -f -a "text\t'For people'
json\t'One document'
ndjson\t'One object a line, a closing summary'
csv\t'One table with a header'"
complete -c pgl-control -n "__fish_pgl_control_using_subcommand add-sequence" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c pgl-control -n "__fish_pgl_control_using_subcommand add-sequence" -l force -d 'Go on although this finding blocks (repeatable; exactly the ids that block)' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand add-sequence" -l dry-run -d 'Change nothing; show what would be done, with the statements'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand add-sequence" -s y -l yes -d 'Confirm without being asked'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand add-sequence" -s q -l quiet -d 'Errors only on stderr'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand add-sequence" -s v -l verbose -d 'More on stderr (repeatable)'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand add-sequence" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand skip" -l lsn -d 'The transaction to skip, by the LSN at which its commit ends' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand skip" -l source -d 'Source database: a libpq connection string or URI, with libpq\'s meaning [env: PGL_SOURCE]' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand skip" -l target -d 'Target database, likewise [env: PGL_TARGET]' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand skip" -l plan -d 'Document of an earlier tool to take migration and plan from; - is standard input' -r -F
complete -c pgl-control -n "__fish_pgl_control_using_subcommand skip" -l name -d 'Name of the migration [default: the plan\'s, else the source database\'s]' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand skip" -l timeout -d 'How long to wait for locks on the source, and for the target to catch up' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand skip" -l lock-timeout -d 'How long writers of a table may have to wait behind one try to lock it' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand skip" -l format -d 'Form of the answer on stdout [default: text on a terminal, json otherwise]' -r -f -a "text\t'For people'
json\t'One document'
ndjson\t'One object a line, a closing summary'
csv\t'One table with a header'"
complete -c pgl-control -n "__fish_pgl_control_using_subcommand skip" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c pgl-control -n "__fish_pgl_control_using_subcommand skip" -l force -d 'Go on although this finding blocks (repeatable; exactly the ids that block)' -r
complete -c pgl-control -n "__fish_pgl_control_using_subcommand skip" -l dry-run -d 'Change nothing; show what would be done, with the statements'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand skip" -s y -l yes -d 'Confirm without being asked'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand skip" -s q -l quiet -d 'Errors only on stderr'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand skip" -s v -l verbose -d 'More on stderr (repeatable)'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand skip" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand help; and not __fish_seen_subcommand_from pause resume resync add-table remove-table add-sequence skip help" -f -a "pause" -d 'Stop replication; the slot retains what is written meanwhile'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand help; and not __fish_seen_subcommand_from pause resume resync add-table remove-table add-sequence skip help" -f -a "resume" -d 'Start replication again, and prove with a marker row that it works'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand help; and not __fish_seen_subcommand_from pause resume resync add-table remove-table add-sequence skip help" -f -a "resync" -d 'Copy tables again'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand help; and not __fish_seen_subcommand_from pause resume resync add-table remove-table add-sequence skip help" -f -a "add-table" -d 'Add tables to the replication, with their rows'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand help; and not __fish_seen_subcommand_from pause resume resync add-table remove-table add-sequence skip help" -f -a "remove-table" -d 'Remove tables from the replication; their rows on the target stay'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand help; and not __fish_seen_subcommand_from pause resume resync add-table remove-table add-sequence skip help" -f -a "add-sequence" -d 'Add sequences to the plan'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand help; and not __fish_seen_subcommand_from pause resume resync add-table remove-table add-sequence skip help" -f -a "skip" -d 'Skip the transaction that stops the target; without --lsn, show it'
complete -c pgl-control -n "__fish_pgl_control_using_subcommand help; and not __fish_seen_subcommand_from pause resume resync add-table remove-table add-sequence skip help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
