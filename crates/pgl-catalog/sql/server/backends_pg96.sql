-- Processes by kind. Before 10, where only those in a database are shown, without their kind.
SELECT
    count(*) FILTER (WHERE application_name NOT LIKE 'pglogical %') AS clients,
    (SELECT count(*) FROM pg_catalog.pg_stat_replication) AS walsenders,
    count(*) FILTER (WHERE application_name LIKE 'pglogical %') AS workers,
    0 AS parallel_workers,
    count(*) FILTER (WHERE application_name LIKE 'pglogical supervisor%') AS pglogical_supervisors,
    count(*) FILTER (WHERE application_name LIKE 'pglogical manager %') AS pglogical_managers,
    0 AS hidden
FROM pg_catalog.pg_stat_activity;
