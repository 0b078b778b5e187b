-- What partitioning asks a target.

-- list_range_partitioned --
-- Tables that are partitioned by ranges of one column of time or whole numbers.
SELECT n.nspname AS schema
     , c.relname AS name
     , format('%%I.%%I', n.nspname, c.relname) AS qualified_name
     , a.attname AS key_column
     , format_type(a.atttypid, -1) AS key_type
     , current_setting('TimeZone') AS zone
     , to_char(localtimestamp, 'YYYY-MM-DD HH24:MI:SS') AS now
     -- Those that a row is written with.
     , ARRAY(SELECT w.attname::text FROM pg_attribute AS w
             WHERE w.attrelid = c.oid AND w.attnum > 0 AND NOT w.attisdropped
               AND w.attgenerated = '' ORDER BY w.attnum) AS columns
     , has_schema_privilege(c.relowner, n.oid, 'CREATE') AS owner_may_create
     -- Its subscribers need each new partition before the first row of it arrives.
     , EXISTS (SELECT FROM pg_publication_tables AS t
               JOIN pg_publication AS b ON b.pubname = t.pubname
               WHERE t.schemaname = n.nspname
                 AND (t.tablename = c.relname AND NOT b.pubviaroot
                      OR t.tablename IN (SELECT k.relname FROM pg_inherits AS i
                                         JOIN pg_class AS k ON k.oid = i.inhrelid
                                         WHERE i.inhparent = c.oid)))
       AS is_published
     , EXISTS (SELECT FROM pg_constraint AS f
               WHERE f.contype = 'f' AND f.confrelid = c.oid) AS is_referenced
FROM pg_partitioned_table AS p
JOIN pg_class AS c ON c.oid = p.partrelid AND NOT c.relispartition
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0]
WHERE p.partstrat = 'r' AND p.partnatts = 1
  AND c.relpersistence = 'p'
  AND a.atttypid IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype
                   , 'smallint'::regtype, 'integer'::regtype, 'bigint'::regtype)
ORDER BY 3 /* honed */;

-- list_partitions --
-- The partitions of such tables, with their bounds as the server writes them.
SELECT n.nspname AS schema
     , c.relname AS name
     , format('%%I.%%I', n.nspname, c.relname) AS qualified_name
     , c.relkind::text AS sort
     , pg_get_expr(c.relpartbound, c.oid) AS bound
     , pg_relation_size(c.oid) AS heap_bytes
     , pg_total_relation_size(c.oid) AS size_bytes
     , greatest(c.reltuples, 0)::float8 AS planned_rows
     , coalesce(c.reloptions, '{}') AS options
     -- What a partition has of its own is not passed on by the table.
     , c.relrowsecurity OR c.relreplident NOT IN ('d', 'f') OR c.reltablespace <> 0
         OR c.relam <> (SELECT m.oid FROM pg_am AS m WHERE m.amname = 'heap')
         OR EXISTS (SELECT FROM pg_policy AS y WHERE y.polrelid = c.oid)
         OR EXISTS (SELECT FROM pg_trigger AS t
                    WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgparentid = 0)
       AS is_special
     , c.relreplident = 'f' AS has_full_identity
     , EXISTS (SELECT FROM pg_index AS i
               JOIN pg_am AS m ON m.amname = 'btree'
               JOIN pg_class AS x ON x.oid = i.indexrelid AND x.relam = m.oid
               JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attname = %(key_column)s
               WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL
                 AND i.indkey[0] = a.attnum) AS leads_with_key
     , pg_get_partition_constraintdef(c.oid) AS condition
FROM pg_inherits AS h
JOIN pg_class AS c ON c.oid = h.inhrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE h.inhparent = to_regclass(%(table)s)
ORDER BY 3 /* honed */;

-- list_names --
-- The names that relations of one schema have.
SELECT c.relname AS name
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s /* honed */;

-- list_promises --
-- Checks by which tables refuse rows from the boundary of a conversion on that is not complete.
SELECT format('%%I.%%I', n.nspname, c.relname) AS relation
     , quote_ident(k.conname) AS name
     , pg_get_constraintdef(k.oid) AS definition
FROM pg_constraint AS k
JOIN pg_class AS c ON c.oid = k.conrelid AND c.relkind = 'r' AND NOT c.relispartition
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE k.contype = 'c' AND right(k.conname, length(%(tail)s::text)) = %(tail)s::text
ORDER BY 1, 2 /* honed */;

-- list_growing --
-- Large tables with a column of time or whole numbers in whose order their rows lie.
SELECT n.nspname AS schema
     , c.relname AS name
     , format('%%I.%%I', n.nspname, c.relname) AS qualified_name
     , pg_relation_size(c.oid) AS heap_bytes
     , greatest(c.reltuples, 0)::float8 AS planned_rows
     , coalesce(c.reloptions, '{}') AS options
     , a.attname AS key_column
     , format_type(a.atttypid, -1) AS key_type
     , current_setting('TimeZone') AS zone
     , to_char(localtimestamp, 'YYYY-MM-DD HH24:MI:SS') AS now
     , (s.histogram_bounds::text::text[])[1] AS least
     , (s.histogram_bounds::text::text[])[array_length(s.histogram_bounds::text::text[], 1)]
       AS largest
     , EXISTS (SELECT FROM pg_index AS i
               JOIN pg_class AS x ON x.oid = i.indexrelid
               JOIN pg_am AS m ON m.oid = x.relam AND m.amname = 'btree'
               WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL
                 AND i.indkey[0] = a.attnum) AS leads_with_key
     , ARRAY(SELECT w.attname::text FROM pg_attribute AS w
             WHERE w.attrelid = c.oid AND w.attnum > 0 AND NOT w.attisdropped
               AND w.attgenerated = '' ORDER BY w.attnum) AS columns
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_stats AS s ON s.schemaname = n.nspname AND s.tablename = c.relname
  AND s.attname = a.attname AND NOT s.inherited
WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND NOT c.relispartition
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND pg_relation_size(c.oid) >= %(least_bytes)s::bigint
  AND a.attnotnull AND a.attgenerated = '' AND s.correlation >= %(least_correlation)s::real
  AND a.atttypid IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype
                   , 'smallint'::regtype, 'integer'::regtype, 'bigint'::regtype)
ORDER BY 3, a.attnum /* honed */;

-- find_conversion_obstacles --
-- Why a table cannot become a partition of a table with its name, one sentence in each row.
WITH t AS (
    SELECT c.* FROM pg_class AS c WHERE c.oid = to_regclass(%(table)s)
), own_index AS (
    SELECT i.indexrelid AS oid FROM pg_index AS i JOIN t ON t.oid = i.indrelid
), own_constraint AS (
    SELECT k.oid FROM pg_constraint AS k JOIN t ON t.oid = k.conrelid
), part (class, oid) AS (
    SELECT 'pg_class'::regclass, t.oid FROM t
    UNION ALL SELECT 'pg_class'::regclass, x.oid FROM own_index AS x
    UNION ALL SELECT 'pg_constraint'::regclass, k.oid FROM own_constraint AS k
    UNION ALL SELECT 'pg_type'::regclass, y.oid FROM pg_type AS y
              JOIN t ON y.oid = t.reltype OR y.typelem = t.reltype
)
-- Whatever it is that depends on it, and is no part of it, would depend on the old rows alone.
SELECT DISTINCT pg_describe_object(d.classid, d.objid, d.objsubid) || ' depends on it' AS why
FROM pg_depend AS d
JOIN part AS p ON p.class = d.refclassid AND p.oid = d.refobjid
WHERE d.deptype <> 'e'
  AND NOT EXISTS (SELECT FROM part AS o WHERE o.class = d.classid AND o.oid = d.objid)
  AND NOT EXISTS (SELECT FROM pg_attrdef AS f JOIN t ON t.oid = f.adrelid
                  WHERE d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid)
  AND NOT EXISTS (SELECT FROM pg_statistic_ext AS e JOIN t ON t.oid = e.stxrelid
                  WHERE d.classid = 'pg_statistic_ext'::regclass AND e.oid = d.objid)
  AND NOT EXISTS (SELECT FROM pg_trigger AS g WHERE g.tgisinternal
                  AND d.classid = 'pg_trigger'::regclass AND g.oid = d.objid)
  AND NOT EXISTS (SELECT FROM pg_class AS q
                  WHERE d.classid = 'pg_class'::regclass AND q.oid = d.objid
                    AND (q.relkind = 't' OR q.relkind = 'S' AND d.deptype = 'a'))
UNION ALL
SELECT 'the unique index ' || x.indexrelid::regclass || ' does not contain ' || %(key_column)s::text
FROM pg_index AS x JOIN t ON t.oid = x.indrelid
JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attname = %(key_column)s::text
WHERE x.indisunique AND a.attnum <> ALL ((x.indkey::smallint[])[0:x.indnkeyatts - 1])
UNION ALL
SELECT 'the index ' || x.indexrelid::regclass || ' is half-built'
FROM pg_index AS x JOIN t ON t.oid = x.indrelid WHERE NOT x.indisvalid
UNION ALL
SELECT 'its constraint ' || k.conname || CASE WHEN k.contype = 'x' THEN ' excludes rows'
       WHEN NOT k.convalidated THEN ' is not validated' ELSE ' is not inherited' END
FROM pg_constraint AS k JOIN t ON t.oid = k.conrelid
WHERE k.contype = 'x' OR NOT k.convalidated OR k.connoinherit AND k.contype = 'c'
UNION ALL
SELECT 'the column ' || a.attname || CASE WHEN a.attidentity <> '' THEN ' is an identity'
                                          ELSE ' has grants of its own' END
FROM pg_attribute AS a JOIN t ON t.oid = a.attrelid
WHERE a.attnum > 0 AND (a.attidentity <> '' OR a.attacl IS NOT NULL)
UNION ALL
SELECT 'it is published' FROM t JOIN pg_namespace AS n ON n.oid = t.relnamespace
WHERE EXISTS (SELECT FROM pg_publication_tables AS p
              WHERE p.schemaname = n.nspname AND p.tablename = t.relname)
UNION ALL
SELECT 'it is subscribed' FROM t
WHERE EXISTS (SELECT FROM pg_subscription_rel AS r WHERE r.srrelid = t.oid)
UNION ALL
SELECT 'it inherits from another table' FROM t
WHERE EXISTS (SELECT FROM pg_inherits AS h WHERE h.inhrelid = t.oid)
UNION ALL
SELECT 'its owner may not create tables in its schema' FROM t
WHERE NOT has_schema_privilege(t.relowner, t.relnamespace, 'CREATE')
UNION ALL
SELECT 'it has row security' FROM t WHERE t.relrowsecurity
UNION ALL
SELECT 'it has a security label' FROM t
WHERE EXISTS (SELECT FROM pg_seclabel AS l
              WHERE l.classoid = 'pg_class'::regclass AND l.objoid = t.oid)
UNION ALL
SELECT 'it has a type, a tablespace, a replica identity or an access method of its own' FROM t
WHERE t.reloftype <> 0 OR t.reltablespace <> 0 OR t.relreplident <> 'd'
   OR t.relam <> (SELECT m.oid FROM pg_am AS m WHERE m.amname = 'heap')
UNION ALL
SELECT 'it belongs to an extension' FROM t
WHERE EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass
              AND d.objid = t.oid AND d.deptype = 'e')
ORDER BY 1 /* honed */;

-- read_own_parts --
-- Indexes, foreign keys and sequences of one table, each as a list of lists of text.
SELECT ARRAY(SELECT x.relname::text FROM pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid
             WHERE i.indrelid = c.oid ORDER BY 1) AS indexes
     , coalesce((SELECT jsonb_agg(jsonb_build_array(k.conname, pg_get_constraintdef(k.oid))
                                  ORDER BY k.conname)
                 FROM pg_constraint AS k WHERE k.conrelid = c.oid AND k.contype = 'f'), '[]')
       AS foreign_keys
     , coalesce((SELECT jsonb_agg(jsonb_build_array(format('%%I.%%I', qn.nspname, q.relname), a.attname)
                                  ORDER BY q.relname)
                 FROM pg_depend AS d
                 JOIN pg_class AS q ON q.oid = d.objid AND q.relkind = 'S'
                 JOIN pg_namespace AS qn ON qn.oid = q.relnamespace
                 JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
                 WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
                   AND d.refobjid = c.oid AND d.deptype = 'a'), '[]')
       AS sequences
FROM pg_class AS c
WHERE c.oid = to_regclass(%(table)s) /* honed */;
