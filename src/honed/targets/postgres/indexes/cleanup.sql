-- What the cleaning up of indexes asks a target.

-- list_foreign_keys --
-- The columns of each foreign key, by the table that has it.
SELECT format('%%I.%%I', n.nspname, c.relname) AS "table"
     , array_agg(a.attname::text ORDER BY k.position) AS columns
FROM pg_constraint AS con
JOIN pg_class AS c ON c.oid = con.conrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN unnest(con.conkey) WITH ORDINALITY AS k (attnum, position)
JOIN pg_attribute AS a ON a.attrelid = con.conrelid AND a.attnum = k.attnum
WHERE con.contype = 'f'
GROUP BY con.oid, n.nspname, c.relname /* honed */;

-- read_index_use --
-- How long the counters of index scans have been counting, who else may use the indexes unseen,
-- and which are being built.
SELECT extract(epoch FROM now() - coalesce(
           (SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()),
           pg_postmaster_start_time())) / 86400 AS counted_days
     , (SELECT count(*) FROM pg_stat_replication WHERE state <> 'backup')
       + (SELECT count(*) FROM pg_replication_slots
          WHERE slot_type = 'physical' AND NOT active AND NOT temporary) AS standbys
     , (SELECT coalesce(array_agg(format('%%I.%%I', n.nspname, c.relname)), '{}')
        FROM pg_stat_progress_create_index AS p
        JOIN pg_class AS c ON c.oid = p.index_relid
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE p.datname = current_database()) AS in_progress /* honed */;
