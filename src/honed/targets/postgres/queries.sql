-- lock_target --
-- Let one process at a time read this target's counters; nothing else waits for this lock.
SELECT target_id FROM honed.target
WHERE target_id = %(target_id)s AND removed_at IS NULL
FOR NO KEY UPDATE;

-- get_reading_state --
-- The time now, and when the target was read last.
SELECT honed.now() AS now, s.read_at, s.statements_reset_at, s.tables_reset_at
FROM (SELECT 1) AS one
LEFT JOIN honed.reading_state AS s ON s.target_id = %(target_id)s;

-- save_reading_state --
-- Remember when the target was read, and what its server said of resets.
INSERT INTO honed.reading_state (target_id, read_at, statements_reset_at, tables_reset_at)
VALUES (%(target_id)s, %(read_at)s, %(statements_reset_at)s, %(tables_reset_at)s)
ON CONFLICT (target_id) DO UPDATE SET
  read_at = excluded.read_at,
  statements_reset_at = excluded.statements_reset_at,
  tables_reset_at = excluded.tables_reset_at;

-- list_statement_counters --
-- The last readings of a target's statements.
SELECT statement_id, user_id, calls, exec_ms, exec_ms_squares, row_count, shared_blocks
     , blocks_read, temp_blocks, wal_bytes, stats_since
FROM honed.statement_counter
WHERE target_id = %(target_id)s;

-- save_statement_counter --
-- Remember the last reading of one statement of one user.
INSERT INTO honed.statement_counter (target_id, statement_id, user_id, calls, exec_ms
  , exec_ms_squares, row_count, shared_blocks, blocks_read, temp_blocks, wal_bytes, stats_since)
VALUES (%(target_id)s, %(statement_id)s, %(user_id)s, %(calls)s, %(exec_ms)s
  , %(exec_ms_squares)s, %(row_count)s, %(shared_blocks)s, %(blocks_read)s, %(temp_blocks)s
  , %(wal_bytes)s, %(stats_since)s::timestamptz)
ON CONFLICT (target_id, statement_id, user_id) DO UPDATE SET
  calls = excluded.calls,
  exec_ms = excluded.exec_ms,
  exec_ms_squares = excluded.exec_ms_squares,
  row_count = excluded.row_count,
  shared_blocks = excluded.shared_blocks,
  blocks_read = excluded.blocks_read,
  temp_blocks = excluded.temp_blocks,
  wal_bytes = excluded.wal_bytes,
  stats_since = excluded.stats_since;

-- forget_statement_counter --
-- Forget a statement that the server no longer counts; it begins from zero when it comes back.
DELETE FROM honed.statement_counter
WHERE target_id = %(target_id)s AND statement_id = %(statement_id)s AND user_id = %(user_id)s;

-- list_table_counters --
-- The last readings of a target's tables.
SELECT table_name, inserted, updated, hot_updated, deleted
FROM honed.table_counter
WHERE target_id = %(target_id)s;

-- save_table_counter --
-- Remember the last reading of one table.
INSERT INTO honed.table_counter (target_id, table_name, inserted, updated, hot_updated, deleted)
VALUES (%(target_id)s, %(table_name)s, %(inserted)s, %(updated)s, %(hot_updated)s, %(deleted)s)
ON CONFLICT (target_id, table_name) DO UPDATE SET
  inserted = excluded.inserted,
  updated = excluded.updated,
  hot_updated = excluded.hot_updated,
  deleted = excluded.deleted;

-- forget_table_counter --
-- Forget a table that is gone.
DELETE FROM honed.table_counter
WHERE target_id = %(target_id)s AND table_name = %(table_name)s;

-- list_statement_sorts --
-- What each of some statements of a target does; of those that are not known nothing.
SELECT statement_id, sort
FROM honed.statement
WHERE target_id = %(target_id)s AND statement_id = ANY (%(statement_ids)s::text[]);

-- save_statement --
-- Remember a statement; a normalised text replaces one that was only seen running.
INSERT INTO honed.statement (target_id, statement_id, text, sort)
VALUES (%(target_id)s, %(statement_id)s, %(text)s, %(sort)s)
ON CONFLICT (target_id, statement_id) DO UPDATE SET text = excluded.text, sort = excluded.sort
WHERE statement.text <> excluded.text;

-- add_reading --
-- A stretch of production in which something happened.
INSERT INTO honed.reading (target_id, started_at, ended_at, is_first)
VALUES (%(target_id)s, %(started_at)s, %(ended_at)s, %(is_first)s)
RETURNING reading_id;

-- add_statement_interval --
-- What one statement cost in one stretch.
INSERT INTO honed.statement_interval (reading_id, statement_id, calls, exec_ms, exec_ms_squares
  , row_count, shared_blocks, blocks_read, temp_blocks, wal_bytes, seen_calls, seen_ms)
VALUES (%(reading_id)s, %(statement_id)s, %(calls)s, %(exec_ms)s, %(exec_ms_squares)s
  , %(row_count)s, %(shared_blocks)s, %(blocks_read)s, %(temp_blocks)s, %(wal_bytes)s
  , %(seen_calls)s, %(seen_ms)s);

-- add_table_interval --
-- What was written into one table in one stretch.
INSERT INTO honed.table_interval (reading_id, table_name, inserted, updated, hot_updated, deleted)
VALUES (%(reading_id)s, %(table_name)s, %(inserted)s, %(updated)s, %(hot_updated)s, %(deleted)s);

-- forget_old_readings --
-- Keep the history bounded: stretches older than some days go, with all that hangs on them.
DELETE FROM honed.reading
WHERE target_id = %(target_id)s AND ended_at < honed.now() - make_interval(days => %(days)s);

-- fold_statement_intervals --
-- Of some days ago a quarter of an hour is one stretch: its first reading takes what the others
-- counted.
WITH placed AS (
  SELECT r.reading_id
       , min(r.reading_id) OVER (
           PARTITION BY date_bin('15 minutes', r.ended_at, timestamptz '2000-01-01')
         ) AS first_id
  FROM honed.reading AS r
  WHERE r.target_id = %(target_id)s AND NOT r.is_first
    AND r.ended_at < date_bin('15 minutes', %(before)s::timestamptz, timestamptz '2000-01-01')
)
INSERT INTO honed.statement_interval AS i (reading_id, statement_id, calls, exec_ms
  , exec_ms_squares, row_count, shared_blocks, blocks_read, temp_blocks, wal_bytes, seen_calls
  , seen_ms)
SELECT p.first_id, o.statement_id, sum(o.calls), sum(o.exec_ms), sum(o.exec_ms_squares)
     , sum(o.row_count), sum(o.shared_blocks), sum(o.blocks_read), sum(o.temp_blocks)
     , sum(o.wal_bytes), sum(o.seen_calls), sum(o.seen_ms)
FROM placed AS p
JOIN honed.statement_interval AS o ON o.reading_id = p.reading_id
WHERE p.reading_id <> p.first_id
GROUP BY p.first_id, o.statement_id
ON CONFLICT (reading_id, statement_id) DO UPDATE SET
  calls = i.calls + excluded.calls,
  exec_ms = i.exec_ms + excluded.exec_ms,
  exec_ms_squares = i.exec_ms_squares + excluded.exec_ms_squares,
  row_count = i.row_count + excluded.row_count,
  shared_blocks = i.shared_blocks + excluded.shared_blocks,
  blocks_read = i.blocks_read + excluded.blocks_read,
  temp_blocks = i.temp_blocks + excluded.temp_blocks,
  wal_bytes = i.wal_bytes + excluded.wal_bytes,
  seen_calls = i.seen_calls + excluded.seen_calls,
  seen_ms = i.seen_ms + excluded.seen_ms;

-- fold_table_intervals --
-- The same of what was written into tables.
WITH placed AS (
  SELECT r.reading_id
       , min(r.reading_id) OVER (
           PARTITION BY date_bin('15 minutes', r.ended_at, timestamptz '2000-01-01')
         ) AS first_id
  FROM honed.reading AS r
  WHERE r.target_id = %(target_id)s AND NOT r.is_first
    AND r.ended_at < date_bin('15 minutes', %(before)s::timestamptz, timestamptz '2000-01-01')
)
INSERT INTO honed.table_interval AS i (reading_id, table_name, inserted, updated, hot_updated
  , deleted)
SELECT p.first_id, o.table_name, sum(o.inserted), sum(o.updated), sum(o.hot_updated)
     , sum(o.deleted)
FROM placed AS p
JOIN honed.table_interval AS o ON o.reading_id = p.reading_id
WHERE p.reading_id <> p.first_id
GROUP BY p.first_id, o.table_name
ON CONFLICT (reading_id, table_name) DO UPDATE SET
  inserted = i.inserted + excluded.inserted,
  updated = i.updated + excluded.updated,
  hot_updated = i.hot_updated + excluded.hot_updated,
  deleted = i.deleted + excluded.deleted;

-- fold_readings --
-- The first reading of such a quarter lasts to the end of its last one, and the others go.
WITH placed AS (
  SELECT r.reading_id
       , min(r.reading_id) OVER quarter AS first_id
       , min(r.started_at) OVER quarter AS started_at
       , max(r.ended_at) OVER quarter AS ended_at
       , count(*) OVER quarter AS readings
  FROM honed.reading AS r
  WHERE r.target_id = %(target_id)s AND NOT r.is_first
    AND r.ended_at < date_bin('15 minutes', %(before)s::timestamptz, timestamptz '2000-01-01')
  WINDOW quarter AS (PARTITION BY date_bin('15 minutes', r.ended_at, timestamptz '2000-01-01'))
), folded AS (
  UPDATE honed.reading AS r SET started_at = p.started_at, ended_at = p.ended_at
  FROM placed AS p
  WHERE r.reading_id = p.reading_id AND p.reading_id = p.first_id AND p.readings > 1
)
DELETE FROM honed.reading AS r USING placed AS p
WHERE r.reading_id = p.reading_id AND p.reading_id <> p.first_id;

-- forget_old_statements --
-- Forget statements that no kept stretch and no counter knows.
DELETE FROM honed.statement AS s
WHERE s.target_id = %(target_id)s
  AND s.first_seen_at < honed.now() - make_interval(days => %(days)s)
  AND NOT EXISTS (SELECT 1 FROM honed.statement_counter AS c
                  WHERE c.target_id = s.target_id AND c.statement_id = s.statement_id)
  AND NOT EXISTS (SELECT 1 FROM honed.statement_interval AS i
                  JOIN honed.reading AS r ON r.reading_id = i.reading_id
                  WHERE i.statement_id = s.statement_id AND r.target_id = s.target_id);

-- add_example --
-- Keep an example, while there are few of this statement; the first one seen stays the first.
INSERT INTO honed.statement_example (target_id, statement_id, sha256, example, source
  , is_accepted, position)
SELECT %(target_id)s, %(statement_id)s, %(sha256)s, %(example)s, %(source)s
     , %(is_accepted)s, coalesce(max(e.position) + 1, 0)
FROM honed.statement_example AS e
WHERE e.target_id = %(target_id)s AND e.statement_id = %(statement_id)s
HAVING count(*) < %(most)s
ON CONFLICT (target_id, statement_id, sha256) DO NOTHING;

-- list_examples --
-- The examples of a target's statements, in their order.
SELECT statement_id, sha256, example, source, is_accepted
FROM honed.statement_example
WHERE target_id = %(target_id)s
  AND statement_id = ANY (%(statement_ids)s::text[])
ORDER BY statement_id, source, position, sha256;

-- accept_example --
-- Remember that the target could plan an example.
UPDATE honed.statement_example SET is_accepted = true
WHERE target_id = %(target_id)s AND statement_id = %(statement_id)s AND sha256 = %(sha256)s;

-- forget_example --
-- Forget an example that the target cannot plan.
DELETE FROM honed.statement_example
WHERE target_id = %(target_id)s AND statement_id = %(statement_id)s AND sha256 = %(sha256)s;

-- save_skipped --
-- Say why a statement has no example; empty: it has. Where the server's message quotes the value
-- that it refuses, that is left out, because every viewer may read the reason.
UPDATE honed.statement AS s SET skipped = why.reason
FROM (SELECT regexp_replace(%(skipped)s::text, '(: |value )".*"', '\1…') AS reason) AS why
WHERE s.target_id = %(target_id)s AND s.statement_id = %(statement_id)s
  AND s.skipped <> why.reason;

-- list_intervals --
-- The stretches of production within bounds, oldest first.
SELECT started_at, ended_at
FROM honed.reading
WHERE target_id = %(target_id)s
  AND NOT is_first
  AND (%(since)s::timestamptz IS NULL OR started_at >= %(since)s::timestamptz)
  AND (%(until)s::timestamptz IS NULL OR ended_at <= %(until)s::timestamptz)
ORDER BY ended_at, reading_id;

-- list_statement_costs --
-- What each statement cost within a stretch of time; without bounds, within the latest stretch.
SELECT i.statement_id
     , sum(i.calls)::double precision AS calls
     , sum(i.exec_ms) / sum(i.calls) AS exec_ms_per_call
     , sum(i.shared_blocks)::double precision / sum(i.calls)::double precision AS blocks_per_call
     , sum(i.blocks_read)::double precision / sum(i.calls)::double precision AS reads_per_call
     , sum(i.row_count)::double precision / sum(i.calls)::double precision AS rows_per_call
FROM honed.reading AS r
JOIN honed.statement_interval AS i ON i.reading_id = r.reading_id
WHERE r.target_id = %(target_id)s
  AND NOT r.is_first
  AND CASE WHEN %(start)s::timestamptz IS NULL
    THEN r.reading_id = (SELECT max(l.reading_id) FROM honed.reading AS l
                         WHERE l.target_id = %(target_id)s AND NOT l.is_first)
    ELSE r.started_at >= %(start)s::timestamptz AND r.ended_at <= %(end)s::timestamptz END
GROUP BY i.statement_id
HAVING sum(i.calls) > 0;

-- list_usage --
-- What one call of each statement took within a stretch of time; without bounds, in the latest one.
-- The write-ahead log counts in pages, too.
SELECT i.statement_id
     , sum(i.calls)::double precision AS calls
     , sum(i.exec_ms) / sum(i.calls)::double precision AS cost
     , sum(i.row_count)::double precision / sum(i.calls)::double precision AS rows
     , (sum(i.shared_blocks) + sum(i.temp_blocks) + sum(i.wal_bytes) / 8192)::double precision
       / sum(i.calls)::double precision AS pages
FROM honed.reading AS r
JOIN honed.statement_interval AS i ON i.reading_id = r.reading_id
WHERE r.target_id = %(target_id)s
  AND NOT r.is_first
  AND CASE WHEN %(start)s::timestamptz IS NULL
    THEN r.reading_id = (SELECT max(l.reading_id) FROM honed.reading AS l
                         WHERE l.target_id = %(target_id)s AND NOT l.is_first)
    ELSE r.started_at >= %(start)s::timestamptz AND r.ended_at <= %(end)s::timestamptz END
GROUP BY i.statement_id
HAVING sum(i.calls) > 0;

-- list_workload --
-- What production asked since a moment, most expensive first; what ran on without end counts too.
SELECT i.statement_id, s.text, s.sort
     , sum(i.calls)::double precision AS calls
     , sum(i.exec_ms) AS exec_ms
     , sum(i.row_count)::double precision AS row_count
     , sum(i.shared_blocks)::double precision AS shared_blocks
     , sum(i.seen_calls)::double precision AS seen_calls
     , sum(i.seen_ms) AS seen_ms
FROM honed.reading AS r
JOIN honed.statement_interval AS i ON i.reading_id = r.reading_id
JOIN honed.statement AS s ON s.target_id = r.target_id AND s.statement_id = i.statement_id
WHERE r.target_id = %(target_id)s
  AND r.ended_at >= honed.now() - %(lookback)s::interval
  AND s.sort NOT IN ('utility', 'own')
GROUP BY i.statement_id, s.text, s.sort
ORDER BY greatest(sum(i.exec_ms), sum(i.seen_ms)) DESC, i.statement_id;

-- list_writes --
-- Rows written by table since a moment.
SELECT i.table_name
     , sum(i.inserted)::double precision AS inserted
     , sum(i.updated)::double precision AS updated
     , sum(i.hot_updated)::double precision AS hot_updated
     , sum(i.deleted)::double precision AS deleted
FROM honed.reading AS r
JOIN honed.table_interval AS i ON i.reading_id = r.reading_id
WHERE r.target_id = %(target_id)s
  AND r.ended_at >= honed.now() - %(lookback)s::interval
GROUP BY i.table_name
ORDER BY i.table_name;

-- get_span --
-- From when to when production was read since a moment, and when its latest stretch began.
SELECT min(r.started_at) AS started_at
     , max(r.ended_at) AS ended_at
     , max(r.started_at) AS last_started_at
FROM honed.reading AS r
WHERE r.target_id = %(target_id)s
  AND r.ended_at >= honed.now() - %(lookback)s::interval;

-- list_before_and_after --
-- Sums of each statement before and after a moment, from which means and variances follow.
SELECT i.statement_id
     , coalesce(sum(i.calls) FILTER (WHERE NOT w.is_after), 0)::double precision AS calls_before
     , coalesce(sum(i.exec_ms) FILTER (WHERE NOT w.is_after), 0) AS ms_before
     , coalesce(sum(i.exec_ms_squares) FILTER (WHERE NOT w.is_after), 0) AS squares_before
     , coalesce(sum(i.shared_blocks) FILTER (WHERE NOT w.is_after), 0)::double precision
       AS blocks_before
     , coalesce(sum(i.calls) FILTER (WHERE w.is_after), 0)::double precision AS calls_after
     , coalesce(sum(i.exec_ms) FILTER (WHERE w.is_after), 0) AS ms_after
     , coalesce(sum(i.exec_ms_squares) FILTER (WHERE w.is_after), 0) AS squares_after
     , coalesce(sum(i.shared_blocks) FILTER (WHERE w.is_after), 0)::double precision
       AS blocks_after
FROM honed.reading AS r
JOIN honed.statement_interval AS i ON i.reading_id = r.reading_id
CROSS JOIN LATERAL (SELECT r.started_at >= %(split)s::timestamptz AS is_after) AS w
WHERE r.target_id = %(target_id)s
  AND r.ended_at >= honed.now() - %(lookback)s::interval
GROUP BY i.statement_id;

-- list_series --
-- Cost per call of some statements over all that is kept. Where that is more than what is kept in
-- full, a quarter of an hour is one value everywhere: values of a series stand for equal times.
WITH span AS (
  SELECT CASE WHEN min(r.ended_at) < honed.now() - make_interval(days => %(full_days)s)
              THEN interval '15 minutes' ELSE interval '1 microsecond' END AS step
  FROM honed.reading AS r
  WHERE r.target_id = %(target_id)s AND NOT r.is_first
), stretch AS (
  SELECT i.statement_id
       , max(r.ended_at) AS ended_at
       , sum(i.exec_ms) / sum(i.calls) AS exec_ms_per_call
       , sum(i.shared_blocks)::double precision / sum(i.calls)::double precision
         AS blocks_per_call
  FROM span
  CROSS JOIN honed.reading AS r
  JOIN honed.statement_interval AS i ON i.reading_id = r.reading_id
  WHERE r.target_id = %(target_id)s
    AND NOT r.is_first
    AND i.calls > 0
    AND i.statement_id = ANY (%(statement_ids)s::text[])
  GROUP BY i.statement_id, date_bin(span.step, r.ended_at, timestamptz '2000-01-01')
)
SELECT statement_id
     , array_agg(ended_at ORDER BY ended_at) AS times
     , array_agg(exec_ms_per_call ORDER BY ended_at) AS exec_ms_per_call
     , array_agg(blocks_per_call ORDER BY ended_at) AS blocks_per_call
FROM stretch
GROUP BY statement_id
ORDER BY statement_id;

-- save_plan --
-- Remember that a statement has this plan now.
INSERT INTO honed.statement_plan (target_id, statement_id, plan_hash, plan)
VALUES (%(target_id)s, %(statement_id)s, %(plan_hash)s, %(plan)s::jsonb)
ON CONFLICT (target_id, statement_id, plan_hash) DO UPDATE SET
  plan = excluded.plan,
  last_seen_at = honed.now();

-- list_plans --
-- The plans that a target's statements had, the latest first.
SELECT statement_id, plan_hash, plan, first_seen_at, last_seen_at
FROM honed.statement_plan
WHERE target_id = %(target_id)s AND statement_id = ANY (%(statement_ids)s::text[])
ORDER BY statement_id, last_seen_at DESC, first_seen_at DESC, plan_hash;

-- read_clock --
-- The time by honed's clock.
SELECT honed.now() AS now;
