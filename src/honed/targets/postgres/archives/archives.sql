-- What archiving a table asks a target.

-- list_columns --
-- Columns of one table with their types, in their order.
SELECT a.attname::text AS name
     , format_type(a.atttypid, a.atttypmod) AS type
     , t.typtype::text AS category
     , a.attgenerated <> '' AS is_generated
FROM pg_attribute AS a
JOIN pg_type AS t ON t.oid = a.atttypid
WHERE a.attrelid = to_regclass(%(table)s) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum /* honed */;
