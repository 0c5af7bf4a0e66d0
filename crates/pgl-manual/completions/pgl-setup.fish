complete -c pgl-setup -l source -d 'Source database: a libpq connection string or URI, with libpq\'s meaning [env: PGL_SOURCE]' -r
complete -c pgl-setup -l target -d 'Target database, likewise [env: PGL_TARGET]' -r
complete -c pgl-setup -l provider-dsn -d 'The source as libpq on the target server reaches it; given to pglogical unchanged' -r
complete -c pgl-setup -l subscriber-dsn -d 'The target as its own server reaches itself; stored by pglogical [default: as --target]' -r
complete -c pgl-setup -l force -d 'Go on although this finding blocks (repeatable; exactly the ids that block)' -r
complete -c pgl-setup -l schema -d 'Only tables in schemas that match (repeatable; patterns as in pg_dump)' -r
complete -c pgl-setup -l exclude-schema -d 'No tables in schemas that match (repeatable)' -r
complete -c pgl-setup -l table -d 'Only tables that match (repeatable)' -r
complete -c pgl-setup -l exclude-table -d 'No tables that match (repeatable)' -r
complete -c pgl-setup -l name -d 'Name of the migration [default: the plan\'s, else the source database\'s]' -r
complete -c pgl-setup -s j -l jobs -d 'Tables, indexes and constraints to work on at the same time' -r
complete -c pgl-setup -l step -d 'Run this step only (repeatable)' -r
complete -c pgl-setup -l until -d 'Stop after this step' -r
complete -c pgl-setup -l copy -d 'Who copies the rows that exist already' -r -f -a "parallel\t'This tool, several tables at a time'
none\t'Nobody: only changes from now on are replicated'"
complete -c pgl-setup -l schema-copy -d 'Where the target\'s schema comes from' -r -f -a "auto\t'From the source with pg_dump, unless the target has all of it'
skip\t'As the target has it: what it lacks is said'"
complete -c pgl-setup -l roles -d 'What to do about roles' -r -f -a "check\t'Every role that is needed has to exist'
copy\t'Create missing ones, without passwords'
skip\t'Leave out what names a missing one: owners, privileges, policies, user mappings'"
complete -c pgl-setup -l exclude-object -d 'Leave an object and what depends on it out of the schema, by kind and name as errors print it: \'VIEW public.v\' (repeatable)' -r
complete -c pgl-setup -l foreign-keys -d 'When foreign keys come to the target' -r -f -a "at-cutover\t'A replicated TRUNCATE meets none until then'
now\t'At the end of the setup'"
complete -c pgl-setup -l pg-bindir -d 'Directory of pg_dump [default: the newest found] [env: PGL_PG_BINDIR]' -r -F
complete -c pgl-setup -l maintenance-work-mem -d 'Memory for building one index' -r
complete -c pgl-setup -l index-workers -d 'Parallel workers for building one index' -r
complete -c pgl-setup -l timeout -d 'How long to wait for the subscription to run' -r
complete -c pgl-setup -l format -d 'Form of the answer on stdout [default: text on a terminal, json otherwise]' -r -f -a "text\t'For people'
json\t'One document'
ndjson\t'One object a line, a closing summary'
csv\t'One table with a header'"
complete -c pgl-setup -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c pgl-setup -l plan -d 'Document of an earlier tool to take migration and plan from; - is standard input' -r -F
complete -c pgl-setup -l dry-run -d 'Print the steps with their SQL, change nothing'
complete -c pgl-setup -l restart -d 'Discard the copy of an earlier run: drop its subscription and slot, empty its tables, copy all rows again'
complete -c pgl-setup -s y -l yes -d 'Confirm --restart'
complete -c pgl-setup -l list-steps -d 'Print the steps and what they do'
complete -c pgl-setup -l no-tablespaces -d 'Create everything in the target\'s default tablespace'
complete -c pgl-setup -l no-trial -d 'Do not try the schema\'s statements on the target\'s server first'
complete -c pgl-setup -l keep-indexes -d 'Build indexes before the copy instead of after it'
complete -c pgl-setup -s q -l quiet -d 'Errors only on stderr'
complete -c pgl-setup -s v -l verbose -d 'More on stderr (repeatable)'
complete -c pgl-setup -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pgl-setup -s V -l version -d 'Print version'
