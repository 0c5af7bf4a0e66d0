complete -c pgl-verify -l source -d 'Source database: a libpq connection string or URI, with libpq\'s meaning [env: PGL_SOURCE]' -r
complete -c pgl-verify -l target -d 'Target database, likewise [env: PGL_TARGET]' -r
complete -c pgl-verify -l schema -d 'Only tables in schemas that match (repeatable; patterns as in pg_dump)' -r
complete -c pgl-verify -l exclude-schema -d 'No tables in schemas that match (repeatable)' -r
complete -c pgl-verify -l table -d 'Only tables that match (repeatable)' -r
complete -c pgl-verify -l exclude-table -d 'No tables that match (repeatable)' -r
complete -c pgl-verify -l plan -d 'Document of an earlier tool to take migration and plan from; - is standard input' -r -F
complete -c pgl-verify -l format -d 'Form of the answer on stdout [default: text on a terminal, json otherwise]' -r -f -a "text\t'For people'
json\t'One document'
ndjson\t'One object a line, a closing summary'
csv\t'One table with a header'"
complete -c pgl-verify -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c pgl-verify -l mode -d 'How writes that go on are dealt with; see below' -r -f -a "auto\t'live where a subscription runs, static otherwise; says which'
live\t'Proof without locks while writes go on'
barrier\t'Proof by a short lock on the source'
static\t'Plain comparison: nobody writes'"
complete -c pgl-verify -l digest -d 'Where rows are hashed' -r -f -a "auto\t'The fastest exact function that both servers have'
server\t'Inside the servers'
md5\t'Inside the servers with md5, as for servers before 11: slower, 128 bits a row'
client\t'Here, from binary COPY, 128 bits a row: sends every row over the network'"
complete -c pgl-verify -s j -l jobs -d 'Queries at a time, on both servers together' -r
complete -c pgl-verify -l throttle -d 'Bytes of tables to read per second at most, on both servers together (10MB)' -r
complete -c pgl-verify -l timeout -d 'End after this time; tables that are not finished count as inconclusive' -r
complete -c pgl-verify -l max-diffs -d 'Differing rows to name per table' -r
complete -c pgl-verify -l columns -d 'Only these columns and the key: COLUMN or [SCHEMA.]TABLE.COLUMN' -r
complete -c pgl-verify -l exclude-column -d 'Not these columns' -r
complete -c pgl-verify -l where -d 'Only rows that meet this SQL condition, on both sides (names outside pg_catalog with schema), which has to follow from the row alone: no subquery, no system column, no now(); a table of which no row does counts as skipped' -r
complete -c pgl-verify -l resume -d 'Keep finished tables in this file, and take them from it after a run that did not end, for a day at most' -r -F
complete -c pgl-verify -l max-wait -d 'How long the target may take to catch up with a position of the source' -r
complete -c pgl-verify -l max-barrier -d 'With --mode barrier: how long writers may wait behind its locks [default: 1s]' -r
complete -c pgl-verify -l force -d 'Go on although this finding blocks (repeatable; exactly the ids that block)' -r
complete -c pgl-verify -l pg-bindir -d 'Directory of pg_dump [default: the newest found] [env: PGL_PG_BINDIR]' -r -F
complete -c pgl-verify -s q -l quiet -d 'Errors only on stderr'
complete -c pgl-verify -s v -l verbose -d 'More on stderr (repeatable)'
complete -c pgl-verify -l counts-only -d 'Compare row counts only, not contents'
complete -c pgl-verify -l definitions -d 'Compare the definitions of both sides as well, after the rows'
complete -c pgl-verify -l redact -d 'Show no values, only which rows and columns differ'
complete -c pgl-verify -l fix-sql -d 'Print the statements that make the target\'s rows those of the source, instead of the report; run none. Missing rows only where nothing is replicated (--mode static): let nobody write to the source until they have run'
complete -c pgl-verify -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pgl-verify -s V -l version -d 'Print version'
