-- Whether sessions of this database begin read-only, those of one role at least.
SELECT EXISTS (SELECT 1 FROM pg_db_role_setting s CROSS JOIN LATERAL unnest(s.setconfig) AS one
                WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
                  AND lower(one) IN ('default_transaction_read_only=on', 'default_transaction_read_only=true',
                                     'default_transaction_read_only=yes', 'default_transaction_read_only=1')) AS read_only;
