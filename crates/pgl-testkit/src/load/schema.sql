-- What the writers and the probe of the testkit write to.
CREATE SCHEMA load;

CREATE TABLE load.item (
    id bigint PRIMARY KEY,
    worker integer NOT NULL,
    revision bigint NOT NULL,
    note text NOT NULL
);

-- One row for each transaction that changes items, by a sequence as applications use it.
CREATE TABLE load.entry (
    id bigserial PRIMARY KEY,
    worker integer NOT NULL,
    number bigint NOT NULL,
    kind text NOT NULL
);

CREATE TABLE load.beat (
    number bigint PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);

GRANT USAGE ON SCHEMA load TO PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA load TO PUBLIC;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA load TO PUBLIC;
