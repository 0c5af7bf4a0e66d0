-- A target that somebody prepared, with every difference from hazards.sql that matters.

CREATE SCHEMA hz;
CREATE TYPE hz.mood AS ENUM ('sad', 'ok');
CREATE TABLE hz.t_rows (id int PRIMARY KEY);
INSERT INTO hz.t_rows VALUES (1);
CREATE TABLE hz.t_kind (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE UNLOGGED TABLE hz.t_unlogged (id int PRIMARY KEY);
CREATE TABLE hz.t_columns (id int PRIMARY KEY, narrow int, stern text NOT NULL,
                           made int GENERATED ALWAYS AS (id * 2) STORED, extra int NOT NULL);
CREATE TABLE hz.t_key (id int, n int, PRIMARY KEY (id, n));
CREATE TABLE hz.t_extra (id int PRIMARY KEY, n int UNIQUE CHECK (n > 0));
CREATE INDEX t_extra_n ON hz.t_extra (n);
CREATE TABLE hz.t_fk (id int PRIMARY KEY, other int REFERENCES hz.t_extra);
ALTER TABLE hz.t_fk DISABLE TRIGGER ALL;
CREATE TABLE hz.t_only_here (id int PRIMARY KEY);
CREATE SEQUENCE hz.seq_params CACHE 50;
CREATE SCHEMA pglogical;
CREATE TABLE pglogical.node (id int);
