complete -c pgl-preflight -l source -d 'Source database: a libpq connection string or URI, with libpq\'s meaning [env: PGL_SOURCE]' -r
complete -c pgl-preflight -l target -d 'Target database, likewise [env: PGL_TARGET]' -r
complete -c pgl-preflight -l provider-dsn -d 'The source as libpq on the target server reaches it; given to pglogical unchanged' -r
complete -c pgl-preflight -l schema -d 'Only tables in schemas that match (repeatable; patterns as in pg_dump)' -r
complete -c pgl-preflight -l exclude-schema -d 'No tables in schemas that match (repeatable)' -r
complete -c pgl-preflight -l table -d 'Only tables that match (repeatable)' -r
complete -c pgl-preflight -l exclude-table -d 'No tables that match (repeatable)' -r
complete -c pgl-preflight -l format -d 'Form of the answer on stdout [default: text on a terminal, json otherwise]' -r -f -a "text\t'For people'
json\t'One document'
ndjson\t'One object a line, a closing summary'
csv\t'One table with a header'"
complete -c pgl-preflight -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c pgl-preflight -l name -d 'Name of the migration [default: the source database\'s name]' -r
complete -c pgl-preflight -l only -d 'Run only these checks: an id (tbl.no_key) or a family (tbl)' -r
complete -c pgl-preflight -l skip -d 'Skip these checks: an id or a family' -r
complete -c pgl-preflight -l databases-total -d 'How many databases of this cluster will be migrated at the same time' -r
complete -c pgl-preflight -l pg-bindir -d 'Directory of pg_dump [default: the newest found] [env: PGL_PG_BINDIR]' -r -F
complete -c pgl-preflight -l reach-probe -d 'How to test whether the target server can connect to the source' -r -f -a "subscription\t'CREATE SUBSCRIPTION in a transaction of the target that is always rolled back; it leaves nothing behind, but it is the one statement here that is not a read'
dblink\t'Through dblink, where the target has it'
off\t'Not at all; the check reports itself as not run'"
complete -c pgl-preflight -l fix-sql -d 'Print a commented script of fixes for one side, instead of the findings' -r -f -a "source\t'The source'
target\t'The target'"
complete -c pgl-preflight -l record -d 'Write the facts that were read to a file; - is standard output' -r -F
complete -c pgl-preflight -l replay -d 'Evaluate recorded facts instead of reading servers; - is standard input' -r -F
complete -c pgl-preflight -s q -l quiet -d 'Errors only on stderr'
complete -c pgl-preflight -s v -l verbose -d 'More on stderr (repeatable)'
complete -c pgl-preflight -l list-checks -d 'Print all checks with their reasons and remedies, and exit'
complete -c pgl-preflight -l strict -d 'Warnings block too'
complete -c pgl-preflight -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pgl-preflight -s V -l version -d 'Print version'
