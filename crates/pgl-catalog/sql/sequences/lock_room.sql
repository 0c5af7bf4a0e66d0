-- How many locks the server's shared table has room for: each sequence that is read or set stays
-- locked until the transaction ends.
SELECT current_setting('max_locks_per_transaction')::bigint
       * (current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint)
           AS room;
