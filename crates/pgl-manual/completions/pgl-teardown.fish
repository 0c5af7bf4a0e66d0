complete -c pgl-teardown -l source -d 'Source database: a libpq connection string or URI, with libpq\'s meaning [env: PGL_SOURCE]' -r
complete -c pgl-teardown -l target -d 'Target database, likewise [env: PGL_TARGET]' -r
complete -c pgl-teardown -l plan -d 'Document of an earlier tool to take migration and plan from, whatever its verdict; - is standard input' -r -F
complete -c pgl-teardown -l name -d 'Name of the migration [default: the plan\'s, else the one in the journal, else the source database\'s name]' -r
complete -c pgl-teardown -l drop-role -d 'Drop this role on the source, too: the one that replication logged in as' -r
complete -c pgl-teardown -l format -d 'Form of the answer on stdout [default: text on a terminal, json otherwise]' -r -f -a "text\t'For people'
json\t'One document'
ndjson\t'One object a line, a closing summary'
csv\t'One table with a header'"
complete -c pgl-teardown -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c pgl-teardown -l source-only -d 'The target is gone or not to be touched'
complete -c pgl-teardown -l target-only -d 'The source is gone or not to be touched'
complete -c pgl-teardown -l scan -d 'Show everything of pglogical and of this suite that is there; change nothing; exit 1 when something is'
complete -c pgl-teardown -l dry-run -d 'Show what would be dropped, with the statements'
complete -c pgl-teardown -l keep-extension -d 'Leave the extension even where the migration created it'
complete -c pgl-teardown -l drop-extension -d 'Drop the extension even where it was there before'
complete -c pgl-teardown -l drop-held -d 'Lose the statements of the target\'s schema that are deferred'
complete -c pgl-teardown -s y -l yes -d 'Confirm without being asked'
complete -c pgl-teardown -s q -l quiet -d 'Errors only on stderr'
complete -c pgl-teardown -s v -l verbose -d 'More on stderr (repeatable)'
complete -c pgl-teardown -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pgl-teardown -s V -l version -d 'Print version'
