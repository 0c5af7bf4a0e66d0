-- Disables subscription $1 at once, which is not allowed in a transaction block, provided that attempt $3 at the
-- cutover of migration $2 promoted this database last. One row when it did.
WITH own AS (
    SELECT j.migration FROM pgl.journal j
     WHERE j.migration = $2 AND j.step = 'cutover' AND j.object = 'promoted' AND (j.detail ->> 'token') = $3
       FOR UPDATE)
SELECT pglogical.alter_subscription_disable($1::text::name, true) FROM own
