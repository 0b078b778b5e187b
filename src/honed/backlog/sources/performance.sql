-- read_sample --
-- How much of the signals is read, in percent, if no more than so many bytes are; and the store's time.
SELECT least(100, 100.0 * %(most_bytes)s::bigint / greatest(1, sum(pg_relation_size(relid))))::real
         AS percent,
       honed.now() AS now
  FROM pg_partition_tree('honed.signal');

-- list_series --
-- How long the spans and requests to models took that most time goes into, by quarters of an hour: the median, and the 95th percentile where there were enough of them.
WITH span AS MATERIALIZED (
       SELECT signal.project_id, signal.type, signal.service, signal.subject, signal.value,
              date_bin('15 minutes', signal.at, '2000-01-01+00') AS quarter,
              coalesce(signal.body ->> 'parent_span_id', '') = ''
                OR signal.body -> 'is_segment' = 'true' AS is_root
         -- Whole pages by chance, always the same ones: that leaves medians as they are.
         FROM honed.signal TABLESAMPLE SYSTEM (%(percent)s) REPEATABLE (1)
        WHERE signal.type IN ('span', 'inference')
          AND signal.value > 0
          AND signal.at > honed.now() - interval '29 days'
     ),
     whole AS (
       -- What is within another is in its time, too.
       SELECT span.project_id, sum(span.value) AS all_ms,
              sum(span.value) FILTER (WHERE span.is_root) AS root_ms
         FROM span
        WHERE span.quarter > honed.now() - interval '7 days'
        GROUP BY span.project_id
     ),
     dear AS MATERIALIZED (
       SELECT span.project_id, span.type, span.service, span.subject, sum(span.value) AS total_ms
         FROM span
        WHERE span.quarter > honed.now() - interval '7 days'
        GROUP BY span.project_id, span.type, span.service, span.subject
        ORDER BY sum(span.value) DESC, span.project_id, span.subject, span.service, span.type
        LIMIT %(most_series)s
     ),
     quarter AS (
       SELECT span.project_id, span.type, span.service, span.subject, span.quarter,
              count(*) AS calls,
              percentile_cont(0.5) WITHIN GROUP (ORDER BY span.value) AS median,
              percentile_cont(0.95) WITHIN GROUP (ORDER BY span.value) AS p95
         FROM span
         JOIN dear USING (project_id, type, service, subject)
        GROUP BY span.project_id, span.type, span.service, span.subject, span.quarter
     )
SELECT project.name AS project, quarter.type, quarter.service, quarter.subject,
       least(1, dear.total_ms / coalesce(whole.root_ms, whole.all_ms)) AS share,
       sum(quarter.calls)::bigint AS calls,
       array_agg(quarter.quarter ORDER BY quarter.quarter) AS quarters,
       array_agg(quarter.median ORDER BY quarter.quarter) AS medians,
       coalesce(array_agg(quarter.quarter ORDER BY quarter.quarter)
         FILTER (WHERE quarter.calls >= %(least_calls)s), '{}') AS p95_quarters,
       coalesce(array_agg(quarter.p95 ORDER BY quarter.quarter)
         FILTER (WHERE quarter.calls >= %(least_calls)s), '{}') AS p95s
  FROM quarter
  JOIN dear USING (project_id, type, service, subject)
  JOIN whole USING (project_id)
  JOIN honed.project USING (project_id)
 GROUP BY project.name, quarter.type, quarter.service, quarter.subject, dear.total_ms,
          whole.root_ms, whole.all_ms
HAVING dear.total_ms >= %(least_share)s * coalesce(whole.root_ms, whole.all_ms)
 ORDER BY project.name, quarter.type, quarter.service, quarter.subject;
