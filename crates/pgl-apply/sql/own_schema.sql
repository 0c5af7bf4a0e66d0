-- The suite's own schema, the same on both sides. pgl-setup creates it, pgl-teardown drops it.
CREATE SCHEMA pgl;

COMMENT ON SCHEMA pgl IS 'pgl: marker and journal of a migration with pglogical; pgl-teardown removes it';

-- One row for each purpose, in replication set "default": what is written here on the source
-- arrives on the target behind everything that was committed before it. A tool that wants to know
-- whether the target has caught up gives its row a new token on the source and waits until the
-- target shows it; "at" is the source's clock at that moment, so target's clock minus "at" is the
-- lag in seconds, up to the difference of both clocks.
CREATE TABLE pgl.marker (
    name  text PRIMARY KEY,                                -- purpose: 'lag', 'verify', 'cutover'
    token text NOT NULL,                                   -- never the same twice
    at    timestamptz NOT NULL DEFAULT clock_timestamp(),  -- when it was written on the source
    note  text                                             -- for people
);

-- What the tools have done in this database, so that a run that was killed can be continued and
-- pgl-teardown knows what to roll back. Never replicated.
CREATE TABLE pgl.journal (
    migration text NOT NULL,
    step      text NOT NULL,                               -- id of the step
    object    text NOT NULL DEFAULT '',                    -- table, role, slot; '' for the step itself
    detail    json NOT NULL,                               -- what a later run needs
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (migration, step, object)
);

-- Statements that create the target's schema, one row for each object, with the step that runs it.
-- Only the target's is filled. A row is marked as done in the transaction that runs its statement.
CREATE TABLE pgl.held (
    migration text NOT NULL,
    id        integer NOT NULL,                            -- entry of the schema archive
    place     integer NOT NULL,                            -- order in the archive
    step      text NOT NULL,
    kind      text NOT NULL,                               -- TABLE, INDEX, FK CONSTRAINT, ...
    object    text NOT NULL,
    sql       text NOT NULL,
    depends   integer[] NOT NULL,                          -- entries that come before
    bytes     bigint NOT NULL,                             -- size on the source, for the order
    done      timestamptz,
    PRIMARY KEY (migration, id)
);

-- Default privileges of the role may have given others something. Nobody but the owner writes here: these tools execute
-- what they have stored, and trust what the marker says.
DO $revoke$
DECLARE
    g record;
BEGIN
    FOR g IN
        SELECT DISTINCT 'SCHEMA pgl' AS object, a.grantee
          FROM pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) a
         WHERE n.nspname = 'pgl' AND a.grantee <> n.nspowner
        UNION
        SELECT 'ALL TABLES IN SCHEMA pgl', a.grantee
          FROM pg_catalog.pg_class c
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace, pg_catalog.aclexplode(c.relacl) a
         WHERE n.nspname = 'pgl' AND a.grantee <> c.relowner
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON %s FROM %s', g.object,
            CASE WHEN g.grantee = 0 THEN 'PUBLIC'
                 ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) END);
    END LOOP;
END
$revoke$;
