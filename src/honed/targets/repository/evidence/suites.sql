-- find_run --
-- How the tests of a commit ended, if they were run.
SELECT failing, flaky, passed, cpu_s
FROM honed.suite_run
WHERE target_id = %(target_id)s::bigint
  AND commit = %(commit)s::text
  AND command = %(command)s::text;

-- find_green --
-- Commits, of those that are named, on which none of these tests failed when they were run.
SELECT DISTINCT commit
FROM honed.suite_run
WHERE commit = ANY(%(commits)s::text[])
  AND passed > 0
  AND NOT failing ?| %(tests)s::text[]
  AND NOT flaky ?| %(tests)s::text[];

-- keep_run --
-- Remembers how the tests of a commit ended; who was faster is right.
INSERT INTO honed.suite_run (target_id, commit, command, failing, flaky, passed, cpu_s)
VALUES (
         %(target_id)s::bigint, %(commit)s::text, %(command)s::text, %(failing)s::jsonb
       , %(flaky)s::jsonb, %(passed)s::integer, %(cpu_s)s::double precision
       )
ON CONFLICT DO NOTHING;

-- add_reading --
-- Ends a stretch of a repository's time, and begins the next.
INSERT INTO honed.reading (target_id, started_at, ended_at, is_first)
SELECT %(target_id)s::bigint, coalesce(max(r.ended_at), honed.now()), honed.now()
     , max(r.ended_at) IS NULL
FROM honed.reading AS r
WHERE r.target_id = %(target_id)s::bigint;

-- list_intervals --
-- The stretches of a repository's time within bounds, oldest first.
SELECT r.started_at, r.ended_at
FROM honed.reading AS r
WHERE r.target_id = %(target_id)s::bigint
  AND NOT r.is_first
  AND (%(since)s::timestamptz IS NULL OR r.started_at >= %(since)s::timestamptz)
  AND (%(until)s::timestamptz IS NULL OR r.ended_at <= %(until)s::timestamptz)
ORDER BY r.ended_at, r.reading_id;

-- drop_readings --
-- Forgets stretches that nothing is compared with any more.
DELETE FROM honed.reading
WHERE target_id = %(target_id)s::bigint
  AND ended_at < honed.now() - interval '35 days';
