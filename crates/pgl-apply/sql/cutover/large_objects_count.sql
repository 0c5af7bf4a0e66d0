-- How many large objects there are.
SELECT count(*) AS many FROM pg_catalog.pg_largeobject_metadata
