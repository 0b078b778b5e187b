-- What the search for batch sizes asks a target.

-- find_register --
-- Whether writers are registered here, and whether the observing role may read of them.
SELECT to_regclass('honed.writer') IS NOT NULL AS is_there
     , coalesce(has_schema_privilege(to_regnamespace('honed'), 'USAGE')
                AND has_table_privilege(to_regclass('honed.writer'), 'SELECT'), false) AS may_read
/* honed */;

-- list_writers --
-- The registered writers, and whether the acting role may change their batch size.
SELECT w.name
     , w.relation
     , w.batch_size
     , w.least
     , w.most
     , %(actor)s = '' OR coalesce(
         has_schema_privilege(r.oid, 'honed', 'USAGE')
         AND has_column_privilege(r.oid, 'honed.writer', 'batch_size', 'UPDATE'), false) AS may_change
FROM honed.writer AS w
LEFT JOIN pg_roles AS r ON r.rolname = %(actor)s
ORDER BY w.name /* honed */;

-- read_width --
-- How many characters a row takes as text, on average of the first ones.
SELECT coalesce(avg(octet_length(t::text)), 0)::double precision AS width
FROM (SELECT * FROM {table} LIMIT 100) AS t;
