-- One of every object hazard that can be planted, all in schema hz. Made for a superuser, on 13 or
-- later; what only some versions have is guarded. Where a hazard cannot be made small or by ordinary
-- means (a huge table, an extension's own table), the catalog is made to say so.

CREATE SCHEMA hz;

-- Keys.
CREATE TABLE hz.no_key (line text);
CREATE TABLE hz.candidate (code text NOT NULL UNIQUE);
CREATE TABLE hz.mutated (n int);
INSERT INTO hz.mutated SELECT generate_series(1, 50);
UPDATE hz.mutated SET n = n + 1;
DELETE FROM hz.mutated WHERE n < 10;
CREATE TABLE hz.identity_full (id int PRIMARY KEY);
ALTER TABLE hz.identity_full REPLICA IDENTITY FULL;
CREATE TABLE hz.identity_nothing (id int PRIMARY KEY);
ALTER TABLE hz.identity_nothing REPLICA IDENTITY NOTHING;
CREATE TABLE hz.identity_index (id int NOT NULL);
CREATE UNIQUE INDEX identity_index_id ON hz.identity_index (id);
ALTER TABLE hz.identity_index REPLICA IDENTITY USING INDEX identity_index_id;
DROP INDEX hz.identity_index_id;
CREATE TABLE hz.pk_deferrable (id int PRIMARY KEY DEFERRABLE);
CREATE TABLE hz.pk_wide (id bytea PRIMARY KEY);

-- Kinds.
CREATE UNLOGGED TABLE hz.unlogged (id int PRIMARY KEY);
CREATE TABLE hz.parted (id int NOT NULL, at date NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE hz.parted_1 PARTITION OF hz.parted FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE hz.parent (id int PRIMARY KEY);
CREATE TABLE hz.child (PRIMARY KEY (id)) INHERITS (hz.parent);
CREATE FOREIGN DATA WRAPPER hz_wrapper;
CREATE SERVER hz_server FOREIGN DATA WRAPPER hz_wrapper;
CREATE FOREIGN TABLE hz.remote (id int) SERVER hz_server;
CREATE TABLE hz.of_extension (id int PRIMARY KEY, mine bool);
INSERT INTO hz.of_extension VALUES (1, false), (2, true);
ALTER EXTENSION plpgsql ADD TABLE hz.of_extension;
UPDATE pg_extension
   SET extconfig = ARRAY['hz.of_extension'::regclass::oid], extcondition = ARRAY['WHERE mine']
 WHERE extname = 'plpgsql';

-- Columns.
CREATE TABLE hz.generated (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED);
CREATE FUNCTION hz.shout(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper($1)';
CREATE TABLE hz.generated_values (id int PRIMARY KEY, t text, loud text GENERATED ALWAYS AS (hz.shout(t)) STORED);
CREATE TABLE hz.identity_always (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
DO $$
BEGIN
    IF current_setting('server_version_num')::int >= 180000 THEN
        EXECUTE 'CREATE TABLE hz.generated_virtual (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) VIRTUAL)';
    END IF;
    IF current_setting('server_version_num')::int >= 150000 THEN
        EXECUTE 'CREATE UNLOGGED SEQUENCE hz.seq_unlogged';
    END IF;
END $$;

-- Constraints. The tests leave out hz.left_out by a pattern.
CREATE TABLE hz.left_out (id serial PRIMARY KEY);
CREATE TABLE hz.fk_to_left_out (id int PRIMARY KEY DEFAULT nextval('hz.left_out_id_seq'),
                                other int REFERENCES hz.left_out);
CREATE TABLE hz.circle_a (id int PRIMARY KEY, b int);
CREATE TABLE hz.circle_b (id int PRIMARY KEY, a int REFERENCES hz.circle_a);
ALTER TABLE hz.circle_a ADD FOREIGN KEY (b) REFERENCES hz.circle_b;
CREATE TABLE hz.not_valid (id int PRIMARY KEY, n int);
INSERT INTO hz.not_valid VALUES (1, -1);
ALTER TABLE hz.not_valid ADD CONSTRAINT positive CHECK (n > 0) NOT VALID;
CREATE FUNCTION hz.today() RETURNS date STABLE LANGUAGE sql SET search_path = pg_catalog
    AS 'SELECT current_date';
CREATE TABLE hz.check_volatile (id int PRIMARY KEY, at date CHECK (at <= hz.today()));
CREATE TABLE hz.unique_deferrable (id int PRIMARY KEY, n int UNIQUE DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE hz.exclusion (id int PRIMARY KEY, r int4range, EXCLUDE USING gist (r WITH &&));

-- Behaviour.
CREATE TABLE hz.rls (id int PRIMARY KEY);
ALTER TABLE hz.rls ENABLE ROW LEVEL SECURITY;
CREATE FUNCTION hz.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TABLE hz.triggers (id int PRIMARY KEY);
CREATE TRIGGER always BEFORE INSERT ON hz.triggers FOR EACH ROW EXECUTE FUNCTION hz.nothing();
ALTER TABLE hz.triggers ENABLE ALWAYS TRIGGER always;
ALTER TABLE hz.circle_b DISABLE TRIGGER ALL;
CREATE TABLE hz.unchecked (id int PRIMARY KEY, n int UNIQUE DEFERRABLE);
ALTER TABLE hz.unchecked DISABLE TRIGGER ALL;
CREATE TABLE hz.rules (id int PRIMARY KEY);
CREATE RULE keep AS ON DELETE TO hz.rules DO INSTEAD NOTHING;

-- Sizes and names.
CREATE TABLE hz.huge (id int PRIMARY KEY);
UPDATE pg_class SET relpages = 7000000, reltuples = 1000000 WHERE oid = 'hz.huge'::regclass;
CREATE TABLE hz.bloat (id int PRIMARY KEY) WITH (autovacuum_enabled = off);
INSERT INTO hz.bloat SELECT generate_series(1, 110000);
DELETE FROM hz.bloat;
CREATE TABLE hz.huge_values (id int PRIMARY KEY, content bytea);
UPDATE pg_class SET relpages = 100, reltuples = 10 WHERE oid = 'hz.huge_values'::regclass;
UPDATE pg_class SET relpages = 20000
 WHERE oid = (SELECT reltoastrelid FROM pg_class WHERE oid = 'hz.huge_values'::regclass);
CREATE TABLE hz."Triggers" (id int PRIMARY KEY);
CREATE TABLE hz.zero_columns ();

-- Types.
CREATE TYPE hz.mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN hz.lo AS oid;
CREATE TYPE hz.foreign_type;
CREATE FUNCTION hz.foreign_type_in(cstring) RETURNS hz.foreign_type STRICT IMMUTABLE LANGUAGE c
    AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE FUNCTION hz.foreign_type_out(hz.foreign_type) RETURNS cstring STRICT IMMUTABLE LANGUAGE c
    AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE TYPE hz.foreign_type (INPUT = hz.foreign_type_in, OUTPUT = hz.foreign_type_out);
CREATE TABLE hz.types (id int PRIMARY KEY, rel regclass[], lob hz.lo, cat pg_catalog.pg_database,
                       price money, doc xml, mood hz.mood);

-- Other objects.
SELECT lo_create(0);
CREATE VIEW hz.between AS SELECT id FROM hz.types;
CREATE MATERIALIZED VIEW hz.mv_second AS SELECT id FROM hz.types;
CREATE MATERIALIZED VIEW hz.mv_a_third AS SELECT count(*) FROM hz.mv_second;
CREATE INDEX invalid_index ON hz.types (price);
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'hz.invalid_index'::regclass;
CREATE VIEW hz.activity AS SELECT pid, query FROM pg_stat_activity;
CREATE LANGUAGE hz_language HANDLER plpgsql_call_handler;
CREATE CAST (hz.mood AS money) WITH INOUT;
CREATE TEXT SEARCH DICTIONARY hz.words (TEMPLATE = simple);
INSERT INTO pg_seclabel (objoid, classoid, objsubid, provider, label)
VALUES ('hz.types'::regclass, 'pg_class'::regclass, 0, 'hz_provider', 'secret');
SELECT lo_create(4711);
INSERT INTO pg_seclabel (objoid, classoid, objsubid, provider, label)
VALUES (4711, 'pg_largeobject'::regclass, 0, 'hz_provider', 'secret');
CREATE TABLE hz.up (id int PRIMARY KEY, other int REFERENCES hz.parent) PARTITION BY RANGE (id);
CREATE TABLE hz.up_1 PARTITION OF hz.up DEFAULT PARTITION BY RANGE (id);
CREATE TABLE hz.up_2 PARTITION OF hz.up_1 DEFAULT;
ALTER TABLE hz.up_2 RENAME CONSTRAINT up_other_fkey TO "Own";
COMMENT ON CONSTRAINT "Own" ON hz.up_2 IS 'mine';
CREATE TRIGGER up_trigger AFTER INSERT ON hz.up FOR EACH ROW EXECUTE FUNCTION hz.nothing();
DO $$
BEGIN
    IF current_setting('server_version_num')::int < 150000 THEN
        ALTER TRIGGER up_trigger ON hz.up_2 RENAME TO own_trigger;
    END IF;
END $$;
COMMENT ON CONSTRAINT up_other_fkey ON hz.up_1 IS 'above';
CREATE TABLE information_schema.lost (id int PRIMARY KEY);
CREATE FUNCTION pg_catalog.hz_lost() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TABLE hz.stored_in (id int PRIMARY KEY, t text, CONSTRAINT positive CHECK (id > 0));
CREATE TABLE hz.stored (PRIMARY KEY (id)) INHERITS (hz.stored_in);
CREATE TABLE hz.stored_too (PRIMARY KEY (id)) INHERITS (hz.stored_in);
ALTER TABLE ONLY hz.stored_in ALTER t SET STORAGE EXTERNAL;
COMMENT ON CONSTRAINT positive ON hz.stored_too IS 'below';
ALTER TABLE hz.stored_too ALTER t SET STORAGE EXTERNAL;
ALTER DEFAULT PRIVILEGES IN SCHEMA hz GRANT SELECT ON TABLES TO PUBLIC;
CREATE FUNCTION hz.unpathed(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN lower($1); END';
CREATE TABLE hz.indexed (id int PRIMARY KEY, name text);
CREATE INDEX ON hz.indexed (hz.unpathed(name));
CREATE TABLE hz.hashed (moods hz.mood[]) PARTITION BY HASH (moods);
-- What only a materialised view runs, by way of a view, and what only a partition key runs.
CREATE FUNCTION hz.unpathed_below() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
CREATE VIEW hz.v_below AS SELECT hz.unpathed_below() AS n;
CREATE MATERIALIZED VIEW hz.mv_above AS SELECT * FROM hz.v_below WITH NO DATA;
CREATE FUNCTION hz.unpathed_key(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
CREATE TABLE hz.by_function (id int) PARTITION BY RANGE (hz.unpathed_key(id));
-- What only a domain runs, deep in a type.
CREATE FUNCTION hz.unpathed_deep(int) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN $1 > 0; END';
CREATE DOMAIN hz.positive AS int CHECK (hz.unpathed_deep(VALUE));
CREATE DOMAIN hz.small AS hz.positive;
CREATE TYPE hz.boxed AS (one hz.small);
CREATE TABLE hz.boxes (id int PRIMARY KEY, all_of_them hz.boxed[]);
CREATE FUNCTION hz.guard() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN NULL; END';
CREATE EVENT TRIGGER hz_guard ON ddl_command_end EXECUTE FUNCTION hz.guard();
CREATE SCHEMA pgl;
CREATE TABLE pgl.games (id int PRIMARY KEY);
DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET search_path = hz, public', current_database());
    EXECUTE format('ALTER DATABASE %I SET hz.secret = ''canary-value''', current_database());
    IF current_setting('server_version_num')::int < 140000 THEN
        CREATE FUNCTION hz.converts(integer, integer, cstring, internal, integer) RETURNS void LANGUAGE c STRICT
            AS '$libdir/utf8_and_iso8859_1', 'iso8859_1_to_utf8';
        CREATE CONVERSION hz.conversion FOR 'LATIN1' TO 'UTF8' FROM hz.converts;
        EXECUTE 'CREATE OPERATOR hz.!!! (LEFTARG = bigint, PROCEDURE = int8abs)';
        EXECUTE 'CREATE AGGREGATE hz.array_cat_all(anyarray) (SFUNC = array_cat, STYPE = anyarray)';
    END IF;
END $$;

-- Sequences.
CREATE SEQUENCE hz.seq_down INCREMENT -1;
CREATE SEQUENCE hz.seq_params CACHE 5;
CREATE SEQUENCE hz.seq_missing;
CREATE TABLE hz.overtaken (id serial PRIMARY KEY);
INSERT INTO hz.overtaken SELECT generate_series(1, 500);
ANALYZE hz.overtaken;
CREATE TABLE hz.nearly_full (id serial PRIMARY KEY);
SELECT setval('hz.nearly_full_id_seq', 2000000000);
CREATE SEQUENCE hz.seq_shared;
CREATE TABLE hz.shares_1 (id int PRIMARY KEY DEFAULT nextval('hz.seq_shared'));
CREATE TABLE hz.shares_2 (id int PRIMARY KEY DEFAULT nextval('hz.seq_shared'));
CREATE SEQUENCE hz.seq_member;

-- What the target has otherwise: see hazards_target.sql.
CREATE TABLE hz.t_rows (id int PRIMARY KEY);
CREATE TABLE hz.t_missing (id int PRIMARY KEY);
CREATE TABLE hz.t_kind (id int PRIMARY KEY);
CREATE TABLE hz.t_unlogged (id int PRIMARY KEY);
CREATE TABLE hz.t_columns (id int PRIMARY KEY, gone text, narrow bigint, stern text, made int);
CREATE TABLE hz.t_key (id int PRIMARY KEY, n int);
CREATE TABLE hz.t_extra (id int PRIMARY KEY, n int);
CREATE TABLE hz.t_fk (id int PRIMARY KEY, other int REFERENCES hz.t_extra);
