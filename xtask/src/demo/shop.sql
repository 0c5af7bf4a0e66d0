-- A shop as one finds them: most of it moves by itself, some of it would be lost without a word.
CREATE SCHEMA shop;

CREATE TABLE shop.customer (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL UNIQUE,
    joined timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE shop.orders (
    id bigserial PRIMARY KEY,
    customer integer NOT NULL REFERENCES shop.customer,
    net numeric(10, 2) NOT NULL,
    gross numeric(10, 2) GENERATED ALWAYS AS (net * 1.19) STORED
);

-- No primary key: only its inserts would be carried over.
CREATE TABLE shop.visit (
    at timestamptz NOT NULL DEFAULT now(),
    page text NOT NULL,
    seconds integer
);

-- Not written to the log, so not carried over at all.
CREATE UNLOGGED TABLE shop.basket (
    id bigserial PRIMARY KEY,
    content jsonb NOT NULL
);

INSERT INTO shop.customer (email) SELECT 'customer' || n || '@example.com' FROM generate_series(1, 1000) n;
INSERT INTO shop.orders (customer, net) SELECT 1 + n % 1000, n / 7.0 FROM generate_series(1, 20000) n;
INSERT INTO shop.visit (page, seconds) SELECT '/page/' || n % 50, n % 300 FROM generate_series(1, 5000) n;
INSERT INTO shop.basket (content) VALUES ('{"item": "umbrella"}');
UPDATE shop.visit SET seconds = 0 WHERE seconds IS NULL OR page = '/page/7';
ANALYZE;
