-- Whether another session waits for this transaction.
SELECT EXISTS (
    SELECT FROM pg_locks mine
      JOIN pg_locks theirs ON theirs.transactionid = mine.transactionid AND NOT theirs.granted
     WHERE mine.pid = pg_backend_pid()
       AND mine.locktype = 'transactionid'
       AND mine.granted)
