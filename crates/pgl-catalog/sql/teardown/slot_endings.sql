-- How the slots of the two subscriptions of a migration end ($1: a provider node, $2: a
-- subscription): pglogical's own function shortens long names by a hash. The subscriber's database
-- stands before; "d" is cut off again.
SELECT substr(pglogical.pglogical_gen_slot_name('d', $1::text::name, $2::text::name)::text, 6) AS name
