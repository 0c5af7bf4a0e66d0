-- Rows inserted into, updated in and deleted from each table since the statistics began.
SELECT schemaname AS schema, relname AS name, n_tup_ins AS inserted, n_tup_upd AS updated,
       n_tup_del AS deleted
  FROM pg_stat_user_tables
