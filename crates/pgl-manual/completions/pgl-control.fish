complete -c pgl-control -l source -d 'Source database: a libpq connection string or URI, with libpq\'s meaning [env: PGL_SOURCE]' -r
complete -c pgl-control -l target -d 'Target database, likewise [env: PGL_TARGET]' -r
complete -c pgl-control -l plan -d 'Document of an earlier tool to take migration and plan from; - is standard input' -r -F
complete -c pgl-control -l name -d 'Name of the migration [default: the plan\'s, else the source database\'s]' -r
complete -c pgl-control -l lsn -d 'skip: the transaction to leave out, by the position where its commit ends' -r
complete -c pgl-control -l timeout -d 'How long to wait for locks on the source, and for the target to come along' -r
complete -c pgl-control -l lock-timeout -d 'How long writers of a table may have to wait behind one try to lock it' -r
complete -c pgl-control -l pg-bindir -d 'Directory with pg_dump and pg_restore, for a table that the target lacks' -r -F
complete -c pgl-control -l format -d 'Form of the answer on stdout [default: text on a terminal, json otherwise]' -r -f -a "text\t'For people'
json\t'One document'
ndjson\t'One object a line, a closing summary'
csv\t'One table with a header'"
complete -c pgl-control -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c pgl-control -l force -d 'Go on although this finding blocks (repeatable; exactly the ids that block)' -r
complete -c pgl-control -l always -d 'resync: copy a table also where both sides are equal'
complete -c pgl-control -l dry-run -d 'Change nothing, show what would be done, with the statements'
complete -c pgl-control -s y -l yes -d 'Confirm without being asked'
complete -c pgl-control -s q -l quiet -d 'Errors only on stderr'
complete -c pgl-control -s v -l verbose -d 'More on stderr (repeatable)'
complete -c pgl-control -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pgl-control -s V -l version -d 'Print version'
