-- Statements of the lab. The first part reads production, where its statements end in a mark by which
-- honed tells them from production's own; the second part is for the private shadow server.

-- export_snapshot --
-- A name under which other connections see the same moment.
SELECT pg_export_snapshot() AS snapshot /* honed */;

-- list_relations --
-- Tables, materialised views and their indexes with the sizes that the planner sees.
SELECT format('%%I.%%I', n.nspname, c.relname) AS name
     , CASE WHEN c.relkind = 'i' THEN format('%%I.%%I', tn.nspname, tc.relname) ELSE '' END AS of_table
     , c.relkind::text AS sort
     , c.relpages AS pages
     , c.reltuples::float8 AS row_count
     , c.relallvisible AS all_visible
     , pg_relation_size(c.oid) / current_setting('block_size')::bigint AS blocks
     , pg_relation_size(c.oid) AS file_bytes
     , CASE WHEN c.relkind = 'r' THEN pg_total_relation_size(c.oid) ELSE 0 END AS size_bytes
     , c.relrowsecurity AND row_security_active(c.oid) AS hides_rows
     , c.relispopulated AS is_filled
     , ARRAY(SELECT a.attname::text
               FROM pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0
                AND NOT a.attisdropped AND a.attgenerated = ''
              ORDER BY a.attnum) AS columns
     , coalesce(m.amname, '') AS method
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_index i ON i.indexrelid = c.oid
  LEFT JOIN pg_class tc ON tc.oid = i.indrelid
  LEFT JOIN pg_namespace tn ON tn.oid = tc.relnamespace
  LEFT JOIN pg_am m ON m.oid = c.relam
 WHERE c.relkind IN ('r', 'm', 'i')
   AND c.relpersistence <> 't'
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_class'::regclass
                      AND d.objid = coalesce(i.indrelid, c.oid) AND d.deptype = 'e')
 ORDER BY c.oid /* honed */;

-- list_foreign_keys --
-- Foreign keys that are not inherited, with their definitions.
SELECT format('%%I.%%I', n.nspname, c.relname) AS of_table
     , k.conname AS name
     , pg_get_constraintdef(k.oid) AS definition
  FROM pg_constraint k
  JOIN pg_class c ON c.oid = k.conrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE k.contype = 'f' AND k.conparentid = 0
 ORDER BY k.oid /* honed */;

-- list_extensions --
-- Extensions and the schemas that they live in.
SELECT e.extname AS name, n.nspname AS in_schema
  FROM pg_extension e
  JOIN pg_namespace n ON n.oid = e.extnamespace
 WHERE e.extname <> 'plpgsql'
 ORDER BY e.oid /* honed */;

-- list_planner_settings --
-- Settings that move plans or the meaning of a statement, in their base units.
SELECT name, setting
  FROM pg_settings
 WHERE (category LIKE 'Query Tuning%%'
        OR name IN ('work_mem', 'hash_mem_multiplier', 'default_statistics_target', 'search_path'
                  , 'timezone', 'DateStyle', 'IntervalStyle', 'standard_conforming_strings'
                  , 'default_text_search_config', 'backslash_quote', 'transform_null_equals'))
   AND context IN ('user', 'superuser')
   AND name NOT LIKE '%%parallel%%'
   AND setting IS DISTINCT FROM boot_val
 ORDER BY name /* honed */;

-- describe_database --
-- What the database was created with; columns differ from version to version, so as JSON.
SELECT to_jsonb(d) AS description
     , pg_encoding_to_char(d.encoding) AS encoding
     , pg_database_size(d.oid) AS size_bytes
  FROM pg_database d
 WHERE d.datname = current_database() /* honed */;

-- digest_schema --
-- One digest of tables, access methods, columns, constraints, indexes, statistics objects and functions.
WITH part (line) AS (
    SELECT format('%%s %%s %%s %%s', c.oid, c.relkind, c.reloptions
                , pg_get_expr(c.relpartbound, c.oid))
      FROM pg_class c
     WHERE c.relkind IN ('r', 'p', 'm', 'v', 'i', 'I') AND c.relpersistence <> 't'
    UNION ALL
    -- Where rows are kept as usual nothing is said, so that digests from before still hold.
    SELECT format('%%s %%s', c.oid, m.amname)
      FROM pg_class c
      JOIN pg_am m ON m.oid = c.relam
     WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND m.amname <> 'heap'
    UNION ALL
    SELECT format('%%s %%s %%s %%s %%s %%s %%s', a.attrelid, a.attname
                , format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attisdropped
                , a.attstattarget, a.attoptions)
      FROM pg_attribute a
      JOIN pg_class c ON c.oid = a.attrelid
     WHERE a.attnum > 0 AND c.relkind IN ('r', 'p', 'm', 'v') AND c.relpersistence <> 't'
    UNION ALL
    SELECT pg_get_indexdef(i.indexrelid) || i.indisvalid
      FROM pg_index i
      JOIN pg_class c ON c.oid = i.indexrelid
     WHERE c.relpersistence <> 't'
    UNION ALL
    SELECT format('%%s %%s %%s', k.conrelid, k.conname, pg_get_constraintdef(k.oid))
      FROM pg_constraint k
    UNION ALL
    SELECT format('%%s %%s', pg_get_statisticsobjdef(s.oid), s.stxstattarget)
      FROM pg_statistic_ext s
    UNION ALL
    SELECT format('%%s %%s', p.oid::regprocedure, md5(p.prosrc))
      FROM pg_proc p
     WHERE p.oid >= 16384
)
SELECT md5(coalesce(string_agg(line, E'\n' ORDER BY line), '')) AS digest
  FROM part /* honed */;

-- list_activity --
-- How much each table was written since its counters were reset, and when it was analysed with what
-- result: statistics can be restored and cleared, too, of which no time tells.
SELECT format('%%I.%%I', u.schemaname, u.relname) AS name
     , u.n_tup_ins + u.n_tup_upd + u.n_tup_del AS writes
     , u.n_live_tup AS live_rows
     , concat_ws(' ', greatest(u.last_analyze, u.last_autoanalyze), k.digest) AS analysed_at
  FROM pg_stat_user_tables u
  LEFT JOIN (SELECT s.schemaname, s.tablename
                  , md5(string_agg(s::text, E'\n' ORDER BY s.attname, s.inherited)) AS digest
               FROM pg_stats s
              GROUP BY s.schemaname, s.tablename
            ) k ON k.schemaname = u.schemaname AND k.tablename = u.relname
 ORDER BY 1 /* honed */;

-- list_locations --
-- Where relations lie in the data directory, and how long they are.
SELECT c.oid::bigint AS oid
     , format('%%I.%%I', n.nspname, c.relname) AS name
     , pg_relation_filepath(c.oid) AS path
     , pg_relation_size(c.oid) / current_setting('block_size')::bigint AS blocks
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm', 'i')
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema';

-- list_trees --
-- Where b-trees lie in the data directory.
SELECT format('%%I.%%I', n.nspname, c.relname) AS name
     , pg_relation_filepath(c.oid) AS path
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_am a ON a.oid = c.relam
 WHERE c.relkind = 'i' AND a.amname = 'btree'
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema';

-- forget_statistics --
-- What is known of columns goes: what production does not know, restoring would leave as it is here.
DELETE FROM pg_statistic AS s
 USING pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.oid = s.starelid
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema';

-- write_relation_numbers --
-- What the planner reads of a relation's size: rows and pages.
UPDATE pg_class
   SET relpages = %(pages)s::int, reltuples = %(row_count)s::real
     , relallvisible = %(all_visible)s::int
 WHERE oid = %(oid)s::oid;

-- list_tables_with_statistics_objects --
-- Tables whose extended statistics exist only once they are analysed here.
SELECT DISTINCT n.nspname AS schema_name, c.relname AS table_name
  FROM pg_statistic_ext s
  JOIN pg_class c ON c.oid = s.stxrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 ORDER BY 1, 2;

-- list_indexes --
-- Indexes outside the system's schemas, with their tables and sizes.
SELECT c.oid::bigint AS oid
     , c.relname AS name
     , format('%%I.%%I', n.nspname, c.relname) AS qualified_name
     , format('%%I.%%I', tn.nspname, t.relname) AS of_table
     , tn.nspname AS table_schema
     , t.relname AS table_name
     , pg_relation_size(c.oid) AS size_bytes
  FROM pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_class t ON t.oid = i.indrelid
  JOIN pg_namespace tn ON tn.oid = t.relnamespace
 WHERE c.relkind = 'i' AND tn.nspname !~ '^pg_' AND tn.nspname <> 'information_schema'
 ORDER BY c.oid;

-- describe_columns --
-- Columns of one table that can be written, and whether an index, or a unique one, has them.
SELECT a.attname AS name
     , coalesce(bool_or(a.attnum = ANY (i.indkey::smallint[])), false) AS is_indexed
     , coalesce(bool_or(i.indisunique AND a.attnum = ANY (i.indkey::smallint[])), false) AS is_unique
     , max(c.reltuples)::float8 AS row_count
  FROM pg_class c
  JOIN pg_attribute a ON a.attrelid = c.oid
  LEFT JOIN pg_index i ON i.indrelid = c.oid
 WHERE c.oid = to_regclass(%(table)s) AND c.relkind = 'r'
   AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
 GROUP BY a.attname, a.attnum
 ORDER BY a.attnum;

-- list_opaque_names --
-- What in a plan may stand for a function that runs statements of its own: its name, aggregates and
-- operators that call it, and the types that it makes of others. Functions in C may run some too;
-- of what calls them, only they themselves are named, because types such as citext are made of them.
WITH own AS (
    SELECT p.oid, p.proname, l.lanname NOT IN ('internal', 'c') AS is_text
      FROM pg_proc p
      JOIN pg_language l ON l.oid = p.prolang
     WHERE p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
        OR p.proname ~ '_to_xml' OR p.proname IN ('ts_stat', 'ts_rewrite')
)
SELECT o.proname::text AS name FROM own o
UNION
SELECT p.proname::text
  FROM pg_aggregate a
  JOIN pg_proc p ON p.oid = a.aggfnoid
  JOIN own o ON o.oid IN (a.aggtransfn, a.aggfinalfn, a.aggcombinefn)
UNION
SELECT p.oprname::text FROM pg_operator p JOIN own o ON o.oid = p.oprcode WHERE o.is_text
UNION
SELECT format_type(c.casttarget, NULL) FROM pg_cast c JOIN own o ON o.oid = c.castfunc
 WHERE o.is_text;

-- set_visibility --
-- To planner and writers an index that is not live is none. Sessions learn it by the table's change.
WITH flipped AS (
    UPDATE pg_index
       SET indislive = %(is_visible)s::bool
     WHERE indexrelid = ANY (%(oids)s::oid[])
    RETURNING indrelid
)
UPDATE pg_class
   SET relhasindex = relhasindex OR %(is_visible)s::bool
 WHERE oid IN (SELECT indrelid FROM flipped);

-- park_statistics --
-- ANALYZE finds no statistics of the table then, and writes new ones beside these.
UPDATE pg_statistic SET starelid = 1 WHERE starelid = to_regclass(%(table)s);

-- drop_new_statistics --
-- What ANALYZE wrote of the table's columns goes again.
DELETE FROM pg_statistic WHERE starelid = to_regclass(%(table)s);

-- unpark_statistics --
-- The statistics that were set aside are the table's again.
UPDATE pg_statistic SET starelid = to_regclass(%(table)s) WHERE starelid = 1;

-- forget_pages --
-- Drop the pages of some files of one database from memory; those that were changed are written.
SELECT pg_buffercache_evict(b.bufferid)
  FROM pg_buffercache b
 WHERE b.reldatabase = (SELECT d.oid FROM pg_database d WHERE d.datname = %(database)s)
   AND b.relfilenode = ANY (%(files)s::oid[]);

-- list_known_settings --
-- The names of settings that this server knows.
SELECT name FROM pg_settings;

-- set_locally --
-- Give a setting a value until the end of the transaction.
SELECT set_config(%(name)s, %(value)s, true);

-- list_methods --
-- Access methods that tables here can be kept by.
SELECT amname AS name FROM pg_am WHERE amtype = 't';

-- list_available_extensions --
-- The names of extensions that could be created on this server.
SELECT name FROM pg_available_extensions;

-- read_marker --
-- What the copy is; no row: there is none.
SELECT marker FROM lab_copy;

-- write_marker --
-- Say what the copy is.
INSERT INTO lab_copy (marker) VALUES (%(marker)s::jsonb);

-- delete_marker --
-- From here on the copy is not to be used.
DELETE FROM lab_copy;

-- list_leftovers --
-- Databases of labs whose process is gone: no session of that name is there.
SELECT d.datname AS name
  FROM pg_database d
 WHERE d.datname LIKE 'clone\_%%'
   AND NOT EXISTS (SELECT FROM pg_stat_activity a
                    WHERE a.application_name = 'honed lab ' || split_part(d.datname, '_', 2));

-- count_other_labs --
-- Processes that use this shadow server besides this one.
SELECT count(DISTINCT application_name) AS others
  FROM pg_stat_activity
 WHERE application_name LIKE 'honed lab %%' AND application_name <> %(name)s;

-- lock_copy --
-- One process at a time replaces the copy.
SELECT pg_advisory_lock(1);

-- unlock_copy --
-- Let others use the copy again.
SELECT pg_advisory_unlock(1);

-- share_copy --
-- While a clone is made, nobody replaces the copy.
SELECT pg_advisory_lock_shared(1);

-- unshare_copy --
-- The clone is made.
SELECT pg_advisory_unlock_shared(1);

-- find_extension --
-- An extension that could be created here.
SELECT a.name FROM pg_available_extensions AS a WHERE a.name = %(name)s;
