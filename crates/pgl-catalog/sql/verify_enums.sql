-- The enums of the database, each with its labels in their order.
SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.typname) AS name,
       pg_catalog.array_agg(e.enumlabel::text ORDER BY e.enumsortorder) AS labels
  FROM pg_catalog.pg_enum AS e
  JOIN pg_catalog.pg_type AS t ON t.oid = e.enumtypid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
 GROUP BY 1
