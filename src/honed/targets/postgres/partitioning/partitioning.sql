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
