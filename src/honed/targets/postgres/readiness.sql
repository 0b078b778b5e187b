-- read_moment --
-- What time it is where the target is, how much of it is in use, and what its databases take.
SELECT (%(now)s::timestamptz AT TIME ZONE current_setting('TimeZone'))::time AS local_time
     , current_setting('TimeZone') AS time_zone
     , (SELECT count(*) FROM pg_stat_activity
         WHERE backend_type = 'client backend'
           AND state = 'active'
           AND pid <> pg_backend_pid()) AS busy
     , current_setting('max_connections')::integer AS connections
     , CASE WHEN %(with_disk)s THEN
         (SELECT sum(pg_database_size(oid)) FROM pg_database)::bigint
       END AS used_bytes /* honed */;

-- list_transactions --
-- What has been open in this database for too long, oldest first; a prepared one has no process.
SELECT coalesce(open.pid, 0) AS pid, open.name, open.began_at
  FROM (SELECT pid, application_name AS name, xact_start AS began_at
          FROM pg_stat_activity
         WHERE datname = current_database()
           AND backend_type = 'client backend'
           AND pid <> pg_backend_pid()
        UNION ALL
        SELECT NULL, gid, prepared
          FROM pg_prepared_xacts
         WHERE database = current_database()) AS open
 WHERE open.began_at < clock_timestamp() - make_interval(secs => %(limit_s)s::double precision)
 ORDER BY open.began_at /* honed */;

-- list_standbys --
-- Whoever receives the write-ahead log, and how far behind it is; a backup replays nothing.
SELECT coalesce(nullif(application_name, ''), pid::text) AS name
     , coalesce(extract(epoch FROM replay_lag), 0)::double precision AS lag_s
     , coalesce(
         pg_wal_lsn_diff(
           CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                ELSE pg_current_wal_lsn() END,
           coalesce(replay_lsn, flush_lsn)
         ), 0)::bigint AS lag_bytes
  FROM pg_stat_replication
 WHERE state <> 'backup'
 ORDER BY 1 /* honed */;
