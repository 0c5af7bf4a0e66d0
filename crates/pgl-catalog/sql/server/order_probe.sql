-- Words in the order of the database's default collation. Two of them ('1-1' and '11') change their
-- places between releases of the GNU C library; all are ASCII, so that every encoding has them.
SELECT name
FROM unnest(ARRAY[
    'a', 'A', 'b', 'B', 'aa', 'a a', 'a-a', 'ab', 'Ab', 'aB', 'AB', '_a', '1-1', '11', '1', '2', '10',
    'z', 'Z', '~', '"', 'a_b', 'a.b', 'co-op', 'coop', 'Coop'
]) AS name
ORDER BY name;
