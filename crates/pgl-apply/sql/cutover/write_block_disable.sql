-- The write-block triggers let everything pass from the commit of this on; they go when nobody reads their tables.
CREATE OR REPLACE FUNCTION pgl.refuse_write() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'
