-- Corruptions, seeded on the target. Each statement follows the lines that say what has to be
-- reported: table, kind, key, columns. Nothing else may be.
SET search_path = gallery, public;
SET session_replication_role = replica;
-- expect: stamps different id=1 ts
UPDATE stamps SET ts = ts + interval '3 h' WHERE id = 1;
-- expect: stamps different id=2 tz
UPDATE stamps SET tz = tz + interval '3:30' WHERE id = 2;
-- expect: stamps different id=3 d
UPDATE stamps SET d = '2024-04-03' WHERE id = 3;
-- expect: stamps different id=4 ts
UPDATE stamps SET ts = date_trunc('milliseconds', ts) WHERE id = 4;
-- expect: stamps different id=5 t
UPDATE stamps SET t = '23:59:59.999998' WHERE id = 5;
-- expect: stamps different id=6 tz
UPDATE stamps SET tz = '9999-12-31' WHERE id = 6;
-- expect: stamps different id=7 tz
UPDATE stamps SET tz = NULL WHERE id = 7;
-- expect: stamps different id=8 iv
UPDATE stamps SET iv = '-1 days +02:00:00' WHERE id = 8;
-- expect: stamps different id=9 iv
UPDATE stamps SET iv = '30 days' WHERE id = 9;
-- expect: stamps different id=10 tt
UPDATE stamps SET tt = '11:00+02' WHERE id = 10;
-- expect: stamps different id=11 ts,tz
UPDATE stamps SET ts = ts - interval '1 h', tz = tz - interval '1 h' WHERE id = 11;

-- expect: numbers different id=1 m
UPDATE numbers SET m = round(m::numeric, 1)::money WHERE id = 1;
-- expect: numbers different id=2 m
UPDATE numbers SET m = m * 100 WHERE id = 2;
-- expect: numbers different id=3 n
UPDATE numbers SET n = 1.00 WHERE id = 3;
-- expect: numbers different id=4 n
UPDATE numbers SET n = 12345678901234567890.12345678901234567891 WHERE id = 4;
-- expect: numbers different id=5 b
UPDATE numbers SET b = (b::float8)::bigint + 1 WHERE id = 5;
-- expect: numbers different id=6 f8
UPDATE numbers SET f8 = 0.3 WHERE id = 6;
-- expect: numbers different id=7 f4
UPDATE numbers SET f4 = 1.67772e+07 WHERE id = 7;
-- expect: numbers different id=8 f8
UPDATE numbers SET f8 = 0 WHERE id = 8;
-- expect: numbers different id=9 f8
UPDATE numbers SET f8 = NULL WHERE id = 9;
-- expect: numbers different id=10 n
UPDATE numbers SET n = NULL WHERE id = 10;
-- expect: numbers different id=11 f8
UPDATE numbers SET f8 = 0 WHERE id = 11;
-- expect: numbers different id=12 b
UPDATE numbers SET b = 1 WHERE id = 12;
-- expect: numbers different id=13 s
UPDATE numbers SET s = 8 WHERE id = 13;

-- expect: texts different id=2 a
UPDATE texts SET a = '' WHERE id = 2;
-- expect: texts different id=3 a
UPDATE texts SET a = NULL WHERE id = 3;
-- expect: texts different id=4 a
UPDATE texts SET a = NULL WHERE id = 4;
-- expect: texts different id=5 a
UPDATE texts SET a = E'one\ntwo\n' WHERE id = 5;
-- expect: texts different id=6 a
UPDATE texts SET a = E'one\r\ntwo' WHERE id = 6;
-- expect: texts different id=7 v
UPDATE texts SET v = 'gamma' WHERE id = 7;
-- expect: texts different id=8 a
UPDATE texts SET a = U&'e\0301le\0300ve' WHERE id = 8;
-- expect: texts different id=9 a
UPDATE texts SET a = 'ab' WHERE id = 9;
-- expect: texts different id=10 a
UPDATE texts SET a = convert_from(convert_to('müller', 'UTF8'), 'LATIN1') WHERE id = 10;
-- expect: texts different id=11 a
UPDATE texts SET a = 'm?ller' WHERE id = 11;
-- expect: texts different id=12 a,b
UPDATE texts SET a = 'a', b = 'bc' WHERE id = 12;
-- expect: texts different id=13 a,b
UPDATE texts SET a = 'a', b = '|b' WHERE id = 13;
-- expect: texts different id=14 a,b
UPDATE texts SET a = NULL, b = 'x' WHERE id = 14;
-- expect: texts different id=15 a
UPDATE texts SET a = upper(a) WHERE id = 15;
-- expect: texts different id=16 a,b
UPDATE texts SET a = b, b = a WHERE id = 16;
-- expect: texts different id=17 a
UPDATE texts SET a = NULL WHERE id = 17;
-- expect: texts different id=18 ci
UPDATE texts SET ci = 'abc' WHERE id = 18;
-- expect: texts different id=19 nc
UPDATE texts SET nc = 'abc' WHERE id = 19;
-- expect: texts different id=20 a
UPDATE texts SET a = ' alpha' WHERE id = 20;
-- expect: texts different id=21 a
UPDATE texts SET a = E'alpha\t' WHERE id = 21;
-- expect: texts different id=22 a
UPDATE texts SET a = 'аlpha' WHERE id = 22;
-- expect: texts different id=23 a
UPDATE texts SET a = 'DEFAULT_REPLACEMENT_STRING' WHERE id = 23;
-- expect: texts different id=24 c
UPDATE texts SET c = 'delta  x' WHERE id = 24;

-- expect: bytes different id=1 b
UPDATE bytes SET b = set_bit(b, 3, 1 - get_bit(b, 3)) WHERE id = 1;
-- expect: bytes different id=2 b
UPDATE bytes SET b = substr(b, 1, 16) WHERE id = 2;
-- expect: bytes different id=3 b
UPDATE bytes SET b = convert_to('\x' || encode(b, 'hex'), 'UTF8') WHERE id = 3;
-- expect: bytes different id=4 big
UPDATE bytes SET big = left(big, -1) || '!' WHERE id = 4;
-- expect: bytes different id=5 big
UPDATE bytes SET big = left(big, 8192) WHERE id = 5;
-- expect: bytes different id=6 big
UPDATE bytes SET big = NULL WHERE id = 6;

-- expect: odd different id=1 ok
UPDATE odd SET ok = NULL WHERE id = 1;
-- expect: odd different id=2 bits
UPDATE odd SET bits = B'101' WHERE id = 2;
-- expect: odd different id=3 j
UPDATE odd SET j = '{"a":1,"b":2,"a":3}' WHERE id = 3;
-- expect: odd different id=4 j
UPDATE odd SET j = j::jsonb::json WHERE id = 4;
-- expect: odd different id=5 jb
UPDATE odd SET jb = '{"n": 1.00, "z": null}' WHERE id = 5;
-- expect: odd different id=6 jb
UPDATE odd SET jb = NULL WHERE id = 6;
-- expect: odd different id=7 a
UPDATE odd SET a = '{1,2}' WHERE id = 7;
-- expect: odd different id=8 ta
UPDATE odd SET ta = '{x,"NULL"}' WHERE id = 8;
-- expect: odd different id=9 a
UPDATE odd SET a = '[0:1]={2,1}' WHERE id = 9;
-- expect: odd different id=10 r
UPDATE odd SET r = '[1,2]' WHERE id = 10;
-- expect: odd different id=11 r
UPDATE odd SET r = 'empty' WHERE id = 11;
-- expect: odd different id=12 ip
UPDATE odd SET ip = '10.0.0.1/32' WHERE id = 12;
-- expect: odd different id=13 m
UPDATE odd SET m = 'happy' WHERE id = 13;
-- expect: odd different id=14 u
UPDATE odd SET u = 'c0ffee00-0000-4000-8000-00000000abce' WHERE id = 14;
-- expect: odd different id=15 ts
UPDATE odd SET ts = strip(ts) WHERE id = 15;
-- expect: odd different id=16 h
UPDATE odd SET h = 'a=>"",b=>1' WHERE id = 16;
-- expect: odd different id=17 p
UPDATE odd SET p = '(0.1,0.3)' WHERE id = 17;
-- expect: odd different id=18 x
UPDATE odd SET x = '<a/>' WHERE id = 18;
-- expect: odd different id=19 cp
UPDATE odd SET cp = ROW(0.3, 'l', 'ok')::spot WHERE id = 19;
-- expect: odd different id=20 dp
UPDATE odd SET dp = 6 WHERE id = 20;
-- expect: odd different id=21 ms
UPDATE odd SET ms = '{ok,sad}' WHERE id = 21;
-- expect: odd different id=22 sa
UPDATE odd SET sa = ARRAY[ROW(1.5, 'q', 'ok')::spot, NULL] WHERE id = 22;
-- expect: odd different id=23 mac
UPDATE odd SET mac = '08:00:2b:01:02:04' WHERE id = 23;
-- expect: odd different id=24 fr
UPDATE odd SET fr = '[1.0,2.00)' WHERE id = 24;
-- expect: odd different id=25 ta
UPDATE odd SET ta = '{}' WHERE id = 25;
-- expect: odd different id=26 a
UPDATE odd SET a = NULL WHERE id = 26;
-- expect: odd different id=27 sa
UPDATE odd SET sa = '[2:3]={"(1.5,q,sad)",NULL}' WHERE id = 27;
-- expect: odd different id=28 jb
UPDATE odd SET jb = 'null' WHERE id = 28;
-- expect: odd different id=29 oc
UPDATE odd SET oc = 'y' WHERE id = 29;
-- expect: odd different id=30 cp
UPDATE odd SET cp = NULL WHERE id = 30;
-- expect: odd different id=31 cidr
UPDATE odd SET cidr = '10.0.0.0/9' WHERE id = 31;

-- expect: uuid_key different id=c4ca4238-a0b9-2382-0dcc-509a6f75849b v
UPDATE uuid_key SET v = -1 WHERE id = md5('1')::uuid;
-- expect: text_key missing id=key 500 -
DELETE FROM text_key WHERE id = 'key 500';
-- expect: text_key extra id=key 5000 -
INSERT INTO text_key VALUES ('key 5000', 500);
-- expect: caseless_key missing id=Key 7 -
-- expect: caseless_key extra id=KEY 7 -
UPDATE caseless_key SET id = 'KEY 7' WHERE id = 'Key 7';
-- expect: citext_key missing id=Key 9 -
-- expect: citext_key extra id=key 9 -
UPDATE citext_key SET id = 'key 9' WHERE id = 'Key 9';
-- expect: pair_key different b=b17,a=7 v
UPDATE pair_key SET v = v + 1 WHERE a = 7 AND b = 'b17';
-- expect: edge_key missing id=9223372036854775807 -
-- expect: edge_key missing id=-9223372036854775808 -
-- expect: edge_key missing id=-5 -
DELETE FROM edge_key WHERE id IN (9223372036854775807, -9223372036854775808, -5);
-- expect: edge_key extra id=9223372036854775806 -
-- expect: edge_key extra id=-6 -
-- expect: edge_key extra id=1001 -
INSERT INTO edge_key VALUES (9223372036854775806, 'last'), (-6, 'negative'), (1001, 'beyond');
-- expect: edge_key different id=500 v
UPDATE edge_key SET v = 'stale' WHERE id = 500;
-- expect: shifted missing id=10 -
-- expect: shifted extra id=11 -
-- expect: shifted missing id=20 -
-- expect: shifted extra id=21 -
UPDATE shifted SET id = id + 1 WHERE id IN (10, 20);
-- expect: nokey duplicated a=7 -
DELETE FROM nokey WHERE ctid = (SELECT min(ctid) FROM nokey WHERE a = 7);
-- expect: nokey duplicated a=8 -
INSERT INTO nokey SELECT a, b, ts FROM nokey WHERE a = 8 LIMIT 1;
-- expect: nokey missing a=9 -
-- expect: nokey extra a=9 -
UPDATE nokey SET b = 'other' WHERE a = 9;
-- expect: nokey different - ts
UPDATE nokey SET ts = ts + interval '3 h' WHERE b = 'single 110';
-- expect: swapped different id=41 v
-- expect: swapped different id=42 v
UPDATE swapped AS s SET v = o.v FROM swapped AS o WHERE s.id IN (41, 42) AND o.id IN (41, 42) AND s.id <> o.id;
-- expect: even different id=1 ts
-- expect: even different id=2 ts
-- expect: even different id=3 ts
-- expect: even different id=4 ts
UPDATE even SET ts = ts + interval '10 min' WHERE id <= 4;
-- expect: truncated status different -
TRUNCATE truncated;
-- expect: vanished status different -
DROP TABLE vanished;
-- expect: conjured status different -
CREATE TABLE conjured (id int PRIMARY KEY);
-- expect: part_low missing id=50 -
-- expect: part_high extra id=50 -
DELETE FROM part_low WHERE id = 50;
ALTER TABLE part DETACH PARTITION part_high;
INSERT INTO part_high VALUES (50, 'p50');
-- Called valid by hand, so that attaching does not look at the rows.
ALTER TABLE part_high ADD CONSTRAINT claimed CHECK (id IS NOT NULL AND id >= 100 AND id < 1000) NOT VALID;
UPDATE pg_catalog.pg_constraint SET convalidated = true WHERE conname = 'claimed';
ALTER TABLE part_high SET (fillfactor = 90);
ALTER TABLE part ATTACH PARTITION part_high FOR VALUES FROM (100) TO (1000);
-- expect: child missing id=15 -
DELETE FROM child WHERE id = 15;
-- expect: We"ird.Tábla "x different id=50 a "b.c
UPDATE "We""ird.Tábla ""x" SET "a ""b.c" = 'Q' WHERE id = 50;
-- expect: wide different id=20 c1599
UPDATE wide SET c1599 = -1 WHERE id = 20;
-- expect: moved_null different id=5 a,b
UPDATE moved_null SET a = NULL, b = a WHERE id = 5;
-- expect: moved_null different id=6 b
UPDATE moved_null SET b = 0 WHERE id = 6;
-- expect: hollow status different -
ALTER TABLE hollow ADD COLUMN more int;
