# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_pgl_cutover_global_optspecs
    string join \n source= target= plan= force= name= y/yes format= color= q/quiet v/verbose max-lag= max-pause= block= verify= large-objects hook-blocked= hook-drained= hook-promoted= hook-restored= hook-timeout= reverse reverse-dsn= reverse-subscriber-dsn= pg-bindir= dry-run h/help V/version
end

function __fish_pgl_cutover_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_pgl_cutover_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_pgl_cutover_using_subcommand
    set -l cmd (__fish_pgl_cutover_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -l source -d 'Source database: a libpq connection string or URI, with libpq\'s meaning [env: PGL_SOURCE]' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -l target -d 'Target database, likewise [env: PGL_TARGET]' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -l plan -d 'Document of an earlier tool to take migration and plan from; - is standard input' -r -F
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -l force -d 'Go on although this finding blocks (repeatable; exactly the ids that block)' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -l name -d 'Name of the migration [default: the plan\'s, else the source database\'s]' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -l format -d 'Form of the answer on stdout [default: text on a terminal, json otherwise]' -r -f -a "text\t'For people'
json\t'One document'
ndjson\t'One object a line, a closing summary'
csv\t'One table with a header'"
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -l max-lag -d 'Begin only when the target is at most this far behind, or catching up' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -l max-pause -d 'Roll back when writes are blocked for longer' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -l block -d 'How writes on the source are blocked' -r -f -a "read-only\t'Set default_transaction_read_only on the database and end open sessions'
hook\t'--hook-blocked stops the writers first, then the same: the table locks are granted only when nobody writes'"
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -l verify -d 'What is compared before the promotion' -r -f -a "counts\t'Row counts: small tables while writes are blocked, large ones as of then, right after it'
full\t'Every row of every table, by a hash, while writes are blocked'
none\t'Nothing'"
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -l hook-blocked -d 'Run CMD after writes are blocked; with --block hook, CMD stops the writers' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -l hook-drained -d 'Run CMD when the target has everything, just before the promotion' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -l hook-promoted -d 'Run CMD after the promotion: it sends the clients to the target' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -l hook-restored -d 'Run CMD when the source accepts writes again' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -l hook-timeout -d 'How long a hook may take' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -l reverse-dsn -d 'The target as the source\'s server reaches it, for --reverse [default: as --target]' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -l reverse-subscriber-dsn -d 'The source as its own server reaches itself, for --reverse [default: as --source of pgl-setup, no password]' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -l pg-bindir -d 'Directory of pg_dump [default: the newest found] [env: PGL_PG_BINDIR]' -r -F
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -s y -l yes -d 'Confirm without being asked'
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -s q -l quiet -d 'Errors only on stderr'
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -s v -l verbose -d 'More on stderr (repeatable)'
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -l large-objects -d 'Copy large objects: all before writes are blocked, and then what has changed since'
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -l reverse -d 'Prepare replication from target to source first, for a rollback that loses nothing'
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -l dry-run -d 'Evaluate the preconditions, change nothing, print the statements'
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -s V -l version -d 'Print version'
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -f -a "run" -d 'Promote the target (this is what happens without a command)'
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -f -a "rehearse" -d 'Do everything up to the promotion, then roll back; reports how long writes are blocked'
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -f -a "rollback" -d 'Go back to the source with what was written on the target (needs --reverse at the cutover)'
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -f -a "abort" -d 'Roll back what an earlier run left: the source accepts writes again'
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -f -a "resume" -d 'Finish, or roll back and begin again, what an earlier run left'
complete -c pgl-cutover -n "__fish_pgl_cutover_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand run" -l source -d 'Source database: a libpq connection string or URI, with libpq\'s meaning [env: PGL_SOURCE]' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand run" -l target -d 'Target database, likewise [env: PGL_TARGET]' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand run" -l plan -d 'Document of an earlier tool to take migration and plan from; - is standard input' -r -F
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand run" -l force -d 'Go on although this finding blocks (repeatable; exactly the ids that block)' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand run" -l name -d 'Name of the migration [default: the plan\'s, else the source database\'s]' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand run" -l format -d 'Form of the answer on stdout [default: text on a terminal, json otherwise]' -r -f -a "text\t'For people'
json\t'One document'
ndjson\t'One object a line, a closing summary'
csv\t'One table with a header'"
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand run" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand run" -l max-lag -d 'Begin only when the target is at most this far behind, or catching up' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand run" -l max-pause -d 'Roll back when writes are blocked for longer' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand run" -l block -d 'How writes on the source are blocked' -r -f -a "read-only\t'Set default_transaction_read_only on the database and end open sessions'
hook\t'--hook-blocked stops the writers first, then the same: the table locks are granted only when nobody writes'"
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand run" -l verify -d 'What is compared before the promotion' -r -f -a "counts\t'Row counts: small tables while writes are blocked, large ones as of then, right after it'
full\t'Every row of every table, by a hash, while writes are blocked'
none\t'Nothing'"
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand run" -l hook-blocked -d 'Run CMD after writes are blocked; with --block hook, CMD stops the writers' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand run" -l hook-drained -d 'Run CMD when the target has everything, just before the promotion' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand run" -l hook-promoted -d 'Run CMD after the promotion: it sends the clients to the target' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand run" -l hook-restored -d 'Run CMD when the source accepts writes again' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand run" -l hook-timeout -d 'How long a hook may take' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand run" -l reverse-dsn -d 'The target as the source\'s server reaches it, for --reverse [default: as --target]' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand run" -l reverse-subscriber-dsn -d 'The source as its own server reaches itself, for --reverse [default: as --source of pgl-setup, no password]' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand run" -l pg-bindir -d 'Directory of pg_dump [default: the newest found] [env: PGL_PG_BINDIR]' -r -F
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand run" -s y -l yes -d 'Confirm without being asked'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand run" -s q -l quiet -d 'Errors only on stderr'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand run" -s v -l verbose -d 'More on stderr (repeatable)'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand run" -l large-objects -d 'Copy large objects: all before writes are blocked, and then what has changed since'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand run" -l reverse -d 'Prepare replication from target to source first, for a rollback that loses nothing'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand run" -l dry-run -d 'Evaluate the preconditions, change nothing, print the statements'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rehearse" -l source -d 'Source database: a libpq connection string or URI, with libpq\'s meaning [env: PGL_SOURCE]' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rehearse" -l target -d 'Target database, likewise [env: PGL_TARGET]' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rehearse" -l plan -d 'Document of an earlier tool to take migration and plan from; - is standard input' -r -F
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rehearse" -l force -d 'Go on although this finding blocks (repeatable; exactly the ids that block)' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rehearse" -l name -d 'Name of the migration [default: the plan\'s, else the source database\'s]' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rehearse" -l format -d 'Form of the answer on stdout [default: text on a terminal, json otherwise]' -r -f -a "text\t'For people'
json\t'One document'
ndjson\t'One object a line, a closing summary'
csv\t'One table with a header'"
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rehearse" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rehearse" -l max-lag -d 'Begin only when the target is at most this far behind, or catching up' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rehearse" -l max-pause -d 'Roll back when writes are blocked for longer' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rehearse" -l block -d 'How writes on the source are blocked' -r -f -a "read-only\t'Set default_transaction_read_only on the database and end open sessions'
hook\t'--hook-blocked stops the writers first, then the same: the table locks are granted only when nobody writes'"
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rehearse" -l verify -d 'What is compared before the promotion' -r -f -a "counts\t'Row counts: small tables while writes are blocked, large ones as of then, right after it'
full\t'Every row of every table, by a hash, while writes are blocked'
none\t'Nothing'"
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rehearse" -l hook-blocked -d 'Run CMD after writes are blocked; with --block hook, CMD stops the writers' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rehearse" -l hook-drained -d 'Run CMD when the target has everything, just before the promotion' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rehearse" -l hook-promoted -d 'Run CMD after the promotion: it sends the clients to the target' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rehearse" -l hook-restored -d 'Run CMD when the source accepts writes again' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rehearse" -l hook-timeout -d 'How long a hook may take' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rehearse" -l reverse-dsn -d 'The target as the source\'s server reaches it, for --reverse [default: as --target]' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rehearse" -l reverse-subscriber-dsn -d 'The source as its own server reaches itself, for --reverse [default: as --source of pgl-setup, no password]' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rehearse" -l pg-bindir -d 'Directory of pg_dump [default: the newest found] [env: PGL_PG_BINDIR]' -r -F
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rehearse" -s y -l yes -d 'Confirm without being asked'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rehearse" -s q -l quiet -d 'Errors only on stderr'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rehearse" -s v -l verbose -d 'More on stderr (repeatable)'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rehearse" -l large-objects -d 'Copy large objects: all before writes are blocked, and then what has changed since'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rehearse" -l reverse -d 'Prepare replication from target to source first, for a rollback that loses nothing'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rehearse" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rollback" -l source -d 'Source database: a libpq connection string or URI, with libpq\'s meaning [env: PGL_SOURCE]' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rollback" -l target -d 'Target database, likewise [env: PGL_TARGET]' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rollback" -l plan -d 'Document of an earlier tool to take migration and plan from; - is standard input' -r -F
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rollback" -l force -d 'Go on although this finding blocks (repeatable; exactly the ids that block)' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rollback" -l name -d 'Name of the migration [default: the plan\'s, else the source database\'s]' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rollback" -l format -d 'Form of the answer on stdout [default: text on a terminal, json otherwise]' -r -f -a "text\t'For people'
json\t'One document'
ndjson\t'One object a line, a closing summary'
csv\t'One table with a header'"
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rollback" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rollback" -l max-lag -d 'Begin only when the target is at most this far behind, or catching up' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rollback" -l max-pause -d 'Roll back when writes are blocked for longer' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rollback" -l block -d 'How writes on the source are blocked' -r -f -a "read-only\t'Set default_transaction_read_only on the database and end open sessions'
hook\t'--hook-blocked stops the writers first, then the same: the table locks are granted only when nobody writes'"
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rollback" -l verify -d 'What is compared before the promotion' -r -f -a "counts\t'Row counts: small tables while writes are blocked, large ones as of then, right after it'
full\t'Every row of every table, by a hash, while writes are blocked'
none\t'Nothing'"
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rollback" -l hook-blocked -d 'Run CMD after writes are blocked; with --block hook, CMD stops the writers' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rollback" -l hook-drained -d 'Run CMD when the target has everything, just before the promotion' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rollback" -l hook-promoted -d 'Run CMD after the promotion: it sends the clients to the target' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rollback" -l hook-restored -d 'Run CMD when the source accepts writes again' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rollback" -l hook-timeout -d 'How long a hook may take' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rollback" -l pg-bindir -d 'Directory of pg_dump [default: the newest found] [env: PGL_PG_BINDIR]' -r -F
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rollback" -s y -l yes -d 'Confirm without being asked'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rollback" -s q -l quiet -d 'Errors only on stderr'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rollback" -s v -l verbose -d 'More on stderr (repeatable)'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rollback" -l large-objects -d 'Copy large objects: all before writes are blocked, and then what has changed since'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rollback" -l dry-run -d 'Evaluate the preconditions, change nothing, print the statements'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rollback" -l rehearse -d 'Do everything up to the moment at which the source would accept writes, then undo it'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand rollback" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand abort" -l source -d 'Source database: a libpq connection string or URI, with libpq\'s meaning [env: PGL_SOURCE]' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand abort" -l target -d 'Target database, likewise [env: PGL_TARGET]' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand abort" -l plan -d 'Document of an earlier tool to take migration and plan from; - is standard input' -r -F
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand abort" -l force -d 'Go on although this finding blocks (repeatable; exactly the ids that block)' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand abort" -l name -d 'Name of the migration [default: the plan\'s, else the source database\'s]' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand abort" -l format -d 'Form of the answer on stdout [default: text on a terminal, json otherwise]' -r -f -a "text\t'For people'
json\t'One document'
ndjson\t'One object a line, a closing summary'
csv\t'One table with a header'"
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand abort" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand abort" -l hook-restored -d 'Run CMD when the source accepts writes again' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand abort" -l hook-timeout -d 'How long a hook may take' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand abort" -l terminate -d 'End the run whose session has this process id and holds the lock; can be repeated' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand abort" -s y -l yes -d 'Confirm without being asked'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand abort" -s q -l quiet -d 'Errors only on stderr'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand abort" -s v -l verbose -d 'More on stderr (repeatable)'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand abort" -l open-target -d 'Make the target writable again, which attempts leave read-only'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand abort" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand resume" -l source -d 'Source database: a libpq connection string or URI, with libpq\'s meaning [env: PGL_SOURCE]' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand resume" -l target -d 'Target database, likewise [env: PGL_TARGET]' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand resume" -l plan -d 'Document of an earlier tool to take migration and plan from; - is standard input' -r -F
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand resume" -l force -d 'Go on although this finding blocks (repeatable; exactly the ids that block)' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand resume" -l name -d 'Name of the migration [default: the plan\'s, else the source database\'s]' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand resume" -l format -d 'Form of the answer on stdout [default: text on a terminal, json otherwise]' -r -f -a "text\t'For people'
json\t'One document'
ndjson\t'One object a line, a closing summary'
csv\t'One table with a header'"
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand resume" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand resume" -l max-lag -d 'Begin only when the target is at most this far behind, or catching up' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand resume" -l max-pause -d 'Roll back when writes are blocked for longer' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand resume" -l block -d 'How writes on the source are blocked' -r -f -a "read-only\t'Set default_transaction_read_only on the database and end open sessions'
hook\t'--hook-blocked stops the writers first, then the same: the table locks are granted only when nobody writes'"
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand resume" -l verify -d 'What is compared before the promotion' -r -f -a "counts\t'Row counts: small tables while writes are blocked, large ones as of then, right after it'
full\t'Every row of every table, by a hash, while writes are blocked'
none\t'Nothing'"
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand resume" -l hook-blocked -d 'Run CMD after writes are blocked; with --block hook, CMD stops the writers' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand resume" -l hook-drained -d 'Run CMD when the target has everything, just before the promotion' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand resume" -l hook-promoted -d 'Run CMD after the promotion: it sends the clients to the target' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand resume" -l hook-restored -d 'Run CMD when the source accepts writes again' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand resume" -l hook-timeout -d 'How long a hook may take' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand resume" -l reverse-dsn -d 'The target as the source\'s server reaches it, for --reverse [default: as --target]' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand resume" -l reverse-subscriber-dsn -d 'The source as its own server reaches itself, for --reverse [default: as --source of pgl-setup, no password]' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand resume" -l pg-bindir -d 'Directory of pg_dump [default: the newest found] [env: PGL_PG_BINDIR]' -r -F
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand resume" -l terminate -d 'End the run whose session has this process id and holds the lock; can be repeated' -r
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand resume" -s y -l yes -d 'Confirm without being asked'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand resume" -s q -l quiet -d 'Errors only on stderr'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand resume" -s v -l verbose -d 'More on stderr (repeatable)'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand resume" -l large-objects -d 'Copy large objects: all before writes are blocked, and then what has changed since'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand resume" -l reverse -d 'Prepare replication from target to source first, for a rollback that loses nothing'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand resume" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand help; and not __fish_seen_subcommand_from run rehearse rollback abort resume help" -f -a "run" -d 'Promote the target (this is what happens without a command)'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand help; and not __fish_seen_subcommand_from run rehearse rollback abort resume help" -f -a "rehearse" -d 'Do everything up to the promotion, then roll back; reports how long writes are blocked'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand help; and not __fish_seen_subcommand_from run rehearse rollback abort resume help" -f -a "rollback" -d 'Go back to the source with what was written on the target (needs --reverse at the cutover)'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand help; and not __fish_seen_subcommand_from run rehearse rollback abort resume help" -f -a "abort" -d 'Roll back what an earlier run left: the source accepts writes again'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand help; and not __fish_seen_subcommand_from run rehearse rollback abort resume help" -f -a "resume" -d 'Finish, or roll back and begin again, what an earlier run left'
complete -c pgl-cutover -n "__fish_pgl_cutover_using_subcommand help; and not __fish_seen_subcommand_from run rehearse rollback abort resume help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
