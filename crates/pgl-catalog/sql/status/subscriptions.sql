-- Every subscription of this database.
SELECT sub_name::text AS name FROM pglogical.subscription ORDER BY 1;
