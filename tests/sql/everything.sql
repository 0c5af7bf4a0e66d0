-- A database with everything that a migration has to carry. Runs in psql and as one batch; names
-- of roles are created by the test: app_owner and app_reader.
CREATE SCHEMA shop;
CREATE SCHEMA "Ünïcode Schema";
GRANT USAGE ON SCHEMA shop TO app_owner, app_reader;
GRANT CREATE ON SCHEMA shop TO app_owner;

CREATE TYPE shop.mood AS ENUM ('sad', 'ok', 'happy', 'It''s "odd"');
CREATE DOMAIN shop.positive AS integer CHECK (VALUE > 0);
CREATE TYPE shop.pair AS (left_side integer, "Right Side" text);
CREATE TYPE shop.float_range AS RANGE (subtype = float8);
CREATE COLLATION shop.plain (provider = libc, locale = 'C');

CREATE FUNCTION shop.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- TOC entry 1 looks like a header, and is none
    RAISE EXCEPTION 'trigger % of % fired where it must not', TG_NAME, TG_TABLE_NAME;
END
$$;
CREATE FUNCTION shop.stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.note := COALESCE(NEW.note, '') || '+' || TG_NAME;
    RETURN NEW;
END
$$;

-- Every type of interest.
CREATE TABLE shop.types (
    id bigint PRIMARY KEY,
    c_money money, c_numeric numeric, c_numeric_scale numeric(30, 10),
    c_float4 real, c_float8 double precision,
    c_timestamptz timestamptz, c_timestamp timestamp, c_date date, c_time time, c_timetz timetz,
    c_interval interval, c_json json, c_jsonb jsonb, c_xml xml,
    c_ints integer[], c_texts text[][], c_int4range int4range, c_tstzrange tstzrange,
    c_float_range shop.float_range, c_mood shop.mood, c_moods shop.mood[], c_domain shop.positive,
    c_pair shop.pair, c_pairs shop.pair[], c_bytea bytea, c_inet inet, c_cidr cidr, c_macaddr macaddr,
    c_bit bit(5), c_varbit bit varying, c_tsvector tsvector, c_tsquery tsquery, c_uuid uuid,
    c_point point, c_polygon polygon, c_char char(7), c_varchar varchar(20), c_text text, c_name name,
    c_bool boolean, c_regclass regclass, c_lsn pg_lsn, "C Quoted" text, c_ns text COLLATE shop.plain
);
INSERT INTO shop.types
SELECT g,
       (g * 1.01)::numeric::money, 10::numeric ^ (g % 20) + g / 3.0, g / 7.0,
       CASE g % 7 WHEN 0 THEN 'NaN' WHEN 1 THEN 'Infinity' ELSE (g / 3.0)::real END::real,
       CASE g % 7 WHEN 0 THEN '-Infinity' WHEN 1 THEN 'NaN' WHEN 2 THEN '-0' ELSE 0.1 + g * 0.2::float8 END::float8,
       CASE g % 9 WHEN 0 THEN 'infinity' WHEN 1 THEN '-infinity' ELSE '2024-03-04 05:06:07.123456+02'::timestamptz + g * interval '1 h' END::timestamptz,
       '0044-03-15 BC'::timestamp + g * interval '1 day', '2024-02-29'::date + g, '23:59:59.999999', '04:05:06.7-08:30',
       format('%s mons -%s days +%s:00:00.5', g, g % 31, g % 24)::interval,
       format('{"b":1,  "a":%s, "a":2}', g)::json, format('{"z":[1,null,%s],"e":1e3}', g)::jsonb,
       CASE WHEN g % 2 = 0 THEN xmlparse(CONTENT format('<a x="%s">&amp;</a>', g)) ELSE xmlparse(DOCUMENT '<?xml version="1.0"?><r/>') END,
       ARRAY[g, NULL, -g]::integer[], ARRAY[ARRAY['a"b', NULL], ARRAY['', E'\\x\n']], int4range(g, g + 5), tstzrange(now(), NULL),
       shop.float_range(0.1, g * 0.3), (ARRAY['sad', 'ok', 'happy', 'It''s "odd"'])[g % 4 + 1]::shop.mood, ARRAY['ok', NULL]::shop.mood[], g + 1,
       ROW (g, E'x,"y"\t')::shop.pair, ARRAY[ROW (1, NULL)::shop.pair], decode(md5(g::text), 'hex'), '10.1.2.3/16', '10.1.0.0/16', '08:00:2b:01:02:03',
       (g % 32)::bit(5), (g % 5)::bit(3)::bit varying, to_tsvector('simple', 'the quick ' || g), to_tsquery('simple', 'a & b'), md5(g::text)::uuid,
       point(g, 0.1), '((0,0),(1,1),(2,0))', 'ab', 'vär' || g, CASE g % 3 WHEN 0 THEN '' WHEN 1 THEN NULL ELSE E'tab\tnl\ncr\rbs\\N \\.' END, 'n' || g,
       g % 2 = 0, 'pg_class', '16/B374D848', '"q"', 'x'
  FROM generate_series(1, 300) g;

-- Keys of every kind.
CREATE TABLE shop.customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL,
    note text,
    CONSTRAINT customers_email_key UNIQUE (email) DEFERRABLE INITIALLY IMMEDIATE
);
ALTER TABLE shop.customers OWNER TO app_owner;
INSERT INTO shop.customers (email) SELECT 'c' || g || '@example.org' FROM generate_series(1, 2000) g;
CREATE TABLE shop.orders (
    id serial PRIMARY KEY,
    customer bigint NOT NULL REFERENCES shop.customers,
    amount numeric(12, 2) NOT NULL,
    twice numeric GENERATED ALWAYS AS (amount * 2) STORED,
    placed timestamptz NOT NULL DEFAULT '2024-01-01',
    CHECK (amount >= 0)
);
INSERT INTO shop.orders (customer, amount) SELECT g % 2000 + 1, g / 7.0 FROM generate_series(1, 5000) g;
CREATE INDEX orders_customer ON shop.orders (customer) INCLUDE (amount);
CREATE INDEX orders_expr ON shop.orders ((amount * 3)) WHERE amount > 10;
COMMENT ON INDEX shop.orders_customer IS 'by customer';
CREATE TABLE shop.composite (a integer, b text, c date, v text, PRIMARY KEY (c, a, b));
INSERT INTO shop.composite SELECT g, 'b' || g % 5, '2024-01-01'::date + g % 30, 'v' FROM generate_series(1, 1000) g;
CREATE TABLE shop.text_key (code text PRIMARY KEY, v integer);
INSERT INTO shop.text_key SELECT 'k' || g, g FROM generate_series(1, 500) g;
CREATE TABLE shop.by_index (u integer NOT NULL, v text);
CREATE UNIQUE INDEX by_index_u ON shop.by_index (u);
ALTER TABLE shop.by_index REPLICA IDENTITY USING INDEX by_index_u;
INSERT INTO shop.by_index SELECT g, 'v' || g FROM generate_series(1, 300) g;
CREATE TABLE shop.keyless (at timestamptz DEFAULT '2024-01-01', line text);
INSERT INTO shop.keyless SELECT '2024-01-01', 'line ' || g FROM generate_series(1, 400) g;
CREATE TABLE shop.nothing_in_it (id integer PRIMARY KEY);
CREATE TABLE shop.no_columns ();

-- Names.
CREATE TABLE "Ünïcode Schema"."We'ird ""Täble"" 表" (
    "Ïd" integer PRIMARY KEY, "select" text, "a.b" text, "semi;colon" integer DEFAULT 7
);
INSERT INTO "Ünïcode Schema"."We'ird ""Täble"" 表" SELECT g, 'x' || g, '.' FROM generate_series(1, 100) g;
CREATE INDEX "Ïndex ""x""" ON "Ünïcode Schema"."We'ird ""Täble"" 表" ("a.b");

-- Partitions: list, range, hash, two levels.
CREATE TABLE shop.by_list (id integer, region text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE shop.by_list_eu PARTITION OF shop.by_list FOR VALUES IN ('eu');
CREATE TABLE shop.by_list_rest PARTITION OF shop.by_list DEFAULT;
INSERT INTO shop.by_list SELECT g, (ARRAY['eu', 'us', 'jp'])[g % 3 + 1] FROM generate_series(1, 900) g;
CREATE TABLE shop.by_range (id integer, day date, v text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE shop.by_range_1 PARTITION OF shop.by_range FOR VALUES FROM ('2024-01-01') TO ('2024-07-01');
CREATE TABLE shop.by_range_2 PARTITION OF shop.by_range FOR VALUES FROM ('2024-07-01') TO ('2025-01-01') PARTITION BY HASH (id);
CREATE TABLE shop.by_range_2_0 PARTITION OF shop.by_range_2 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE shop.by_range_2_1 PARTITION OF shop.by_range_2 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE INDEX by_range_v ON shop.by_range (v);
INSERT INTO shop.by_range SELECT g, '2024-01-01'::date + g % 360, 'v' || g FROM generate_series(1, 2000) g;
CREATE TABLE shop.by_hash (id integer PRIMARY KEY, v text) PARTITION BY HASH (id);
CREATE TABLE shop.by_hash_0 PARTITION OF shop.by_hash FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE shop.by_hash_1 PARTITION OF shop.by_hash FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE shop.by_hash_2 PARTITION OF shop.by_hash FOR VALUES WITH (MODULUS 3, REMAINDER 2);
INSERT INTO shop.by_hash SELECT g, 'v' FROM generate_series(1, 600) g;
CREATE TABLE shop.part_ref (id integer PRIMARY KEY, h integer REFERENCES shop.by_hash);
INSERT INTO shop.part_ref SELECT g, g FROM generate_series(1, 100) g;

-- Inheritance.
CREATE TABLE shop.animals (id integer PRIMARY KEY, name text);
CREATE TABLE shop.dogs (bark text, PRIMARY KEY (id)) INHERITS (shop.animals);
INSERT INTO shop.animals SELECT g, 'a' || g FROM generate_series(1, 50) g;
INSERT INTO shop.dogs SELECT 1000 + g, 'd' || g, 'wau' FROM generate_series(1, 70) g;

-- Sequences.
CREATE SEQUENCE shop.descending INCREMENT BY -2 MAXVALUE 100 MINVALUE -1000 START 100;
SELECT nextval('shop.descending') FROM generate_series(1, 10);
CREATE SEQUENCE shop.cycling MAXVALUE 7 CYCLE;
SELECT nextval('shop.cycling') FROM generate_series(1, 9);
CREATE SEQUENCE shop.untouched;

-- Exclusion, extension with own tables, generated columns, triggers, rules, policies.
CREATE TABLE shop.booking (id integer PRIMARY KEY, during tsrange, EXCLUDE USING gist (during WITH &&));
INSERT INTO shop.booking SELECT g, tsrange('2024-01-01'::timestamp + g * interval '1 day', '2024-01-01'::timestamp + g * interval '1 day' + interval '1 h') FROM generate_series(1, 60) g;
CREATE TABLE shop.generated_only (id integer PRIMARY KEY, a integer, b integer GENERATED ALWAYS AS (a + 1) STORED, c text GENERATED ALWAYS AS ('x') STORED);
INSERT INTO shop.generated_only (id, a) SELECT g, g * 2 FROM generate_series(1, 200) g;
CREATE TABLE shop.guarded (id integer PRIMARY KEY, note text);
INSERT INTO shop.guarded SELECT g, 'n' FROM generate_series(1, 100) g;
CREATE TABLE shop.guarded_log (id integer PRIMARY KEY);
CREATE RULE watch_guarded AS ON DELETE TO shop.guarded_log DO ALSO NOTIFY gone;
ALTER TABLE shop.guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON shop.guarded FOR SELECT TO app_reader USING (id < 10);
CREATE TRIGGER origin_stamp BEFORE INSERT OR UPDATE ON shop.customers FOR EACH ROW EXECUTE FUNCTION shop.stamp();
CREATE TRIGGER replica_stamp BEFORE INSERT OR UPDATE ON shop.text_key FOR EACH ROW WHEN (NEW.v < 0) EXECUTE FUNCTION shop.touch();
CREATE TRIGGER always_touch AFTER INSERT OR UPDATE OR DELETE ON shop.by_index FOR EACH ROW EXECUTE FUNCTION shop.touch();
CREATE TRIGGER replica_touch AFTER INSERT OR UPDATE OR DELETE ON shop.composite FOR EACH ROW EXECUTE FUNCTION shop.touch();
ALTER TABLE shop.by_index ENABLE REPLICA TRIGGER always_touch;
ALTER TABLE shop.composite ENABLE REPLICA TRIGGER replica_touch;
CREATE FUNCTION shop.count_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RETURN NULL;
END
$$;
CREATE TRIGGER always_count AFTER INSERT OR UPDATE OR DELETE ON shop.guarded FOR EACH STATEMENT EXECUTE FUNCTION shop.count_up();
ALTER TABLE shop.guarded ENABLE ALWAYS TRIGGER always_count;
COMMENT ON TRIGGER always_count ON shop.guarded IS 'counts';
CREATE STATISTICS shop.orders_stats ON customer, amount FROM shop.orders;

-- Views and materialised views that read one another.
CREATE VIEW shop.order_sums AS SELECT customer, sum(amount) AS total FROM shop.orders GROUP BY customer;
CREATE VIEW shop.by_key AS SELECT id, email, note FROM shop.customers GROUP BY id;
CREATE MATERIALIZED VIEW shop.a_last AS SELECT 1 AS one;
CREATE MATERIALIZED VIEW shop.z_first AS SELECT customer, total FROM shop.order_sums;
CREATE UNIQUE INDEX z_first_key ON shop.z_first (customer);
CREATE MATERIALIZED VIEW shop.b_second AS SELECT count(*) AS n, sum(total) AS total FROM shop.z_first;
CREATE MATERIALIZED VIEW shop.empty_one AS SELECT 1 AS one WITH NO DATA;

-- A foreign key that was never validated, one to itself, one that is deferred.
CREATE TABLE shop.tree (id integer PRIMARY KEY, parent integer REFERENCES shop.tree DEFERRABLE INITIALLY DEFERRED, v text);
INSERT INTO shop.tree SELECT g, NULLIF(g / 2, 0), 'v' FROM generate_series(1, 500) g;
ALTER TABLE shop.dogs ADD CONSTRAINT dogs_loose FOREIGN KEY (id) REFERENCES shop.animals NOT VALID;

-- Large values.
CREATE TABLE shop.large (id integer PRIMARY KEY, body text, raw bytea, plain text);
ALTER TABLE shop.large ALTER body SET STORAGE EXTERNAL;
INSERT INTO shop.large SELECT g, repeat(md5(g::text), 4000), decode(repeat(md5(g::text), 500), 'hex'), 'p' FROM generate_series(1, 20) g;

CREATE TABLE shop.scratch (id integer PRIMARY KEY, v text);
ALTER TABLE shop.scratch OWNER TO app_owner;
INSERT INTO shop.scratch SELECT g, 's' FROM generate_series(1, 50) g;

GRANT SELECT ON ALL TABLES IN SCHEMA shop TO app_reader;
GRANT INSERT, UPDATE, DELETE, TRUNCATE ON shop.orders, shop.guarded TO app_owner;
GRANT SELECT (id) ON shop.types TO app_owner;
ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT SELECT ON TABLES TO app_reader;
ANALYZE;
