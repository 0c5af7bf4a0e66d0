-- Processes by kind. Before 10, where only those in a database are shown, without their kind.
SELECT
    count(*) FILTER (WHERE application_name NOT LIKE 'pglogical %' OR client_port IS NOT NULL) AS clients,
    count(*) FILTER (WHERE application_name LIKE 'pglogical %' AND client_port IS NULL) AS workers,
    count(*) FILTER (WHERE application_name LIKE 'pglogical supervisor%' AND client_port IS NULL) AS pglogical_supervisors,
    0 AS hidden
FROM pg_catalog.pg_stat_activity;
