-- Statements by which indexes are imagined on a clone: entries of the catalog without any content.

-- give_to_real_tables --
-- Make the indexes of the empty twins in one schema indexes of the tables that they are twins of;
-- the planner does not see them until they are live.
UPDATE pg_index i
   SET indrelid = origin.oid, indislive = false
  FROM pg_class twin
  JOIN pg_namespace n ON n.oid = twin.relnamespace
     , pg_class origin
  JOIN pg_namespace o ON o.oid = origin.relnamespace
 WHERE twin.oid = i.indrelid
   AND n.nspname = %(twins)s
   AND o.nspname = %(origins)s
   AND origin.relname = twin.relname
   AND origin.relkind IN ('r', 'm')
   -- A dropped column would shift the numbers by which an index knows its columns.
   AND (SELECT max(a.attnum) FROM pg_attribute a WHERE a.attrelid = origin.oid)
     = (SELECT max(a.attnum) FROM pg_attribute a WHERE a.attrelid = twin.oid);

-- tell_of_new_indexes --
-- Make every session read again which indexes the tables of one schema have.
UPDATE pg_class SET relhasindex = true
 WHERE relnamespace = (SELECT n.oid FROM pg_namespace n WHERE n.nspname = %(origins)s)
   AND relkind IN ('r', 'm');

-- list_imagined --
-- The imagined indexes of one schema that have a real table.
SELECT c.oid::bigint AS oid
     , c.relname AS name
     , format('%%I.%%I', n.nspname, c.relname) AS qualified_name
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_index i ON i.indexrelid = c.oid
  JOIN pg_class t ON t.oid = i.indrelid
 WHERE n.nspname = %(twins)s AND t.relnamespace <> c.relnamespace;

-- change_visibility --
-- Show some imagined indexes to the planner and hide others; sessions learn it by the table's change.
WITH flipped AS (
    UPDATE pg_index
       SET indislive = indexrelid = ANY (%(shown)s::oid[])
     WHERE indexrelid = ANY (%(shown)s::oid[] || %(hidden)s::oid[])
    RETURNING indrelid
)
UPDATE pg_class
   SET relhasindex = true
 WHERE oid IN (SELECT indrelid FROM flipped);
