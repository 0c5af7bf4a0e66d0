complete -c pgl-seqsync -l source -d 'Source database: a libpq connection string or URI, with libpq\'s meaning [env: PGL_SOURCE]' -r
complete -c pgl-seqsync -l target -d 'Target database, likewise [env: PGL_TARGET]' -r
complete -c pgl-seqsync -l plan -d 'Document of an earlier tool to take migration and plan from; - is standard input' -r -F
complete -c pgl-seqsync -l schema -d 'Only tables in schemas that match (repeatable; patterns as in pg_dump)' -r
complete -c pgl-seqsync -l exclude-schema -d 'No tables in schemas that match (repeatable)' -r
complete -c pgl-seqsync -l table -d 'Only tables that match (repeatable)' -r
complete -c pgl-seqsync -l exclude-table -d 'No tables that match (repeatable)' -r
complete -c pgl-seqsync -l mode -d 'How the values are copied' -r -f -a "exact\t'last_value and is_called as the source has them'
pglogical\t'pglogical.synchronize_sequence() on the source: a thousand or more values ahead'"
complete -c pgl-seqsync -l margin -d 'Go this many values further than the source, in the sequence\'s own direction' -r
complete -c pgl-seqsync -l timeout -d 'With --mode pglogical: how long to wait for its messages to arrive [default: 60s]' -r
complete -c pgl-seqsync -l format -d 'Form of the answer on stdout [default: text on a terminal, json otherwise]' -r -f -a "text\t'For people'
json\t'One document'
ndjson\t'One object a line, a closing summary'
csv\t'One table with a header'"
complete -c pgl-seqsync -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c pgl-seqsync -l force -d 'Go on although this finding blocks (repeatable; exactly the ids that block)' -r
complete -c pgl-seqsync -l at-least-max-of-column -d 'Also go as far as the rows in the columns that a sequence feeds (integer, numeric and float types, and domains of them; other columns are refused by name)'
complete -c pgl-seqsync -l check -d 'Change nothing; exit 1 if the target would hand out a value that the source has used'
complete -c pgl-seqsync -l dry-run -d 'Change nothing; show what would be set'
complete -c pgl-seqsync -s q -l quiet -d 'Errors only on stderr'
complete -c pgl-seqsync -s v -l verbose -d 'More on stderr (repeatable)'
complete -c pgl-seqsync -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pgl-seqsync -s V -l version -d 'Print version'
