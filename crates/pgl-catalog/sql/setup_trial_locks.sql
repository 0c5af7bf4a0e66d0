-- Whether half of the locks that the server has room for are taken: its other sessions need some, too.
SELECT (SELECT count(*) FROM pg_catalog.pg_locks) * 2
       > pg_catalog.current_setting('max_locks_per_transaction')::bigint
         * (pg_catalog.current_setting('max_connections')::bigint
            + pg_catalog.current_setting('max_prepared_transactions')::bigint)
