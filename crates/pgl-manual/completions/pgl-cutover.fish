complete -c pgl-cutover -l source -d 'Source database: a libpq connection string or URI, with libpq\'s meaning [env: PGL_SOURCE]' -r
complete -c pgl-cutover -l target -d 'Target database, likewise [env: PGL_TARGET]' -r
complete -c pgl-cutover -l plan -d 'Document of an earlier tool to take migration and plan from; - is standard input' -r -F
complete -c pgl-cutover -l force -d 'Go on although this finding blocks (repeatable; exactly the ids that block)' -r
complete -c pgl-cutover -l name -d 'Name of the migration [default: the plan\'s, else the source database\'s]' -r
complete -c pgl-cutover -l max-lag -d 'Begin only when the target is at most this far behind, or catching up' -r
complete -c pgl-cutover -l max-pause -d 'Take everything back when the pause lasts longer' -r
complete -c pgl-cutover -l block -d 'How writes on the source are blocked' -r -f -a "read-only\t'Set default_transaction_read_only on the database and end open sessions'
hook\t'--hook-blocked stops the writers first, then the same: the table locks are granted only when nobody writes'"
complete -c pgl-cutover -l verify -d 'What is compared before the target is released' -r -f -a "counts\t'Row counts: small tables within the pause, large ones as of then, right after it'
full\t'Every row of every table, by a digest, within the pause'
none\t'Nothing'"
complete -c pgl-cutover -l reverse-dsn -d 'The target as the source\'s server reaches it, for --reverse [default: as --target]' -r
complete -c pgl-cutover -l hook-blocked -d 'Run CMD after writes are blocked; with --block hook, CMD stops the writers' -r
complete -c pgl-cutover -l hook-drained -d 'Command when the target has everything, just before it is released' -r
complete -c pgl-cutover -l hook-switched -d 'Command when the target takes writes: sends the clients there' -r
complete -c pgl-cutover -l hook-restored -d 'Command when the source takes writes again' -r
complete -c pgl-cutover -l hook-timeout -d 'How long a hook may take' -r
complete -c pgl-cutover -l terminate -d 'With --abort or --resume: end the run whose session has this process id and holds the lock; can be repeated' -r
complete -c pgl-cutover -l format -d 'Form of the answer on stdout [default: text on a terminal, json otherwise]' -r -f -a "text\t'For people'
json\t'One document'
ndjson\t'One object a line, a closing summary'
csv\t'One table with a header'"
complete -c pgl-cutover -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c pgl-cutover -l large-objects -d 'Carry large objects over: all before the pause, and within it what has changed since'
complete -c pgl-cutover -l reverse -d 'Prepare replication from target to source first, for a rollback that loses nothing'
complete -c pgl-cutover -l rehearse -d 'Everything up to the switch, then back; says how long the pause will be'
complete -c pgl-cutover -l dry-run -d 'Look at everything, change nothing, print the statements'
complete -c pgl-cutover -l resume -d 'Finish, or begin again, what an earlier run left'
complete -c pgl-cutover -l abort -d 'Take back what an earlier run left: the source takes writes again'
complete -c pgl-cutover -l open-target -d 'With --abort: clients may write on the target again, which attempts leave shut'
complete -c pgl-cutover -s y -l yes -d 'Do it'
complete -c pgl-cutover -s q -l quiet -d 'Errors only on stderr'
complete -c pgl-cutover -s v -l verbose -d 'More on stderr (repeatable)'
complete -c pgl-cutover -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pgl-cutover -s V -l version -d 'Print version'
