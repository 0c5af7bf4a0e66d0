complete -c pgl-status -l source -d 'Source database: a libpq connection string or URI, with libpq\'s meaning [env: PGL_SOURCE]' -r
complete -c pgl-status -l target -d 'Target database, likewise [env: PGL_TARGET]' -r
complete -c pgl-status -l plan -d 'Document of an earlier tool to take migration and plan from; - is standard input' -r -F
complete -c pgl-status -l name -d 'Name of the migration [default: the source database\'s name]' -r
complete -c pgl-status -l subscription -d 'Name of the subscription, where it was not made by pgl-setup' -r
complete -c pgl-status -l interval -d 'Between two readings of --watch and --wait-for' -r
complete -c pgl-status -l wait-for -d 'Wait until: replicating, synced, caught-up, drained:LSN' -r
complete -c pgl-status -l timeout -d 'Wait at most this long; then exit 4' -r
complete -c pgl-status -l max-lag -d 'Not healthy above this lag: a size of WAL (100MB) or a time (10s)' -r
complete -c pgl-status -l sample -d 'Measure rates for this long; 0 takes one sample and measures none' -r
complete -c pgl-status -l format -d 'Form of the answer on stdout [default: text on a terminal, json otherwise]' -r -f -a "text\t'For people'
json\t'One document'
ndjson\t'One object a line, a closing summary'
csv\t'One table with a header'"
complete -c pgl-status -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c pgl-status -l force -d 'Go on although this finding blocks (repeatable; exactly the ids that block)' -r
complete -c pgl-status -l pg-bindir -d 'Directory of pg_dump [default: the newest found] [env: PGL_PG_BINDIR]' -r -F
complete -c pgl-status -l watch -d 'Report again and again: repaint a terminal, write one NDJSON object a reading into a pipe'
complete -c pgl-status -l definitions -d 'Compare the definitions of both sides with those at the setup, as pgl-cutover does'
complete -c pgl-status -l show-values -d 'Show the values of rows in messages of the servers'
complete -c pgl-status -s q -l quiet -d 'Errors only on stderr'
complete -c pgl-status -s v -l verbose -d 'More on stderr (repeatable)'
complete -c pgl-status -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pgl-status -s V -l version -d 'Print version'
