-- What a cutover of migration $1 has left in this database: how it was before it was closed to
-- writers, tables with its triggers, and the state of the last attempt that had it as the provider.
SELECT (SELECT detail FROM pgl.journal
         WHERE migration = $1 AND step = 'cutover' AND object = 'closed') AS closed,
       (SELECT detail FROM pgl.journal
         WHERE migration = $1 AND step = 'cutover' AND object = 'write_block') AS write_block,
       (SELECT detail -> 'state' FROM pgl.journal
         WHERE migration = $1 AND step = 'cutover' AND object = '') AS attempt
