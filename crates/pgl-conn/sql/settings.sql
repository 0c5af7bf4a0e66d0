-- What the session really runs with, and where each setting comes from. The search_path may still be anybody's: every
-- operator and type has its schema.
SELECT name, setting, source
FROM pg_catalog.pg_settings
WHERE name OPERATOR(pg_catalog.=) ANY (ARRAY[
    'server_version_num', 'exit_on_error', 'default_transaction_deferrable', 'default_transaction_isolation',
    'gin_fuzzy_search_limit', 'client_min_messages', 'default_table_access_method', 'zero_damaged_pages',
    'ignore_checksum_failure', 'client_encoding', 'TimeZone', 'DateStyle', 'IntervalStyle',
    'extra_float_digits', 'bytea_output', 'lc_monetary', 'search_path', 'row_security',
    'array_nulls', 'transform_null_equals', 'quote_all_identifiers', 'constraint_exclusion',
    'standard_conforming_strings', 'xmloption', 'synchronize_seqscans', 'statement_timeout',
    'lock_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout',
    'transaction_timeout', 'default_transaction_read_only', 'session_replication_role',
    'synchronous_commit', 'restrict_nonsystem_relation_kind',
    'enable_bitmapscan', 'enable_hashagg', 'enable_hashjoin', 'enable_indexonlyscan', 'enable_indexscan',
    'enable_material', 'enable_mergejoin', 'enable_nestloop', 'enable_seqscan', 'enable_sort', 'enable_tidscan',
    'from_collapse_limit', 'join_collapse_limit', 'jit'
]::pg_catalog.text[])
UNION ALL
SELECT 'pg_is_in_recovery', pg_catalog.pg_is_in_recovery()::pg_catalog.text, ''
UNION ALL
SELECT 'pg_backend_pid', pg_catalog.pg_backend_pid()::pg_catalog.text, ''
