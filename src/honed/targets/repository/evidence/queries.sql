-- list_repeated --
-- Queries that the services of a repository's projects ask many times within one operation, those that take most time first.
WITH span AS MATERIALIZED (
       SELECT signal.project_id, signal.service, signal.subject, signal.value,
              coalesce(signal.body ->> 'query', '') AS query,
              signal.body ->> 'trace_id' AS trace_id, signal.body ->> 'span_id' AS span_id,
              coalesce(signal.body ->> 'parent_span_id', '') AS parent_span_id
         FROM honed.signal
         JOIN honed.project USING (project_id)
        WHERE (project.target_id = %(target_id)s::bigint OR project.name = %(project)s::text)
          AND signal.type = 'span'
          AND signal.received_at > honed.now() - %(lookback)s::interval
          AND signal.body ->> 'trace_id' <> ''
     ), whole AS (
       SELECT sum(span.value) AS all_ms
         FROM span
        WHERE span.parent_span_id = ''
     ), repeated AS (
       SELECT span.project_id, span.service, span.query, span.trace_id, span.parent_span_id,
              count(*) AS times, sum(span.value) AS total_ms
         FROM span
        WHERE span.query <> ''
        GROUP BY span.project_id, span.service, span.query, span.trace_id, span.parent_span_id
       HAVING count(*) >= %(least)s::integer
     )
SELECT project.name AS project, repeated.service, repeated.query,
       count(DISTINCT repeated.trace_id) AS traces,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY repeated.times)::integer AS median_times,
       max(repeated.times)::integer AS most_times,
       coalesce(sum(repeated.total_ms), 0.0)::double precision AS total_ms,
       coalesce(max(whole.all_ms), 0.0)::double precision AS all_ms,
       coalesce(min(parent.subject), '') AS within, min(repeated.trace_id) AS trace_id
  FROM repeated
  JOIN honed.project USING (project_id)
 CROSS JOIN whole
  LEFT JOIN span AS parent
    ON parent.trace_id = repeated.trace_id AND parent.span_id = repeated.parent_span_id
 GROUP BY project.name, repeated.service, repeated.query
 ORDER BY sum(repeated.total_ms) DESC NULLS LAST, repeated.query
 LIMIT %(most)s::integer;
