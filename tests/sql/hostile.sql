-- What an owner of schemas who is no superuser can leave lying about for a tool that runs with more rights: casts,
-- operators, checks of domains, functions with names of pg_catalog, policies, views, rules, triggers, defaults, expressions.
-- Run it as that owner. Everything here writes a line to the server's log when it runs in a session of somebody else:
-- that works in a read-only transaction and outlives a rollback, and does no harm that would hide what comes after it.
CREATE SCHEMA hostile;
CREATE FUNCTION hostile.ran(what text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF pg_catalog.current_setting('application_name') OPERATOR(pg_catalog.~~) 'pgl-%' THEN
        RAISE LOG 'hostile code in %: % ran for % as %', pg_catalog.current_database(), what,
            pg_catalog.current_setting('application_name'), current_user;
    END IF;
    RETURN true;
END $$;

-- Types, and casts from and to them.
CREATE TYPE hostile.color AS ENUM ('red', 'green');
CREATE FUNCTION hostile.color_text(hostile.color) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN PERFORM hostile.ran('cast of an enum to text'); RETURN 'constant'; END $$;
CREATE CAST (hostile.color AS text) WITH FUNCTION hostile.color_text(hostile.color) AS IMPLICIT;
CREATE FUNCTION hostile.text_color(text) RETURNS hostile.color LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN PERFORM hostile.ran('cast of text to an enum'); RETURN 'red'; END $$;
CREATE CAST (text AS hostile.color) WITH FUNCTION hostile.text_color(text) AS IMPLICIT;
CREATE FUNCTION hostile.color_bytes(hostile.color) RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN PERFORM hostile.ran('cast of an enum to bytea'); RETURN ''; END $$;
CREATE CAST (hostile.color AS bytea) WITH FUNCTION hostile.color_bytes(hostile.color) AS IMPLICIT;
CREATE FUNCTION hostile.colors_texts(hostile.color[]) RETURNS text[] LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN PERFORM hostile.ran('cast of an array of enums'); RETURN '{}'; END $$;
CREATE CAST (hostile.color[] AS text[]) WITH FUNCTION hostile.colors_texts(hostile.color[]) AS IMPLICIT;
CREATE FUNCTION hostile.positive(v int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN RETURN hostile.ran('check of a domain'); END $$;
CREATE DOMAIN hostile.number AS int CHECK (hostile.positive(VALUE));
CREATE DOMAIN hostile.word AS text CHECK (hostile.positive(1));
CREATE FUNCTION hostile.numbers_ints(hostile.number[]) RETURNS int[] LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN PERFORM hostile.ran('cast of an array of a domain'); RETURN '{}'; END $$;
CREATE CAST (hostile.number[] AS int[]) WITH FUNCTION hostile.numbers_ints(hostile.number[]) AS IMPLICIT;
CREATE TYPE hostile.pair AS (a int, n hostile.number, c hostile.color);
CREATE FUNCTION hostile.pair_text(hostile.pair) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN PERFORM hostile.ran('cast of a composite'); RETURN 'constant'; END $$;
CREATE CAST (hostile.pair AS text) WITH FUNCTION hostile.pair_text(hostile.pair) AS IMPLICIT;
CREATE TYPE hostile.span AS RANGE (subtype = hostile.color);
CREATE FUNCTION hostile.span_text(hostile.span) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN PERFORM hostile.ran('cast of a range'); RETURN 'constant'; END $$;
CREATE CAST (hostile.span AS text) WITH FUNCTION hostile.span_text(hostile.span) AS IMPLICIT;
-- A function with one argument of the type can be written like a field.
CREATE FUNCTION hostile.extra(hostile.pair) RETURNS int LANGUAGE plpgsql AS
    $$ BEGIN PERFORM hostile.ran('a function that looks like a field'); RETURN 1; END $$;

-- Operators and functions in public that fit better than those of pg_catalog, or have the same names.
DO $do$
DECLARE
    one record;
    made text;
BEGIN
    FOR one IN SELECT * FROM (VALUES
        ('=', 'hostile.color', 'hostile.color', 'bool'), ('=', 'text', 'text', 'bool'), ('=', 'int4', 'int4', 'bool'),
        ('=', 'name', 'text', 'bool'), ('=', 'name', 'name', 'bool'), ('=', 'oid', 'oid', 'bool'), ('<>', 'text', 'text', 'bool'),
        ('=', '"char"', '"char"', 'bool'), ('||', 'text', 'text', 'text'), ('~~', 'text', 'text', 'bool'),
        ('=', 'hostile.pair', 'hostile.pair', 'bool'), ('=', 'hostile.span', 'hostile.span', 'bool'), ('#', 'int8', 'int8', 'int8'),
        ('&', 'int8', 'int8', 'int8'), ('>>', 'int8', 'int4', 'int8'), ('<', 'text', 'text', 'bool'), ('->>', 'json', 'text', 'text')
    ) AS t (op, l, r, res) LOOP
        made := format('op_%s', md5(one.op || one.l || one.r));
        EXECUTE format($f$CREATE FUNCTION hostile.%I(%s, %s) RETURNS %s LANGUAGE plpgsql IMMUTABLE AS
            $$ BEGIN PERFORM hostile.ran('operator %s'); RETURN NULL; END $$ $f$, made, one.l, one.r, one.res, one.op);
        EXECUTE format('CREATE OPERATOR public.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = hostile.%I)', one.op, one.l, one.r, made);
    END LOOP;
    FOR one IN SELECT * FROM (VALUES
        ('current_database()', 'name'), ('version()', 'text'), ('now()', 'timestamptz'), ('md5(text)', 'text'), ('md5(bytea)', 'text'),
        ('length(text)', 'int4'), ('lower(text)', 'text'), ('quote_ident(text)', 'text'), ('quote_literal(text)', 'text'),
        ('textsend(text)', 'bytea'), ('pg_backend_pid()', 'int4'), ('hashtext(text)', 'int4'), ('format_type(oid, int4)', 'text'),
        ('pg_get_expr(pg_node_tree, oid)', 'text'), ('pg_get_userbyid(oid)', 'name'), ('to_regclass(text)', 'regclass'),
        ('pg_relation_size(regclass)', 'int8'), ('pg_advisory_lock(int8)', 'text'), ('pg_try_advisory_lock(int8)', 'bool'),
        ('nextval(regclass)', 'int8'), ('setval(regclass, int8)', 'int8'), ('current_setting(text)', 'text')
    ) AS t (name, res) LOOP
        EXECUTE format($f$CREATE FUNCTION public.%s RETURNS %s LANGUAGE plpgsql AS
            $$ BEGIN PERFORM hostile.ran('function public.%s'); RETURN NULL; END $$ $f$, one.name, one.res, one.name);
    END LOOP;
END $do$;

-- A table with all of it.
CREATE FUNCTION hostile.computed(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN PERFORM hostile.ran('a generated column or an index expression'); RETURN $1; END $$;
CREATE FUNCTION hostile.defaulted() RETURNS text LANGUAGE plpgsql AS
    $$ BEGIN PERFORM hostile.ran('a default'); RETURN 'default'; END $$;
CREATE TABLE hostile.everything (
    id hostile.number PRIMARY KEY,
    e hostile.color,
    es hostile.color[],
    ns hostile.number[],
    p hostile.pair,
    ps hostile.pair[],
    s hostile.span,
    w hostile.word,
    v text DEFAULT hostile.defaulted(),
    g text GENERATED ALWAYS AS (hostile.computed(v)) STORED,
    CHECK (hostile.ran('a check of a table'))
);
CREATE INDEX ON hostile.everything (hostile.computed(v));
CREATE INDEX ON hostile.everything (id) WHERE hostile.computed(v) > 'a';
CREATE TABLE hostile.by_color (k hostile.color PRIMARY KEY, v text);
CREATE TABLE hostile.by_pair (k hostile.pair PRIMARY KEY, v text);
CREATE TABLE hostile.by_span (k hostile.span PRIMARY KEY, v text);
CREATE TABLE hostile.by_word (k hostile.word, w hostile.number, v text, PRIMARY KEY (k, w));
CREATE TABLE hostile.without_key (e hostile.color, p hostile.pair, w hostile.word);
CREATE TABLE hostile.ruled (id int PRIMARY KEY, v text);
CREATE RULE also AS ON INSERT TO hostile.ruled DO ALSO SELECT hostile.ran('a rule');
CREATE VIEW hostile.seen AS SELECT hostile.ran('a view') AS v FROM hostile.ruled;
CREATE MATERIALIZED VIEW hostile.kept AS SELECT hostile.ran('a materialised view') AS v;
CREATE FUNCTION hostile.triggered() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM hostile.ran('a trigger'); RETURN NEW; END $$;
CREATE TRIGGER before_row BEFORE INSERT OR UPDATE OR DELETE ON hostile.everything FOR EACH ROW EXECUTE PROCEDURE hostile.triggered();
CREATE TRIGGER after_row AFTER INSERT OR UPDATE OR DELETE ON hostile.everything FOR EACH ROW EXECUTE PROCEDURE hostile.triggered();
CREATE TRIGGER statement BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON hostile.everything EXECUTE PROCEDURE hostile.triggered();
CREATE POLICY own_rows ON hostile.everything USING (hostile.ran('a policy'));
ALTER TABLE hostile.everything ENABLE ROW LEVEL SECURITY;

INSERT INTO hostile.everything (id, e, es, ns, p, ps, s, w, v)
    SELECT k, 'red', '{red,green}', '{1,2}', '(1,2,red)', '{"(1,2,red)","(,,)",NULL}', '[red,green)', 'word', 'v' || k
    FROM generate_series(1, 200) AS k;
INSERT INTO hostile.by_color VALUES ('red', 'a'), ('green', 'b');
INSERT INTO hostile.by_pair VALUES ('(1,2,red)', 'a'), ('(1,2,green)', 'b');
INSERT INTO hostile.by_span VALUES ('[red,green)', 'a'), ('[red,green]', 'b');
INSERT INTO hostile.by_word VALUES ('one', 1, 'a'), ('two', 2, 'b');
INSERT INTO hostile.without_key VALUES ('red', '(1,2,red)', 'w'), ('red', '(1,2,red)', 'w');
INSERT INTO hostile.ruled VALUES (1, 'a');
