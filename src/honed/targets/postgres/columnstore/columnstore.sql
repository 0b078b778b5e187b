-- What archiving partitions asks a target.

-- list_partitions --
-- Leaves of range-partitioned tables with what speaks for and against archiving them.
WITH published AS MATERIALIZED (
  SELECT to_regclass(format('%%I.%%I', r.schemaname, r.tablename))::oid AS relation_id
  FROM pg_publication_tables AS r
)
SELECT n.nspname AS schema
     , c.relname AS name
     , format('%%I.%%I', n.nspname, c.relname) AS qualified_name
     , pn.nspname AS parent_schema
     , p.relname AS parent_name
     , pg_get_expr(c.relpartbound, c.oid) AS bound
     , coalesce(pg_get_partition_constraintdef(c.oid), '') AS condition
     , pg_total_relation_size(c.oid) AS size_bytes
     , greatest(c.reltuples, 0)::float8 AS row_count
     , am.amname AS method
     , EXISTS (SELECT FROM pg_partitioned_table AS k
               WHERE k.partrelid = p.oid AND k.partdefid <> 0) AS has_default
     , EXISTS (SELECT FROM pg_constraint AS k
               WHERE k.contype = 'f' AND k.confrelid IN (c.oid, p.oid)) AS is_referenced
     -- Up to the minor versions of November 2024 detaching lost the triggers of such a key.
     , EXISTS (SELECT FROM pg_constraint AS k JOIN pg_class AS r ON r.oid = k.confrelid
               WHERE k.contype = 'f' AND k.conrelid = c.oid AND r.relkind = 'p')
       AS refers_to_partitions
     , c.relrowsecurity AS hides_rows
     -- However it is published: by its name, all tables, its schema, or a table that it belongs to.
     , EXISTS (SELECT FROM pg_partition_ancestors(c.oid) AS a
               WHERE a.relid::oid IN (SELECT p.relation_id FROM published AS p)) AS is_published
     , concat_ws('/', c.oid, pg_relation_filenode(c.oid)) AS storage
     , EXISTS (SELECT FROM pg_depend AS d JOIN pg_class AS q ON q.oid = d.objid
               WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
                 AND d.refobjid = c.oid AND d.deptype IN ('a', 'i') AND q.relkind = 'S')
       AS owns_sequence
     , EXISTS (SELECT FROM pg_constraint AS k WHERE k.contype = 'f' AND k.conrelid = c.oid)
       AS has_foreign_key
     , EXISTS (SELECT FROM pg_constraint AS k WHERE k.conrelid = c.oid AND k.contype <> 'f'
                                              AND k.condeferrable) AS defers_constraints
     , EXISTS (SELECT FROM pg_trigger AS g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal)
       OR EXISTS (SELECT FROM pg_rewrite AS r WHERE r.ev_class = c.oid) AS has_triggers
     , ARRAY(SELECT DISTINCT ia.amname::text
             FROM pg_index AS x
             JOIN pg_class AS i ON i.oid = x.indexrelid
             JOIN pg_am AS ia ON ia.oid = i.relam
             WHERE x.indrelid = c.oid
             ORDER BY 1) AS index_methods
     , EXISTS (SELECT FROM pg_class AS s
               WHERE s.oid = c.reltoastrelid AND s.reloptions IS NOT NULL) AS has_toast_options
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_inherits AS h ON h.inhrelid = c.oid
JOIN pg_class AS p ON p.oid = h.inhparent
JOIN pg_namespace AS pn ON pn.oid = p.relnamespace
JOIN pg_partitioned_table AS t ON t.partrelid = p.oid AND t.partstrat = 'r'
JOIN pg_am AS am ON am.oid = c.relam
WHERE c.relispartition AND c.relkind = 'r' AND c.relpersistence = 'p'
ORDER BY 3 /* honed */;

-- list_plain_tables --
-- Which of some tables are there, hold rows themselves and are no partition of another; and whether
-- subscribers would be told to empty theirs, too.
SELECT n.nspname AS schema
     , c.relname AS name
     , format('%%I.%%I', n.nspname, c.relname) AS qualified_name
     , pg_total_relation_size(c.oid) AS size_bytes
     , EXISTS (SELECT FROM pg_publication_tables AS r
               WHERE r.schemaname = n.nspname AND r.tablename = c.relname) AS is_published
FROM unnest(%(schemas)s::text[], %(names)s::text[]) AS asked (schema, name)
JOIN pg_namespace AS n ON n.nspname = asked.schema
JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = asked.name
WHERE c.relkind = 'r' AND NOT c.relispartition
ORDER BY 3 /* honed */;

-- list_siblings --
-- All leaves of the table that a partition belongs to, itself among them.
SELECT n.nspname AS schema
     , c.relname AS name
FROM pg_class AS part
JOIN pg_namespace AS pn ON pn.oid = part.relnamespace
CROSS JOIN LATERAL pg_partition_tree(pg_partition_root(part.oid)) AS t
JOIN pg_class AS c ON c.oid = t.relid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE t.isleaf AND pn.nspname = %(schema)s AND part.relname = %(name)s
ORDER BY 1, 2 /* honed */;

-- read_moment --
-- How the target encodes text and writes dates, whether it can keep tables in columns, and which
-- extension that takes.
SELECT current_setting('server_encoding') AS encoding
     , current_setting('DateStyle') LIKE 'ISO%%' AS writes_iso_dates
     , EXISTS (SELECT FROM pg_am WHERE amname = 'columnar' AND amtype = 't') AS has_columnar
     , coalesce((SELECT e.extname FROM pg_am AS a
                 JOIN pg_depend AS d ON d.classid = 'pg_am'::regclass AND d.objid = a.oid
                   AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
                 JOIN pg_extension AS e ON e.oid = d.refobjid
                 WHERE a.amname = 'columnar'), '') AS columnar_extension
     , current_setting('server_version_num')::integer AS server_version /* honed */;

-- find_key --
-- The columns of one unique index of a table, by which one row is found; its primary key first.
SELECT (SELECT array_agg(a.attname::text ORDER BY k.place)
        FROM unnest(x.indkey::smallint[]) WITH ORDINALITY AS k (number, place)
        JOIN pg_attribute AS a ON a.attrelid = x.indrelid AND a.attnum = k.number
        WHERE k.place <= x.indnkeyatts) AS columns
FROM pg_index AS x
WHERE x.indrelid = to_regclass(%(table)s) AND x.indisunique AND x.indisvalid
  AND x.indexprs IS NULL AND x.indpred IS NULL
ORDER BY x.indisprimary DESC, x.indexrelid
LIMIT 1 /* honed */;

-- list_statistics --
-- Extended statistics objects of one table, which pg_dump leaves out where it dumps one table.
SELECT format('%%I.%%I', n.nspname, e.stxname) AS qualified_name
     , pg_get_statisticsobjdef(e.oid) AS definition
     , quote_ident(pg_get_userbyid(e.stxowner)) AS owner
     , coalesce(e.stxstattarget, -1)::integer AS target
     , quote_literal(obj_description(e.oid, 'pg_statistic_ext')) AS comment
FROM pg_statistic_ext AS e
JOIN pg_namespace AS n ON n.oid = e.stxnamespace
WHERE e.stxrelid = to_regclass(%(table)s)
ORDER BY 1 /* honed */;

-- find_statements --
-- Where pg_stat_statements is.
SELECT n.nspname AS schema
FROM pg_extension AS e
JOIN pg_namespace AS n ON n.oid = e.extnamespace
WHERE e.extname = 'pg_stat_statements' /* honed */;

-- count_use --
-- How often each of some tables was written and scanned since its counters' reset; and how many
-- scans were backups, which read each table once by COPY, or honed's own.
SELECT asked.name AS table_name
     , coalesce(s.n_tup_ins + s.n_tup_upd + s.n_tup_del, 0) AS writes
     , coalesce(s.seq_scan, 0) + coalesce(s.idx_scan, 0) AS scans
     , (SELECT coalesce(sum(q.calls), 0)::bigint
        FROM {schema}.pg_stat_statements(true) AS q
        WHERE q.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND (q.query ILIKE 'COPY %%' OR q.query LIKE '%%/* honed */%%')
          AND (strpos(q.query, ' ' || asked.name || ' ') > 0
               OR strpos(q.query, format(' "%%s"."%%s" ', s.schemaname, s.relname)) > 0))
       AS explained
FROM unnest(%(tables)s::text[]) AS asked (name)
JOIN pg_stat_user_tables AS s ON s.relid = to_regclass(asked.name)
ORDER BY 1 /* honed */;
