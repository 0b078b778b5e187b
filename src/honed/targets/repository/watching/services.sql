-- list_projects --
-- The projects whose signals tell of a repository, and since when they can.
SELECT p.project_id, p.created_at
FROM honed.project AS p
WHERE p.target_id = %(target_id)s::bigint OR p.name = %(project)s::text;

-- list_releases --
-- Releases that told something since a time.
SELECT DISTINCT s.release
FROM honed.signal AS s
WHERE s.project_id = ANY (%(projects)s::bigint[])
  AND s.received_at >= %(since)s::timestamptz
  AND s.release <> ''
ORDER BY s.release;

-- find_first_signal --
-- Which of some releases told something first since a time, and when.
SELECT s.release, s.received_at AS at
FROM honed.signal AS s
WHERE s.project_id = ANY (%(projects)s::bigint[])
  AND s.received_at >= %(since)s::timestamptz
  AND s.release = ANY (%(releases)s::text[])
ORDER BY s.received_at, s.release
LIMIT 1;

-- count_errors --
-- Errors within some times; those of one fault in one minute are one: they come in bursts.
SELECT count(DISTINCT (s.project_id, s.fingerprint, date_trunc('minute', s.received_at))) AS errors
FROM unnest(%(begins)s::timestamptz[], %(ends)s::timestamptz[]) AS w (began_at, ended_at)
JOIN honed.signal AS s ON s.received_at >= w.began_at AND s.received_at < w.ended_at
WHERE s.type = 'exception'
  AND s.project_id = ANY (%(projects)s::bigint[]);

-- count_fault --
-- The same of one fault, by release.
SELECT s.release
     , count(DISTINCT (s.project_id, date_trunc('minute', s.received_at))) AS errors
FROM unnest(%(begins)s::timestamptz[], %(ends)s::timestamptz[]) AS w (began_at, ended_at)
JOIN honed.signal AS s ON s.received_at >= w.began_at AND s.received_at < w.ended_at
WHERE s.fingerprint = %(fingerprint)s::text
  AND s.fingerprint <> ''
  AND s.project_id = ANY (%(projects)s::bigint[])
GROUP BY s.release;

-- list_new_faults --
-- Groups of exceptions whose first came since a time, with the files of their frames.
SELECT g.title, g.files, g.releases
FROM honed.signal_group AS g
WHERE g.project_id = ANY (%(projects)s::bigint[])
  AND g.type = 'exception'
  AND g.fingerprint <> 'overflow'
  AND coalesce(g.latest ->> 'level', 'error') IN ('error', 'fatal', 'critical')
  AND g.created_at >= %(since)s::timestamptz
ORDER BY g.group_id;

-- list_durations --
-- How long the operations took that most time goes into: medians of hours within some times, from
-- a moment on and before it.
WITH span AS MATERIALIZED (
  SELECT s.subject, s.value, date_bin('1 hour', s.received_at, %(since)s::timestamptz) AS hour
  FROM unnest(%(begins)s::timestamptz[], %(ends)s::timestamptz[]) AS w (began_at, ended_at)
  JOIN honed.signal AS s ON s.received_at >= w.began_at AND s.received_at < w.ended_at
  WHERE s.type = 'span'
    AND s.value > 0
    AND s.project_id = ANY (%(projects)s::bigint[])
),
dear AS (
  SELECT span.subject
  FROM span
  WHERE span.hour >= %(since)s::timestamptz
  GROUP BY span.subject
  ORDER BY span.subject = %(operation)s::text DESC, sum(span.value) DESC
  LIMIT %(most)s::integer
),
hourly AS (
  SELECT span.subject, span.hour
       , ln(percentile_cont(0.5) WITHIN GROUP (ORDER BY span.value)) AS log_ms
  FROM span
  JOIN dear USING (subject)
  GROUP BY span.subject, span.hour
)
SELECT hourly.subject AS operation
     , coalesce(array_agg(hourly.log_ms) FILTER (WHERE hourly.hour < %(since)s::timestamptz), '{}')
         AS before
     , coalesce(array_agg(hourly.log_ms) FILTER (WHERE hourly.hour >= %(since)s::timestamptz), '{}')
         AS after
FROM hourly
GROUP BY hourly.subject
ORDER BY hourly.subject;

-- now --
-- The time by honed's clock.
SELECT honed.now() AS now;
