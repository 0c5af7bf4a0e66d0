-- How many rows each catalog of definitions has, and a sum over the transactions that wrote them; without temporary
-- objects, and those of pglogical, of this suite and of initdb, but for privileges. Statistics and the like are written in
-- place and change nothing here.
WITH left_out AS (
    SELECT n.oid
      FROM pg_catalog.pg_namespace n
     WHERE n.nspname ~ '^pg_(toast_)?temp_' OR n.nspname IN ('pgl', 'pglogical', 'pglogical_origin')
), relation AS (
    SELECT c.oid, c.xmin
      FROM pg_catalog.pg_class c
     WHERE (c.oid >= 16384 OR c.relacl IS NOT NULL) AND c.relnamespace NOT IN (SELECT oid FROM left_out)
), dropped AS (
    SELECT c.oid
      FROM pg_catalog.pg_class c
     WHERE c.relnamespace IN (SELECT oid FROM left_out)
), written AS (
    SELECT 'pg_class' AS catalog, xmin FROM relation
    UNION ALL
    SELECT 'pg_namespace', xmin FROM pg_catalog.pg_namespace WHERE oid NOT IN (SELECT oid FROM left_out)
    UNION ALL
    SELECT 'pg_attribute', xmin FROM pg_catalog.pg_attribute
     WHERE attnum > 0 AND (attrelid >= 16384 OR attacl IS NOT NULL) AND attrelid NOT IN (SELECT oid FROM dropped)
    UNION ALL
    SELECT 'pg_attrdef', xmin FROM pg_catalog.pg_attrdef WHERE adrelid NOT IN (SELECT oid FROM dropped)
    UNION ALL
    SELECT 'pg_constraint', xmin FROM pg_catalog.pg_constraint
     WHERE oid >= 16384 AND connamespace NOT IN (SELECT oid FROM left_out)
    UNION ALL
    SELECT 'pg_index', xmin FROM pg_catalog.pg_index
     WHERE indexrelid >= 16384 AND indrelid NOT IN (SELECT oid FROM dropped)
    UNION ALL
    SELECT 'pg_inherits', xmin FROM pg_catalog.pg_inherits WHERE inhrelid NOT IN (SELECT oid FROM dropped)
    UNION ALL
    SELECT 'pg_trigger', xmin FROM pg_catalog.pg_trigger
     WHERE tgrelid NOT IN (SELECT oid FROM dropped)
       AND tgfoid NOT IN (SELECT oid FROM pg_catalog.pg_proc WHERE pronamespace IN (SELECT oid FROM left_out))
    UNION ALL
    SELECT 'pg_rewrite', xmin FROM pg_catalog.pg_rewrite WHERE oid >= 16384 AND ev_class NOT IN (SELECT oid FROM dropped)
    UNION ALL
    SELECT 'pg_proc', xmin FROM pg_catalog.pg_proc
     WHERE (oid >= 16384 OR proacl IS NOT NULL) AND pronamespace NOT IN (SELECT oid FROM left_out)
    UNION ALL
    SELECT 'pg_type', xmin FROM pg_catalog.pg_type
     WHERE (oid >= 16384 OR typacl IS NOT NULL) AND typnamespace NOT IN (SELECT oid FROM left_out)
    UNION ALL
    SELECT 'pg_enum', e.xmin FROM pg_catalog.pg_enum e
    UNION ALL
    SELECT 'pg_operator', xmin FROM pg_catalog.pg_operator WHERE oid >= 16384
    UNION ALL
    SELECT 'pg_cast', xmin FROM pg_catalog.pg_cast WHERE oid >= 16384
    UNION ALL
    SELECT 'pg_extension', xmin FROM pg_catalog.pg_extension
    UNION ALL
    SELECT 'pg_event_trigger', xmin FROM pg_catalog.pg_event_trigger
    UNION ALL
    SELECT 'pg_default_acl', xmin FROM pg_catalog.pg_default_acl
    UNION ALL
    SELECT 'pg_description', xmin FROM pg_catalog.pg_description
     WHERE objoid >= 16384 OR classoid = 'pg_catalog.pg_namespace'::regclass
    UNION ALL
    SELECT 'pg_seclabel', xmin FROM pg_catalog.pg_seclabel
    UNION ALL
    SELECT 'pg_foreign_data_wrapper', xmin FROM pg_catalog.pg_foreign_data_wrapper
    UNION ALL
    SELECT 'pg_foreign_server', xmin FROM pg_catalog.pg_foreign_server
    UNION ALL
    SELECT 'pg_foreign_table', xmin FROM pg_catalog.pg_foreign_table
    UNION ALL
    SELECT 'pg_language', xmin FROM pg_catalog.pg_language
    UNION ALL
    SELECT 'pg_collation', xmin FROM pg_catalog.pg_collation WHERE oid >= 16384
    UNION ALL
    SELECT 'pg_conversion', xmin FROM pg_catalog.pg_conversion WHERE oid >= 16384
    UNION ALL
    SELECT 'pg_am', xmin FROM pg_catalog.pg_am WHERE oid >= 16384
    UNION ALL
    SELECT 'pg_opclass', xmin FROM pg_catalog.pg_opclass WHERE oid >= 16384
    UNION ALL
    SELECT 'pg_opfamily', xmin FROM pg_catalog.pg_opfamily WHERE oid >= 16384
    UNION ALL
    SELECT 'pg_amop', xmin FROM pg_catalog.pg_amop WHERE oid >= 16384
    UNION ALL
    SELECT 'pg_amproc', xmin FROM pg_catalog.pg_amproc WHERE oid >= 16384
    UNION ALL
    SELECT 'pg_ts_config', xmin FROM pg_catalog.pg_ts_config WHERE oid >= 16384
    UNION ALL
    SELECT 'pg_ts_config_map', xmin FROM pg_catalog.pg_ts_config_map WHERE mapcfg >= 16384
    UNION ALL
    SELECT 'pg_ts_dict', xmin FROM pg_catalog.pg_ts_dict WHERE oid >= 16384
    UNION ALL
    SELECT 'pg_ts_parser', xmin FROM pg_catalog.pg_ts_parser WHERE oid >= 16384
    UNION ALL
    SELECT 'pg_ts_template', xmin FROM pg_catalog.pg_ts_template WHERE oid >= 16384
    UNION ALL
    -- What belongs to an extension: ALTER EXTENSION ... ADD writes nothing else.
    SELECT 'pg_depend', xmin FROM pg_catalog.pg_depend
     WHERE refclassid = 'pg_catalog.pg_extension'::regclass AND deptype IN ('e', 'x')
    UNION ALL
    SELECT 'pg_database', xmin FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()
    UNION ALL
    SELECT 'pg_shdescription', d.xmin
      FROM pg_catalog.pg_shdescription d
      JOIN pg_catalog.pg_database b ON b.oid = d.objoid AND b.datname = pg_catalog.current_database()
     WHERE d.classoid = 'pg_catalog.pg_database'::regclass
), named AS (
    -- The database's settings, but for the one that these tools set.
    SELECT 'pg_db_role_setting' AS catalog, format('%s %s', s.setrole, one) AS what
      FROM pg_catalog.pg_db_role_setting s
      JOIN pg_catalog.pg_database b ON b.oid = s.setdatabase AND b.datname = pg_catalog.current_database()
     CROSS JOIN LATERAL unnest(s.setconfig) AS one
     WHERE one !~ '^default_transaction_read_only='
    UNION ALL
    -- The table itself is for superusers.
    SELECT 'pg_user_mapping', m::text FROM pg_catalog.pg_user_mappings m
    UNION ALL
    -- Definitions name the roles that own something or hold privileges.
    SELECT 'pg_roles', r.rolname::text
      FROM pg_catalog.pg_roles r
     WHERE r.oid IN (SELECT d.refobjid
                       FROM pg_catalog.pg_shdepend d
                       JOIN pg_catalog.pg_database b ON b.oid = d.dbid AND b.datname = pg_catalog.current_database()
                      WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass)
)
SELECT catalog, count(*) AS rows, sum(xmin::text::bigint)::text AS mark
  FROM written
 GROUP BY catalog
UNION ALL
SELECT catalog, count(*), sum(hashtext(what)::bigint)::text
  FROM named
 GROUP BY catalog
 ORDER BY catalog
