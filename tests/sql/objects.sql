-- An object of every kind that CREATE makes in a database and `everything.sql` does not have. Comes after that file, and runs
-- like it; a part that begins with "From PostgreSQL n" is for sources that are at least that new. Role app_odd has an awkward name.
CREATE SCHEMA objects;
CREATE SCHEMA "-- Name: x; Type: TABLE; Schema: $$; Owner: '" AUTHORIZATION app_odd;
CREATE SCHEMA "ext's";
SET search_path = objects;

-- Functions of every form, procedures, and languages that need no library of their own.
CREATE FUNCTION nothing() RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION handler() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE FUNCTION inline_handler(internal) RETURNS void LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_inline_handler';
CREATE FUNCTION validator(oid) RETURNS void LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_validator';
CREATE TRUSTED LANGUAGE "pl; Odd" HANDLER handler INLINE inline_handler VALIDATOR validator;
CREATE LANGUAGE untrusted HANDLER handler;
COMMENT ON LANGUAGE "pl; Odd" IS E'line\r\nline -- /* ; $$';
REVOKE USAGE ON LANGUAGE "pl; Odd" FROM PUBLIC;
GRANT USAGE ON LANGUAGE "pl; Odd" TO app_reader WITH GRANT OPTION;
CREATE FUNCTION "in; Odd"("A b" text DEFAULT E'-- Name: x; Type: TABLE\r\n''"$$\\', "select" integer DEFAULT 1, OUT "Out" text)
    LANGUAGE "pl; Odd" STABLE AS $body$
BEGIN
    -- Name: x; Type: TABLE; Schema: public; Owner: y
    /* ' $$ " ; \ */
    "Out" := "A b" || E'\r\n';
END
$body$;
COMMENT ON FUNCTION "in; Odd"(text, integer) IS E'''\r\n--\r\n-- Name: x; Type: TABLE\r\n--\r\n/* $$ \\ ; ü';
CREATE FUNCTION volatile_one(integer) RETURNS integer LANGUAGE sql VOLATILE STRICT SECURITY DEFINER LEAKPROOF PARALLEL RESTRICTED COST 17
    SET search_path = 'Odd, schema', public, '' SET "app.Name" = 'a''b\ "c"' SET work_mem = '4MB' AS 'SELECT $1';
CREATE FUNCTION stable_one(integer) RETURNS SETOF integer LANGUAGE sql STABLE PARALLEL SAFE ROWS 5 AS 'SELECT $1';
CREATE FUNCTION immutable_one(integer, b integer DEFAULT 3) RETURNS integer LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT AS 'SELECT $1 + b';
CREATE FUNCTION as_table(n integer) RETURNS TABLE ("Row" integer, "text" text) LANGUAGE sql AS 'SELECT n, ''x''::text';
CREATE FUNCTION variadic_one(first text, VARIADIC rest integer[] DEFAULT '{1,2}') RETURNS text LANGUAGE sql AS 'SELECT first';
CREATE FUNCTION "inout"(INOUT a integer, IN b integer, OUT c integer) LANGUAGE sql AS 'SELECT a, b';
CREATE FUNCTION polymorphic(anyelement, anyarray) RETURNS anyelement LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION own_lag(anyelement) RETURNS anyelement LANGUAGE internal WINDOW IMMUTABLE STRICT AS 'window_lag';
CREATE FUNCTION supported(integer, integer) RETURNS SETOF integer LANGUAGE internal IMMUTABLE STRICT SUPPORT generate_series_int4_support AS 'generate_series_int4';
CREATE PROCEDURE "Do it"(IN a integer, INOUT b text DEFAULT '--') LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS 'BEGIN b := a; END';
COMMENT ON PROCEDURE "Do it"(integer, text) IS 'a procedure';
ALTER FUNCTION volatile_one(integer) OWNER TO app_odd;
ALTER PROCEDURE "Do it"(integer, text) OWNER TO app_owner;
REVOKE EXECUTE ON FUNCTION volatile_one(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION volatile_one(integer) TO app_reader WITH GRANT OPTION;
GRANT EXECUTE ON PROCEDURE "Do it"(integer, text) TO app_odd;
CREATE FUNCTION fires() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';

-- Types: base types of the server's own functions, a shell, what everything.sql has not of the others.
CREATE TYPE shell;
COMMENT ON TYPE shell IS 'has no functions yet';
CREATE TYPE label;
CREATE FUNCTION label_in(cstring) RETURNS label LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION label_out(label) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE FUNCTION label_recv(internal) RETURNS label LANGUAGE internal STABLE STRICT AS 'textrecv';
CREATE FUNCTION label_send(label) RETURNS bytea LANGUAGE internal STABLE STRICT AS 'textsend';
CREATE TYPE label (
    INPUT = label_in, OUTPUT = label_out, RECEIVE = label_recv, SEND = label_send, INTERNALLENGTH = VARIABLE, ALIGNMENT = int4,
    STORAGE = extended, CATEGORY = 'S', PREFERRED = false, DEFAULT = E'-- it''s "one"', DELIMITER = ';', COLLATABLE = true
);
CREATE TYPE word;
CREATE FUNCTION word_in(cstring) RETURNS word LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION word_out(word) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
CREATE TYPE word (INPUT = word_in, OUTPUT = word_out, LIKE = integer);
ALTER TYPE word OWNER TO app_owner;
CREATE TYPE "Enum; -- Type: TABLE" AS ENUM ('', E'a\r\nb', 'it''s', '"', '\', '$$', '-- Name: x; Type: TABLE', '/* ; */', 'ünï表');
ALTER TYPE "Enum; -- Type: TABLE" ADD VALUE 'before' BEFORE 'it''s';
COMMENT ON TYPE "Enum; -- Type: TABLE" IS E'\r\n--\r\n-- Name: y; Type: VIEW; Schema: x; Owner: -\r\n--\r\n';
CREATE TYPE "Comp" AS ("A b" text COLLATE "C", "select" numeric(5, 2), nested "Enum; -- Type: TABLE"[]);
COMMENT ON COLUMN "Comp"."A b" IS 'of a composite type';
CREATE TYPE empty_composite AS ();
CREATE FUNCTION float_minus(float8, float8) RETURNS float8 LANGUAGE sql IMMUTABLE STRICT AS 'SELECT $1 - $2';
CREATE TYPE measured AS RANGE (SUBTYPE = float8, SUBTYPE_OPCLASS = float8_ops, SUBTYPE_DIFF = float_minus);
CREATE TYPE text_range AS RANGE (SUBTYPE = text, COLLATION = "C");
CREATE TYPE day_range;
CREATE FUNCTION day_canonical(day_range) RETURNS day_range LANGUAGE internal IMMUTABLE STRICT AS 'daterange_canonical';
CREATE TYPE day_range AS RANGE (SUBTYPE = date, CANONICAL = day_canonical, SUBTYPE_DIFF = daterange_subdiff);
GRANT USAGE ON TYPE "Comp" TO app_reader WITH GRANT OPTION;
REVOKE USAGE ON TYPE label FROM PUBLIC;
CREATE DOMAIN "Dom" AS text COLLATE "C" DEFAULT E'''--\r\n$$' NOT NULL CONSTRAINT "-- one" CHECK (VALUE <> E'\r\n;') CONSTRAINT two CHECK (length(VALUE) < 100);
ALTER DOMAIN "Dom" ADD CONSTRAINT unchecked CHECK (VALUE <> '/*') NOT VALID;
COMMENT ON DOMAIN "Dom" IS 'several constraints';
COMMENT ON CONSTRAINT "-- one" ON DOMAIN "Dom" IS 'the first -- ;';
CREATE DOMAIN dom_of_dom AS "Dom" CHECK (VALUE <> 'x');
CREATE DOMAIN dom_array AS integer[] CHECK (array_length(VALUE, 1) < 4);
ALTER DOMAIN dom_array OWNER TO app_odd;
GRANT USAGE ON DOMAIN "Dom" TO app_reader;

-- Casts, operators, their classes and families, access methods.
CREATE CAST (label AS text) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (text AS label) WITH INOUT AS ASSIGNMENT;
CREATE FUNCTION word_to_text(word) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ''w''::text';
CREATE CAST (word AS text) WITH FUNCTION word_to_text(word);
COMMENT ON CAST (word AS text) IS 'a cast; --';
CREATE FUNCTION word_cmp(word, word) RETURNS integer LANGUAGE internal IMMUTABLE STRICT AS 'btint4cmp';
CREATE FUNCTION word_lt(word, word) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'int4lt';
CREATE FUNCTION word_le(word, word) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'int4le';
CREATE FUNCTION word_eq(word, word) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'int4eq';
CREATE FUNCTION word_ge(word, word) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'int4ge';
CREATE FUNCTION word_gt(word, word) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'int4gt';
CREATE FUNCTION word_hash(word) RETURNS integer LANGUAGE internal IMMUTABLE STRICT AS 'hashint4';
CREATE FUNCTION word_int_cmp(word, integer) RETURNS integer LANGUAGE internal IMMUTABLE STRICT AS 'btint4cmp';
CREATE FUNCTION word_int_eq(word, integer) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'int4eq';
CREATE FUNCTION word_minus(word) RETURNS word LANGUAGE internal IMMUTABLE STRICT AS 'int4um';
CREATE OPERATOR < (FUNCTION = word_lt, LEFTARG = word, RIGHTARG = word, COMMUTATOR = >, NEGATOR = >=, RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
CREATE OPERATOR > (FUNCTION = word_gt, LEFTARG = word, RIGHTARG = word, COMMUTATOR = <, NEGATOR = <=, RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
CREATE OPERATOR <= (FUNCTION = word_le, LEFTARG = word, RIGHTARG = word, COMMUTATOR = >=, NEGATOR = >);
CREATE OPERATOR >= (FUNCTION = word_ge, LEFTARG = word, RIGHTARG = word, COMMUTATOR = <=, NEGATOR = <);
CREATE OPERATOR = (FUNCTION = word_eq, LEFTARG = word, RIGHTARG = word, COMMUTATOR = =, RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
CREATE OPERATOR = (FUNCTION = word_int_eq, LEFTARG = word, RIGHTARG = integer);
CREATE OPERATOR |-| (FUNCTION = word_minus, RIGHTARG = word);
COMMENT ON OPERATOR |-| (NONE, word) IS 'a prefix; /*';
ALTER OPERATOR |-| (NONE, word) OWNER TO app_odd;
CREATE OPERATOR FAMILY "Words" USING btree;
CREATE OPERATOR CLASS "Word ops" DEFAULT FOR TYPE word USING btree FAMILY "Words" AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 word_cmp(word, word);
ALTER OPERATOR FAMILY "Words" USING btree ADD OPERATOR 3 = (word, integer), FUNCTION 1 word_int_cmp(word, integer);
CREATE OPERATOR CLASS word_hash_ops DEFAULT FOR TYPE word USING hash AS OPERATOR 1 =, FUNCTION 1 word_hash(word);
CREATE OPERATOR FAMILY nobody USING gist;
ALTER OPERATOR CLASS word_hash_ops USING hash OWNER TO app_owner;
ALTER OPERATOR FAMILY nobody USING gist OWNER TO app_odd;
COMMENT ON OPERATOR CLASS "Word ops" USING btree IS 'a class -- ;';
COMMENT ON OPERATOR FAMILY "Words" USING btree IS 'a family /* ;';
CREATE ACCESS METHOD "Heap 2" TYPE TABLE HANDLER heap_tableam_handler;
CREATE ACCESS METHOD brin2 TYPE INDEX HANDLER brinhandler;
COMMENT ON ACCESS METHOD "Heap 2" IS 'heap; again';
CREATE OPERATOR CLASS int4_brin2 DEFAULT FOR TYPE integer USING brin2 AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
    FUNCTION 1 brin_minmax_opcinfo(internal), FUNCTION 2 brin_minmax_add_value(internal, internal, internal, internal),
    FUNCTION 3 brin_minmax_consistent(internal, internal, internal), FUNCTION 4 brin_minmax_union(internal, internal, internal);

-- Aggregates.
CREATE AGGREGATE "Sum; all"(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0', COMBINEFUNC = int4pl, PARALLEL = safe, SSPACE = 64);
CREATE AGGREGATE counted(*) (SFUNC = int8inc, STYPE = bigint, INITCOND = '0');
CREATE AGGREGATE smallest(integer) (SFUNC = int4smaller, STYPE = integer, SORTOP = OPERATOR(pg_catalog.<));
CREATE AGGREGATE moving(float8) (SFUNC = float8pl, STYPE = float8, INITCOND = '0', MSFUNC = float8pl, MINVFUNC = float8mi, MSTYPE = float8, MINITCOND = '0', MSSPACE = 32);
CREATE AGGREGATE mean(numeric) (SFUNC = numeric_avg_accum, STYPE = internal, FINALFUNC = numeric_avg, FINALFUNC_MODIFY = shareable,
    COMBINEFUNC = numeric_avg_combine, SERIALFUNC = numeric_avg_serialize, DESERIALFUNC = numeric_avg_deserialize, PARALLEL = restricted);
CREATE AGGREGATE percentile(float8 ORDER BY anyelement) (SFUNC = ordered_set_transition, STYPE = internal, FINALFUNC = percentile_disc_final, FINALFUNC_EXTRA);
CREATE AGGREGATE "Rank"(VARIADIC "any" ORDER BY VARIADIC "any") (SFUNC = ordered_set_transition_multi, STYPE = internal, FINALFUNC = rank_final, FINALFUNC_EXTRA, HYPOTHETICAL);
ALTER AGGREGATE counted(*) OWNER TO app_odd;
COMMENT ON AGGREGATE "Rank"(VARIADIC "any" ORDER BY VARIADIC "any") IS 'an aggregate; -- $$';
REVOKE EXECUTE ON FUNCTION "Sum; all"(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION moving(float8) TO app_reader;

-- Collations, conversions, text search, transforms.
CREATE COLLATION "Coll; a" (provider = icu, locale = 'de-u-co-phonebk');
CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE COLLATION mixed (LC_COLLATE = 'C', LC_CTYPE = 'C.UTF-8');
CREATE COLLATION copied FROM "C";
COMMENT ON COLLATION "Coll; a" IS 'phone book';
ALTER COLLATION copied OWNER TO app_odd;
CREATE CONVERSION "Conv; a" FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE DEFAULT CONVERSION conv_default FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1;
COMMENT ON CONVERSION "Conv; a" IS 'a conversion';
ALTER CONVERSION conv_default OWNER TO app_odd;
CREATE TEXT SEARCH PARSER "Pars; a" (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype, HEADLINE = prsd_headline);
CREATE TEXT SEARCH TEMPLATE "Templ; a" (INIT = dsimple_init, LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH DICTIONARY "Dict; a" (TEMPLATE = "Templ; a", stopwords = 'english', accept = 'false');
CREATE TEXT SEARCH CONFIGURATION "Conf; a" (PARSER = "Pars; a");
ALTER TEXT SEARCH CONFIGURATION "Conf; a" ADD MAPPING FOR asciiword, word WITH "Dict; a", pg_catalog.simple;
CREATE TEXT SEARCH CONFIGURATION from_english (COPY = pg_catalog.english);
COMMENT ON TEXT SEARCH PARSER "Pars; a" IS 'a parser';
COMMENT ON TEXT SEARCH TEMPLATE "Templ; a" IS 'a template';
COMMENT ON TEXT SEARCH DICTIONARY "Dict; a" IS 'a dictionary';
COMMENT ON TEXT SEARCH CONFIGURATION "Conf; a" IS 'a configuration';
ALTER TEXT SEARCH DICTIONARY "Dict; a" OWNER TO app_odd;
ALTER TEXT SEARCH CONFIGURATION "Conf; a" OWNER TO app_odd;
CREATE TRANSFORM FOR "Comp" LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal));
COMMENT ON TRANSFORM FOR "Comp" LANGUAGE sql IS 'a transform';
CREATE FUNCTION transformed("Comp") RETURNS text LANGUAGE sql TRANSFORM FOR TYPE "Comp" AS 'SELECT ''x''::text';

-- Extensions: in another schema, moved, with a privilege that was changed.
CREATE EXTENSION hstore SCHEMA "ext's";
CREATE EXTENSION citext SCHEMA objects;
ALTER EXTENSION citext SET SCHEMA "ext's";
CREATE EXTENSION btree_gist SCHEMA "ext's";
CREATE EXTENSION file_fdw SCHEMA "ext's";
REVOKE EXECUTE ON FUNCTION "ext's".hstore(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION "ext's".hstore(text, text) TO app_reader;

-- Foreign data.
CREATE FOREIGN DATA WRAPPER "Wrap; a" OPTIONS (host 'it''s', dbname '-- $$');
CREATE SERVER "Serv; a" TYPE 'ty''pe' VERSION '1 -- 2' FOREIGN DATA WRAPPER "Wrap; a" OPTIONS (host 'h', port '1');
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE USER MAPPING FOR app_odd SERVER "Serv; a" OPTIONS ("user" 'it''s', password E'p\\w -- ; $$');
CREATE USER MAPPING FOR PUBLIC SERVER "Serv; a";
CREATE FOREIGN TABLE "For; a" ("A b" text COLLATE "C" NOT NULL DEFAULT 'x', n integer OPTIONS ("Odd" 'it''s') CHECK (n > 0), g integer GENERATED ALWAYS AS (n * 2) STORED)
    SERVER "Serv; a" OPTIONS ("Opt" E'x\r\ny');
CREATE FOREIGN TABLE passwd (line text) SERVER files OPTIONS (filename '/dev/null', format 'csv');
COMMENT ON FOREIGN DATA WRAPPER "Wrap; a" IS 'a wrapper';
COMMENT ON SERVER "Serv; a" IS 'a server';
COMMENT ON FOREIGN TABLE "For; a" IS 'a foreign table';
COMMENT ON COLUMN "For; a"."A b" IS 'a column';
GRANT USAGE ON FOREIGN DATA WRAPPER "Wrap; a" TO app_owner WITH GRANT OPTION;
GRANT USAGE ON FOREIGN SERVER "Serv; a" TO app_reader;
GRANT SELECT ("A b"), SELECT ON "For; a" TO app_reader;
ALTER SERVER "Serv; a" OWNER TO app_owner;
ALTER FOREIGN TABLE "For; a" OWNER TO app_odd;

-- Sequences.
CREATE SEQUENCE "Seq; a" AS smallint INCREMENT 3 MINVALUE -5 MAXVALUE 500 START 7 CACHE 10 CYCLE;
CREATE SEQUENCE seq_int AS integer;
CREATE SEQUENCE seq_down AS bigint INCREMENT -1;
ALTER SEQUENCE "Seq; a" OWNER TO app_odd;
COMMENT ON SEQUENCE "Seq; a" IS 'a sequence';
GRANT USAGE, SELECT ON SEQUENCE seq_int TO app_reader WITH GRANT OPTION;

-- Tables.
CREATE TABLE typed OF shop.pair (PRIMARY KEY (left_side), "Right Side" WITH OPTIONS NOT NULL DEFAULT E'a\r\nb', CHECK (left_side > 0));
CREATE TABLE "Tab; -- Type: TABLE" (
    "id
" integer GENERATED BY DEFAULT AS IDENTITY (SEQUENCE NAME "Ident; a" START 5 INCREMENT 5 MAXVALUE 1000000 CACHE 3 CYCLE),
    gone text,
    "It's -- ""A""" text COLLATE "C" DEFAULT E'-- Name: x; Type: TABLE; Schema: y; Owner: z\r\n\\ $$ /* ''' CONSTRAINT "Check; -- a" CHECK ("It's -- ""A""" <> E'\r\n--;') NO INHERIT,
    w word DEFAULT '7',
    l label,
    e "Enum; -- Type: TABLE" DEFAULT E'a\r\nb',
    c "Comp",
    d "Dom" DEFAULT 'd',
    m measured,
    h "ext's".hstore,
    i "ext's".citext,
    s smallserial,
    b bytea,
    "desc" integer[] DEFAULT '{1,2}',
    g text GENERATED ALWAYS AS ("It's -- ""A""" || E'\r\n') STORED,
    CONSTRAINT "PK; a" PRIMARY KEY ("id
") INCLUDE (w) WITH (fillfactor = 80),
    CONSTRAINT "UQ; a" UNIQUE (w) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT "EX; a" EXCLUDE USING gist (s WITH =, m WITH &&) WHERE (s > 10) DEFERRABLE
) WITH (fillfactor = 70, autovacuum_enabled = false, toast.autovacuum_vacuum_threshold = 100, parallel_workers = 2);
ALTER TABLE "Tab; -- Type: TABLE" DROP COLUMN gone;
ALTER TABLE "Tab; -- Type: TABLE" ALTER b SET STORAGE EXTERNAL, ALTER l SET STORAGE MAIN, ALTER w SET STATISTICS 200, ALTER w SET (n_distinct = -0.5);
ALTER TABLE "Tab; -- Type: TABLE" ADD CONSTRAINT unchecked CHECK (s <> 9999) NOT VALID;
INSERT INTO "Tab; -- Type: TABLE" (w, m) SELECT g::text::word, measured(g, g + 1) FROM generate_series(1, 20) g;
COMMENT ON TABLE "Tab; -- Type: TABLE" IS E'\r\n--\r\n-- Name: x; Type: TABLE; Schema: y; Owner: z\r\n--\r\n\r\nDROP TABLE x; /* '' $$ \\';
COMMENT ON COLUMN "Tab; -- Type: TABLE"."It's -- ""A""" IS E'col\r\numn';
COMMENT ON CONSTRAINT "Check; -- a" ON "Tab; -- Type: TABLE" IS 'a check';
COMMENT ON CONSTRAINT "PK; a" ON "Tab; -- Type: TABLE" IS 'a key';
ALTER TABLE "Tab; -- Type: TABLE" OWNER TO app_odd;
GRANT SELECT ("It's -- ""A""", w), UPDATE (w), REFERENCES (w), INSERT ("It's -- ""A""") ON "Tab; -- Type: TABLE" TO app_reader WITH GRANT OPTION;
GRANT ALL ON "Tab; -- Type: TABLE" TO app_owner;
REVOKE DELETE ON "Tab; -- Type: TABLE" FROM app_odd;
CREATE TABLE unlogged_one (id integer PRIMARY KEY);
ALTER TABLE unlogged_one SET UNLOGGED;
CREATE TABLE other_method (id integer PRIMARY KEY, v text) USING "Heap 2";
INSERT INTO other_method SELECT g, 'v' FROM generate_series(1, 30) g;
CREATE TABLE base_a (id integer NOT NULL, a text DEFAULT 'a', CONSTRAINT both_have CHECK (id > 0), CONSTRAINT own_only CHECK (id < 100000) NO INHERIT);
CREATE TABLE base_b (id integer NOT NULL, b text, CONSTRAINT both_have CHECK (id > 0));
CREATE TABLE heir (b text DEFAULT 'mine', PRIMARY KEY (id), CHECK (a <> '')) INHERITS (base_a, base_b);
INSERT INTO heir SELECT g FROM generate_series(1, 30) g;
CREATE TABLE likes (LIKE "Tab; -- Type: TABLE" INCLUDING ALL EXCLUDING CONSTRAINTS EXCLUDING INDEXES, PRIMARY KEY (s));
CREATE TABLE ident (id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, owned integer);
CREATE SEQUENCE owned_seq AS integer OWNED BY ident.owned;
CREATE UNIQUE INDEX ident_owned ON ident (owned);
CREATE INDEX ident_clustered ON ident (owned DESC NULLS LAST);
ALTER TABLE ident CLUSTER ON ident_clustered;
CREATE TABLE using_index (a integer NOT NULL, b integer NOT NULL, PRIMARY KEY (a));
CREATE UNIQUE INDEX to_be_constraint ON using_index (b);
ALTER TABLE using_index ADD CONSTRAINT to_be_constraint UNIQUE USING INDEX to_be_constraint;
CREATE TABLE refers (
    id integer PRIMARY KEY,
    a integer REFERENCES ident (owned) MATCH FULL ON DELETE CASCADE ON UPDATE SET NULL DEFERRABLE INITIALLY IMMEDIATE,
    b smallint DEFAULT 1
);
ALTER TABLE refers ADD CONSTRAINT "FK; -- a" FOREIGN KEY (b) REFERENCES ident ON DELETE SET DEFAULT NOT VALID;
COMMENT ON CONSTRAINT "FK; -- a" ON refers IS 'a foreign key';
CREATE TABLE replica_full (a integer, b text);
ALTER TABLE replica_full REPLICA IDENTITY FULL;
CREATE TABLE replica_nothing (a integer, b text);
ALTER TABLE replica_nothing REPLICA IDENTITY NOTHING;
CREATE TABLE parts (a integer, b text, c date, PRIMARY KEY (a, c)) PARTITION BY RANGE (a, c);
CREATE TABLE parts_1 PARTITION OF parts (b DEFAULT E'p\r\n1' NOT NULL, CHECK (b <> '')) FOR VALUES FROM (MINVALUE, MINVALUE) TO (10, '2024-01-01') WITH (fillfactor = 50);
CREATE TABLE "parts; 2" PARTITION OF parts FOR VALUES FROM (10, '2024-01-01') TO (MAXVALUE, MAXVALUE) PARTITION BY LIST (c);
CREATE TABLE parts_2_1 PARTITION OF "parts; 2" FOR VALUES IN ('2024-01-01', NULL);
CREATE TABLE parts_2_2 (c date NOT NULL, b text, gone integer, a integer NOT NULL, PRIMARY KEY (a, c));
ALTER TABLE parts_2_2 DROP COLUMN gone;
ALTER TABLE "parts; 2" ATTACH PARTITION parts_2_2 DEFAULT;
INSERT INTO parts SELECT g, 'b', '2024-01-01'::date + g % 3 FROM generate_series(1, 30) g;
CREATE INDEX parts_only ON ONLY parts (b);
CREATE INDEX parts_expr ON parts (lower(b) text_pattern_ops) WHERE a > 0;
CREATE TABLE parts_by_expr (a text, b text) PARTITION BY LIST (lower(a) COLLATE "C" text_pattern_ops);
CREATE TABLE parts_by_expr_1 PARTITION OF parts_by_expr FOR VALUES IN (E'it''s\r\n--', 'b');
CREATE TABLE parts_by_hash (a integer, b text) PARTITION BY HASH (a, b);
CREATE TABLE parts_by_hash_0 PARTITION OF parts_by_hash FOR VALUES WITH (MODULUS 1, REMAINDER 0);

-- Indexes.
CREATE TABLE indexed (id integer PRIMARY KEY, t text, n integer[], p point, r tsrange, v tsvector, d date);
INSERT INTO indexed SELECT g, 't' || g, ARRAY[g], point(g, g), NULL, to_tsvector('simple', 'a b'), '2024-01-01' FROM generate_series(1, 50) g;
CREATE INDEX "Ind; -- a" ON indexed (t COLLATE "C" DESC NULLS FIRST, (id + 1)) INCLUDE (d) WITH (fillfactor = 60, deduplicate_items = off) WHERE t <> E'\r\n--;''';
CREATE INDEX by_hash ON indexed USING hash (t) WITH (fillfactor = 50);
CREATE INDEX by_gin ON indexed USING gin (n, v) WITH (fastupdate = off);
CREATE INDEX by_gist ON indexed USING gist (v tsvector_ops (siglen = 100), p) WITH (buffering = off);
CREATE INDEX by_spgist ON indexed USING spgist (p kd_point_ops);
CREATE INDEX by_brin ON indexed USING brin (d, id int4_minmax_ops) WITH (pages_per_range = 7, autosummarize = on);
CREATE INDEX by_own ON indexed USING brin2 (id);
CREATE INDEX by_class ON "Tab; -- Type: TABLE" (w "Word ops");
ALTER INDEX "Ind; -- a" ALTER COLUMN 2 SET STATISTICS 50;
COMMENT ON INDEX "Ind; -- a" IS E'an index\r\n; --';

-- Statistics, policies, rules, triggers.
CREATE STATISTICS "Stat; a" (ndistinct) ON id, t FROM indexed;
CREATE STATISTICS stat_dep (dependencies) ON id, d FROM indexed;
CREATE STATISTICS stat_mcv (mcv, dependencies) ON t, d FROM indexed;
ALTER STATISTICS stat_mcv SET STATISTICS 77;
COMMENT ON STATISTICS "Stat; a" IS 'statistics';
ALTER STATISTICS stat_dep OWNER TO app_odd;
ALTER TABLE indexed ENABLE ROW LEVEL SECURITY;
ALTER TABLE indexed FORCE ROW LEVEL SECURITY;
CREATE POLICY "Pol; -- a" ON indexed AS RESTRICTIVE FOR ALL TO PUBLIC USING (t <> E'\r\n--;') WITH CHECK (t <> '''');
CREATE POLICY ins ON indexed FOR INSERT TO app_odd WITH CHECK (true);
CREATE POLICY ins_owner ON indexed FOR INSERT TO app_owner WITH CHECK (id > 0);
CREATE POLICY upd ON indexed FOR UPDATE TO CURRENT_USER USING (true);
CREATE POLICY del ON indexed FOR DELETE USING (EXISTS (SELECT FROM shop.customers WHERE customers.id = indexed.id));
COMMENT ON POLICY "Pol; -- a" ON indexed IS 'a policy';
CREATE TABLE ruled (id integer PRIMARY KEY, v text);
CREATE VIEW ruled_view AS SELECT id, v FROM ruled;
GRANT SELECT ON ruled TO app_odd;
CREATE RULE "Rule; -- a" AS ON INSERT TO ruled_view DO INSTEAD (INSERT INTO ruled VALUES (new.id, E'--\r\n;' || new.v); NOTIFY "Chan; a");
CREATE RULE upd AS ON UPDATE TO ruled_view WHERE new.id > 5 DO INSTEAD UPDATE ruled SET v = new.v WHERE id = old.id;
CREATE RULE del AS ON DELETE TO ruled_view DO INSTEAD DELETE FROM ruled WHERE id = old.id RETURNING id, v;
CREATE RULE upd_rest AS ON UPDATE TO ruled_view DO INSTEAD NOTHING;
CREATE RULE del AS ON DELETE TO ruled WHERE old.id < 0 DO ALSO DELETE FROM ruled WHERE id = old.id + 1;
CREATE RULE never AS ON DELETE TO ruled DO INSTEAD NOTHING;
CREATE RULE for_replica AS ON INSERT TO ruled DO ALSO NOTIFY x;
CREATE RULE for_all AS ON INSERT TO ruled DO ALSO NOTIFY y;
ALTER TABLE ruled DISABLE RULE never;
ALTER TABLE ruled ENABLE REPLICA RULE for_replica;
ALTER TABLE ruled ENABLE ALWAYS RULE for_all;
COMMENT ON RULE "Rule; -- a" ON ruled_view IS 'a rule';
CREATE TRIGGER "Trig; -- a" BEFORE UPDATE OF t, d ON indexed FOR EACH ROW WHEN (old.t IS DISTINCT FROM new.t AND new.t <> E'\r\n--;') EXECUTE FUNCTION fires('it''s', E'\\ \r\n--', '$$', '');
CREATE TRIGGER after_all AFTER INSERT ON indexed REFERENCING NEW TABLE AS "New; rows" FOR EACH STATEMENT EXECUTE FUNCTION fires();
CREATE TRIGGER both_tables AFTER UPDATE ON indexed REFERENCING OLD TABLE AS o NEW TABLE AS n FOR EACH ROW EXECUTE FUNCTION fires();
CREATE TRIGGER truncated BEFORE TRUNCATE ON indexed EXECUTE FUNCTION fires();
CREATE TRIGGER off BEFORE DELETE ON indexed FOR EACH ROW EXECUTE FUNCTION fires();
ALTER TABLE indexed DISABLE TRIGGER off;
CREATE CONSTRAINT TRIGGER later AFTER INSERT OR UPDATE ON indexed FROM refers DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (new.id > 0) EXECUTE FUNCTION fires();
CREATE TRIGGER instead INSTEAD OF UPDATE ON ruled_view FOR EACH ROW EXECUTE FUNCTION fires();
CREATE TRIGGER of_parts AFTER INSERT ON parts FOR EACH ROW EXECUTE FUNCTION fires();
ALTER TABLE parts_1 DISABLE TRIGGER of_parts;
COMMENT ON TRIGGER "Trig; -- a" ON indexed IS E'a trigger\r\n--';
CREATE FUNCTION on_event() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER "Event; -- a" ON ddl_command_end WHEN TAG IN ('CREATE VIEW', 'DROP VIEW') EXECUTE FUNCTION on_event();
CREATE EVENT TRIGGER event_off ON sql_drop EXECUTE FUNCTION on_event();
CREATE EVENT TRIGGER event_replica ON table_rewrite EXECUTE FUNCTION on_event();
CREATE EVENT TRIGGER event_always ON ddl_command_start EXECUTE FUNCTION on_event();
ALTER EVENT TRIGGER event_off DISABLE;
ALTER EVENT TRIGGER event_replica ENABLE REPLICA;
ALTER EVENT TRIGGER event_always ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER "Event; -- a" IS 'an event trigger';

-- Views.
CREATE VIEW "View; -- a" ("First; col", "select") WITH (security_barrier) AS SELECT id, t FROM indexed WHERE t <> E'-- Name: x; Type: TABLE\r\n' WITH CASCADED CHECK OPTION;
CREATE VIEW local_check AS SELECT id, v FROM ruled WHERE id > 0 WITH LOCAL CHECK OPTION;
ALTER VIEW local_check ALTER COLUMN v SET DEFAULT E'd\r\n--';
CREATE RECURSIVE VIEW counting (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM counting WHERE n < 10;
CREATE VIEW casts AS SELECT '1'::word::text AS a, 'x'::label::text AS b, |-| '2'::word AS c, '1'::word = 1 AS d, "Sum; all"(id) AS e FROM ruled;
CREATE VIEW called AS SELECT * FROM "in; Odd"() AS x, as_table(3) AS y;
CREATE MATERIALIZED VIEW "Mat; -- a" ("A; a", b) USING "Heap 2" WITH (fillfactor = 70) AS SELECT id, v FROM ruled;
CREATE INDEX "Mat; ind" ON "Mat; -- a" ("A; a");
COMMENT ON VIEW "View; -- a" IS E'a view\r\n--\r\n-- Name: x; Type: TABLE';
COMMENT ON COLUMN "View; -- a"."First; col" IS 'of a view';
COMMENT ON MATERIALIZED VIEW "Mat; -- a" IS 'materialised';
ALTER VIEW "View; -- a" OWNER TO app_odd;
ALTER MATERIALIZED VIEW "Mat; -- a" OWNER TO app_odd;
GRANT SELECT ON "View; -- a", "Mat; -- a" TO app_reader WITH GRANT OPTION;
-- Two that read each other.
CREATE VIEW circle_a AS SELECT 1 AS n;
CREATE VIEW circle_b AS SELECT n FROM circle_a;
CREATE FUNCTION reads_view() RETURNS SETOF circle_b LANGUAGE sql AS 'SELECT * FROM objects.circle_b';
CREATE OR REPLACE VIEW circle_a AS SELECT n FROM reads_view() AS n;

-- Publications.
CREATE PUBLICATION "Pub; -- a" FOR TABLE ruled, ONLY base_a WITH (publish = 'insert, truncate');
CREATE PUBLICATION pub_root FOR TABLE parts WITH (publish_via_partition_root);
CREATE PUBLICATION pub_all FOR ALL TABLES WITH (publish = 'insert');
CREATE PUBLICATION pub_none;
COMMENT ON PUBLICATION "Pub; -- a" IS 'a publication';
ALTER PUBLICATION pub_none OWNER TO app_odd;

-- Schemas and privileges.
COMMENT ON SCHEMA "-- Name: x; Type: TABLE; Schema: $$; Owner: '" IS E'\r\n--\r\n-- Name: x; Type: TABLE';
CREATE TABLE "-- Name: x; Type: TABLE; Schema: $$; Owner: '"."-- Name: y; Type: VIEW; Schema: z; Owner: w" (id integer PRIMARY KEY);
GRANT USAGE ON SCHEMA objects, "ext's" TO app_odd WITH GRANT OPTION;
GRANT CREATE ON SCHEMA "-- Name: x; Type: TABLE; Schema: $$; Owner: '" TO PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE app_odd GRANT SELECT, INSERT ON TABLES TO app_reader WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES FOR ROLE app_odd REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE app_odd REVOKE USAGE ON TYPES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE app_odd GRANT USAGE ON SEQUENCES TO PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE app_odd GRANT USAGE ON SCHEMAS TO app_owner;
ALTER DEFAULT PRIVILEGES FOR ROLE app_odd REVOKE UPDATE ON TABLES FROM app_odd;
ALTER DEFAULT PRIVILEGES FOR ROLE app_owner IN SCHEMA objects, "-- Name: x; Type: TABLE; Schema: $$; Owner: '" GRANT EXECUTE ON FUNCTIONS TO app_odd;
ALTER DEFAULT PRIVILEGES IN SCHEMA objects GRANT USAGE ON TYPES TO app_reader;

-- Large objects; they come with the cutover.
SELECT lo_from_bytea(4711, 'large');
ALTER LARGE OBJECT 4711 OWNER TO app_odd;
GRANT SELECT ON LARGE OBJECT 4711 TO app_reader;
COMMENT ON LARGE OBJECT 4711 IS 'a large object';

-- From PostgreSQL 15
SET search_path = objects;
CREATE FUNCTION standard_body(a integer DEFAULT 1) RETURNS text LANGUAGE sql BEGIN ATOMIC
    SELECT E'-- Name: x; Type: TABLE\r\n;' AS t;
    SELECT v FROM ruled WHERE id = a GROUP BY id;
END;
CREATE FUNCTION standard_return(a integer) RETURNS integer LANGUAGE sql RETURN a + 1;
CREATE PROCEDURE with_out(IN a integer, OUT b integer) LANGUAGE sql BEGIN ATOMIC SELECT a; END;
CREATE TYPE named_multirange AS RANGE (SUBTYPE = integer, MULTIRANGE_TYPE_NAME = "Multi; a");
CREATE STATISTICS stat_expr ON (id % 7), (t || E'\r\n') FROM indexed;
CREATE STATISTICS stat_one ON (id % 5) FROM indexed;
CREATE VIEW searched AS WITH RECURSIVE s (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM s WHERE n < 3) SEARCH DEPTH FIRST BY n SET o CYCLE n SET c USING p SELECT n, c FROM s;
CREATE TABLE compressed (id integer PRIMARY KEY, v text COMPRESSION pglz, m int4multirange);
CREATE INDEX by_bloom ON indexed USING brin (id int4_bloom_ops (n_distinct_per_range = 100), t text_bloom_ops);
CREATE TYPE elements;
CREATE FUNCTION elements_in(cstring) RETURNS elements LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION elements_out(elements) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE FUNCTION elements_subscript(internal) RETURNS internal LANGUAGE internal AS 'raw_array_subscript_handler';
CREATE TYPE elements (INPUT = elements_in, OUTPUT = elements_out, SUBSCRIPT = elements_subscript, ELEMENT = integer);
CREATE TABLE nulls_once (id integer PRIMARY KEY, a integer, CONSTRAINT "Nulls; a" UNIQUE NULLS NOT DISTINCT (a));
CREATE UNIQUE INDEX nulls_once_index ON nulls_once (a, id) NULLS NOT DISTINCT;
CREATE TABLE set_columns (id integer PRIMARY KEY, a integer, b integer, FOREIGN KEY (a, b) REFERENCES nulls_once (a, id) ON DELETE SET NULL (b));
CREATE VIEW invoker WITH (security_invoker) AS SELECT id FROM ruled;
CREATE UNLOGGED SEQUENCE seq_unlogged;
CREATE PUBLICATION pub_schema FOR TABLES IN SCHEMA objects, "-- Name: x; Type: TABLE; Schema: $$; Owner: '" WITH (publish = 'insert');
CREATE PUBLICATION pub_filter FOR TABLE indexed (id, t) WHERE (t <> E'\r\n--;'), ruled WHERE (id > 5) WITH (publish = 'insert');

-- From PostgreSQL 17
SET search_path = objects;
CREATE COLLATION with_rules (provider = icu, locale = 'und', rules = '& V << w <<< W');
ALTER TABLE compressed ALTER v SET STORAGE EXTENDED;
CREATE COLLATION built_in (provider = builtin, locale = 'C.UTF-8');
CREATE EVENT TRIGGER on_login ON login EXECUTE FUNCTION on_event();
ALTER EVENT TRIGGER on_login DISABLE;
CREATE TABLE parts_method (a integer PRIMARY KEY) PARTITION BY RANGE (a) USING "Heap 2";
CREATE TABLE parts_method_1 PARTITION OF parts_method DEFAULT;
GRANT MAINTAIN ON ruled TO app_reader WITH GRANT OPTION;
CREATE VIEW json_table_view AS SELECT * FROM JSON_TABLE('[{"a": 1}]'::jsonb, '$[*]' COLUMNS ("A; a" integer PATH '$.a'));

-- From PostgreSQL 18
SET search_path = objects;
CREATE TABLE newest (
    id integer, during daterange, a integer CONSTRAINT "Not null; -- a" NOT NULL, b integer CONSTRAINT own_only NOT NULL NO INHERIT,
    v integer GENERATED ALWAYS AS (a * 2) VIRTUAL,
    CONSTRAINT "Enforced; not" CHECK (a > 0) NOT ENFORCED,
    CONSTRAINT newest_key PRIMARY KEY (id, during WITHOUT OVERLAPS)
);
ALTER TABLE newest ADD CONSTRAINT unchecked NOT NULL v NOT VALID;
COMMENT ON CONSTRAINT "Not null; -- a" ON newest IS 'a constraint NOT NULL';
CREATE TABLE newest_refers (id integer PRIMARY KEY, r integer, during daterange, a integer REFERENCES ruled NOT ENFORCED,
    CONSTRAINT during_key FOREIGN KEY (r, PERIOD during) REFERENCES newest (id, PERIOD during));
CREATE PUBLICATION pub_generated FOR TABLE indexed WITH (publish = 'insert', publish_generated_columns = stored);
ALTER DEFAULT PRIVILEGES FOR ROLE app_odd GRANT SELECT ON LARGE OBJECTS TO app_reader;
