-- What archiving partitions keeps in the store.

-- remember_use --
-- Note what the counters of a partition say now; return since when they are known, and when they
-- last said that somebody used it. Counters that fell were reset: nobody knows what they missed.
INSERT INTO honed.partition_use AS p (target_id, table_name, writes, scans, unexplained)
VALUES (%(target_id)s, %(table_name)s, %(writes)s, %(scans)s, %(unexplained)s)
ON CONFLICT (target_id, table_name) DO UPDATE SET
  writes = excluded.writes
, scans = excluded.scans
, unexplained = CASE WHEN excluded.scans < p.scans THEN excluded.unexplained
                     ELSE greatest(excluded.unexplained, p.unexplained) END
, used_at = CASE WHEN excluded.writes <> p.writes OR excluded.scans < p.scans
                   OR excluded.unexplained > p.unexplained THEN honed.now() ELSE p.used_at END
RETURNING p.first_seen_at, p.used_at, honed.now() AS seen_at;
