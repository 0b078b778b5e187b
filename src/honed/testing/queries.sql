-- list_functions --
-- Honed's own functions that have a comment, and the roles that may call each.
SELECT p.proname AS name
     , pg_get_function_arguments(p.oid) AS arguments
     , pg_get_function_result(p.oid) AS result
     , obj_description(p.oid, 'pg_proc') AS comment
     , ARRAY(
         SELECT g.grantee::regrole::text
         FROM aclexplode(p.proacl) AS g
         WHERE g.grantee::regrole::text LIKE 'honed\_%'
         ORDER BY 1
       ) AS roles
FROM pg_proc AS p
WHERE p.pronamespace = 'honed'::regnamespace
  AND obj_description(p.oid, 'pg_proc') IS NOT NULL
ORDER BY p.proname;

-- list_views --
-- Honed's views with their columns, and the roles that may read each.
SELECT c.relname AS name
     , coalesce(obj_description(c.oid, 'pg_class'), '') AS comment
     , ARRAY(
         SELECT a.attname::text
         FROM pg_attribute AS a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         ORDER BY a.attnum
       ) AS columns
     , ARRAY(
         SELECT g.grantee::regrole::text
         FROM aclexplode(c.relacl) AS g
         WHERE g.privilege_type = 'SELECT' AND g.grantee::regrole::text LIKE 'honed\_%'
         ORDER BY 1
       ) AS roles
FROM pg_class AS c
WHERE c.relnamespace = 'honed'::regnamespace AND c.relkind = 'v'
ORDER BY c.relname;
