-- How long a lock is waited for before the server looks for a deadlock, in milliseconds.
SELECT setting::bigint AS millis FROM pg_catalog.pg_settings WHERE name = 'deadlock_timeout'
