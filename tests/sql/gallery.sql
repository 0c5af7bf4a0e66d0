-- What both sides of the corruption gallery start with. One table a subject; row 1 and its
-- neighbours are there to be damaged, the others must stay silent.
CREATE SCHEMA gallery;
SET search_path = gallery, public;
CREATE EXTENSION hstore SCHEMA public;
CREATE EXTENSION citext SCHEMA public;
CREATE COLLATION caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE spot AS (x float8, label text, mood mood);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);

CREATE TABLE stamps (id int PRIMARY KEY, ts timestamp, tz timestamptz, tt timetz, iv interval, d date, t time);
INSERT INTO stamps SELECT k, timestamp '2024-03-04 10:11:12.123456' + k * interval '1 hour',
    timestamptz '2024-03-04 10:11:12.123456+00' + k * interval '1 day', timetz '10:00+01',
    '-1 days -02:00:00', date '2024-03-04', time '23:59:59.999999' FROM generate_series(1, 2000) AS k;
UPDATE stamps SET tz = 'infinity' WHERE id IN (6, 7);
UPDATE stamps SET iv = '1 mon' WHERE id = 9;

CREATE TABLE numbers (id int PRIMARY KEY, m money, n numeric, b bigint, f8 float8, f4 float4, i int, s smallint);
INSERT INTO numbers SELECT k, (k * 1.37)::numeric::money, 1.0, 9007199254740993 + k, 0.1::float8 + 0.2::float8,
    16777217.5, k, 7 FROM generate_series(1, 2000) AS k;
UPDATE numbers SET f8 = '-0' WHERE id = 8;
UPDATE numbers SET f8 = 'NaN', n = 'NaN' WHERE id IN (9, 10, 11);
UPDATE numbers SET n = 12345678901234567890.12345678901234567890 WHERE id = 4;
UPDATE numbers SET b = 4294967296 WHERE id = 12;

CREATE TABLE texts (id int PRIMARY KEY, a text, b text, v varchar(50), c char(10), ci citext, nc text COLLATE caseless);
INSERT INTO texts SELECT k, 'alpha', 'beta', 'gamma ', 'delta', 'ABC', 'ABC' FROM generate_series(1, 2000) AS k;
UPDATE texts SET a = NULL WHERE id = 2;
UPDATE texts SET a = '<null>' WHERE id = 3;
UPDATE texts SET a = 'NULL' WHERE id = 4;
UPDATE texts SET a = E'one\r\ntwo\r\n' WHERE id IN (5, 6);
UPDATE texts SET a = U&'\00e9l\00e8ve' WHERE id = 8;
UPDATE texts SET a = U&'a\200db' WHERE id = 9;
UPDATE texts SET a = 'müller' WHERE id IN (10, 11);
UPDATE texts SET a = 'ab', b = 'c' WHERE id = 12;
UPDATE texts SET a = 'a|', b = 'b' WHERE id = 13;
UPDATE texts SET a = 'x', b = NULL WHERE id = 14;
UPDATE texts SET a = 'c0ffee00-0000-4000-8000-00000000abcd' WHERE id = 15;
UPDATE texts SET a = 'left', b = 'right' WHERE id = 16;
UPDATE texts SET a = '' WHERE id = 17;

CREATE TABLE bytes (id int PRIMARY KEY, b bytea, big text, big2 bytea);
INSERT INTO bytes SELECT k, decode(md5(k::text) || '00', 'hex'), 'small', '\x00' FROM generate_series(1, 300) AS k;
UPDATE bytes SET big = repeat(md5('x'), 320000) WHERE id = 4;
UPDATE bytes SET big = repeat(md5('y'), 40000) WHERE id IN (5, 6);

CREATE TABLE odd (id int PRIMARY KEY, ok bool, bits varbit, j json, jb jsonb, a int[], ta text[], r int4range,
    ip inet, m mood, u uuid, ts tsvector, h hstore, p point, x xml, cp spot, dp positive, ms mood[], sa spot[],
    mac macaddr, fr numrange, oc "char", cidr cidr);
INSERT INTO odd SELECT k, false, B'0101', '{"a": 1, "b" : 2, "a": 3}', '{"n": 1.0, "z": null}', '[0:1]={1,2}', '{x,NULL}',
    '[1,2)', '10.0.0.1/8', 'ok', 'c0ffee00-0000-4000-8000-00000000abcd', 'cat:1A dog:2B', 'a=>NULL,b=>1',
    '(0.1,0.30000000000000004)', '<a></a>', ROW(0.30000000000000004, 'l', 'ok')::spot, 5, '{sad,ok}',
    ARRAY[ROW(1.5, 'q', 'sad')::spot, NULL], '08:00:2b:01:02:03', '[1.0,2.0)', 'x', '10.0.0.0/8'
    FROM generate_series(1, 1000) AS k;
UPDATE odd SET cp = ROW(NULL, NULL, NULL)::spot WHERE id = 30;

CREATE TABLE uuid_key (id uuid PRIMARY KEY, v int);
INSERT INTO uuid_key SELECT md5(k::text)::uuid, k FROM generate_series(1, 1000) AS k;
CREATE TABLE text_key (id text PRIMARY KEY, v int);
INSERT INTO text_key SELECT 'key ' || k, k FROM generate_series(1, 1000) AS k;
CREATE TABLE caseless_key (id text COLLATE caseless PRIMARY KEY, v int);
INSERT INTO caseless_key SELECT 'Key ' || k, k FROM generate_series(1, 1000) AS k;
CREATE TABLE citext_key (id citext PRIMARY KEY, v int);
INSERT INTO citext_key SELECT 'Key ' || k, k FROM generate_series(1, 1000) AS k;
CREATE TABLE pair_key (a int, b text, v int, PRIMARY KEY (b, a));
INSERT INTO pair_key SELECT k % 10, 'b' || k, k FROM generate_series(1, 1000) AS k;
CREATE TABLE edge_key (id bigint PRIMARY KEY, v text);
INSERT INTO edge_key SELECT k, 'v' || k FROM generate_series(1, 1000) AS k;
INSERT INTO edge_key VALUES (9223372036854775807, 'last'), (-9223372036854775808, 'first'), (-5, 'negative');
CREATE TABLE shifted (id int PRIMARY KEY, v int);
INSERT INTO shifted SELECT k * 10, NULL FROM generate_series(1, 1000) AS k;
CREATE TABLE nokey (a int, b text, ts timestamp);
INSERT INTO nokey SELECT k % 50, 'twin', '2024-01-01' FROM generate_series(1, 1000) AS k;
INSERT INTO nokey SELECT k, 'single ' || k, '2024-01-01' FROM generate_series(100, 120) AS k;
CREATE TABLE swapped (id int PRIMARY KEY, v text);
INSERT INTO swapped SELECT k, 'v' || k FROM generate_series(1, 100) AS k;
CREATE TABLE even (id int PRIMARY KEY, ts timestamp);
INSERT INTO even SELECT k, timestamp '2024-01-01' FROM generate_series(1, 100) AS k;
CREATE TABLE truncated (id int PRIMARY KEY);
INSERT INTO truncated SELECT generate_series(1, 50);
CREATE TABLE vanished (id int PRIMARY KEY);
CREATE TABLE hollow (id int PRIMARY KEY);
CREATE TABLE part (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
CREATE TABLE part_low PARTITION OF part FOR VALUES FROM (0) TO (100);
CREATE TABLE part_high PARTITION OF part FOR VALUES FROM (100) TO (1000);
INSERT INTO part SELECT k, 'p' || k FROM generate_series(1, 200) AS k;
CREATE TABLE parent (id int PRIMARY KEY, v text);
CREATE TABLE child (extra int, PRIMARY KEY (id)) INHERITS (parent);
INSERT INTO parent SELECT k, 'p' FROM generate_series(1, 10) AS k;
INSERT INTO child SELECT k, 'c', k FROM generate_series(11, 20) AS k;
CREATE TABLE "We""ird.Tábla ""x" (id int PRIMARY KEY, "SELECT" text, "a ""b.c" text, "Ünï" text);
INSERT INTO "We""ird.Tábla ""x" SELECT k, 's', 'q', 'u' FROM generate_series(1, 100) AS k;
DO $$ BEGIN
    EXECUTE (SELECT 'CREATE TABLE wide (id int PRIMARY KEY, ' || string_agg('c' || k || ' int', ', ') || ')'
        FROM generate_series(1, 1599) AS k);
    EXECUTE (SELECT 'INSERT INTO wide SELECT g, ' || string_agg('g', ', ') || ' FROM generate_series(1, 20) AS g'
        FROM generate_series(1, 1599) AS k);
END $$;
CREATE TABLE moved_null (id int PRIMARY KEY, a int, b int, c int);
INSERT INTO moved_null SELECT k, k, NULL, k FROM generate_series(1, 100) AS k;
CREATE TABLE computed (id int PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) STORED);
INSERT INTO computed SELECT k, k FROM generate_series(1, 100) AS k;
CREATE TABLE untouched (id int PRIMARY KEY, v text);
INSERT INTO untouched SELECT k, 'v' FROM generate_series(1, 5000) AS k;
