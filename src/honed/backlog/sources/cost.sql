-- list_models --
-- What each model cost in the last week, and in the week before.
SELECT project.name AS project, NULL::bigint AS target_id, '' AS target, week.model AS name,
       week.model AS label, week.cost, week.before, week.first_at, week.last_at,
       sum(week.cost) OVER (PARTITION BY week.project) AS total,
       min(week.known_at) OVER (PARTITION BY week.project) < honed.now() - interval '13 days'
         AS is_before_known,
       jsonb_build_object(
         'requests', week.requests, 'input_tokens', week.input_tokens,
         'output_tokens', week.output_tokens, 'cached_tokens', week.cached_tokens,
         'services', week.services
       ) AS detail,
       honed.now() AS now
  FROM (
         SELECT asked.project, asked.model,
                sum(asked.cost_usd) FILTER (WHERE asked.is_now) AS cost,
                coalesce(sum(asked.cost_usd) FILTER (WHERE NOT asked.is_now), 0) AS before,
                count(*) FILTER (WHERE asked.is_now) AS requests,
                sum(asked.input_tokens) FILTER (WHERE asked.is_now) AS input_tokens,
                sum(asked.output_tokens) FILTER (WHERE asked.is_now) AS output_tokens,
                sum(asked.cached_tokens) FILTER (WHERE asked.is_now) AS cached_tokens,
                array_agg(DISTINCT asked.service) FILTER (WHERE asked.service <> '') AS services,
                min(asked.at) FILTER (WHERE asked.is_now) AS first_at,
                max(asked.at) AS last_at, min(asked.at) AS known_at
           FROM (
                  SELECT p.name AS project, s.subject AS model, s.service, s.at,
                         s.at > honed.now() - interval '7 days' AS is_now,
                         honed.number_in(s.body, 'cost_usd') AS cost_usd,
                         honed.number_in(s.body, 'input_tokens') AS input_tokens,
                         honed.number_in(s.body, 'output_tokens') AS output_tokens,
                         honed.number_in(s.body, 'cached_tokens') AS cached_tokens
                    FROM honed.signal AS s
                    JOIN honed.project AS p ON p.project_id = s.project_id
                   WHERE s.type = 'inference' AND s.at > honed.now() - interval '14 days'
                ) AS asked
          GROUP BY asked.project, asked.model
       ) AS week
  JOIN honed.project ON project.name = week.project
 WHERE week.cost > 0
 ORDER BY project, name;

-- list_statements --
-- How many seconds each statement of a target ran in the last week, and in the week before.
SELECT '' AS project, target.target_id, target.name AS target, statement.statement_id AS name,
       left(statement.text, 300) AS label, week.cost, week.before, week.first_at, week.last_at,
       sum(week.cost) OVER (PARTITION BY target.target_id) AS total,
       min(week.known_at) OVER (PARTITION BY target.target_id)
         < honed.now() - interval '13 days' AS is_before_known,
       jsonb_build_object('calls', week.calls, 'rows', week.rows, 'blocks', week.blocks) AS detail,
       honed.now() AS now
  FROM (
         SELECT reading.target_id, ran.statement_id,
                sum(ran.exec_ms) FILTER (WHERE past.is_now) / 1000 AS cost,
                coalesce(sum(ran.exec_ms) FILTER (WHERE NOT past.is_now), 0) / 1000 AS before,
                sum(ran.calls) FILTER (WHERE past.is_now)::bigint AS calls,
                sum(ran.row_count) FILTER (WHERE past.is_now)::bigint AS rows,
                sum(ran.shared_blocks) FILTER (WHERE past.is_now)::bigint AS blocks,
                min(reading.ended_at) FILTER (WHERE past.is_now) AS first_at,
                max(reading.ended_at) AS last_at, min(reading.ended_at) AS known_at
           FROM honed.reading
           JOIN honed.statement_interval AS ran USING (reading_id)
          CROSS JOIN LATERAL (
                  SELECT reading.ended_at > honed.now() - interval '7 days' AS is_now
                ) AS past
          WHERE NOT reading.is_first AND reading.ended_at > honed.now() - interval '14 days'
          GROUP BY reading.target_id, ran.statement_id
       ) AS week
  JOIN honed.statement USING (target_id, statement_id)
  JOIN honed.target USING (target_id)
 WHERE week.cost > 0 AND target.removed_at IS NULL AND statement.sort NOT IN ('own', 'utility')
 ORDER BY target, name;

-- list_test_files --
-- How many minutes the tests of each file took in the last week, and in the week before.
SELECT week.project, NULL::bigint AS target_id, '' AS target, week.name, week.name AS label,
       week.cost, week.before, week.first_at, week.last_at,
       sum(week.cost) OVER (PARTITION BY week.project) AS total,
       min(week.known_at) OVER (PARTITION BY week.project) < honed.now() - interval '13 days'
         AS is_before_known,
       jsonb_build_object('results', week.results, 'runs', week.runs, 'tests', week.tests)
         AS detail,
       honed.now() AS now
  FROM (
         SELECT ran.project, ran.name,
                sum(ran.duration_ms) FILTER (WHERE ran.is_now) / 60000 AS cost,
                coalesce(sum(ran.duration_ms) FILTER (WHERE NOT ran.is_now), 0) / 60000 AS before,
                count(*) FILTER (WHERE ran.is_now) AS results,
                count(DISTINCT ran.run) FILTER (WHERE ran.is_now) AS runs,
                count(DISTINCT ran.test) FILTER (WHERE ran.is_now) AS tests,
                min(ran.at) FILTER (WHERE ran.is_now) AS first_at,
                max(ran.at) AS last_at, min(ran.at) AS known_at
           FROM (
                  SELECT p.name AS project, s.subject AS test, s.value AS duration_ms, s.at,
                         coalesce(
                           nullif(s.body ->> 'file', ''), split_part(s.subject, ' > ', 1)
                         ) AS name,
                         s.body ->> 'run' AS run,
                         s.at > honed.now() - interval '7 days' AS is_now
                    FROM honed.signal AS s
                    JOIN honed.project AS p ON p.project_id = s.project_id
                   WHERE s.type = 'test_result' AND s.value > 0
                     AND s.at > honed.now() - interval '14 days'
                ) AS ran
          GROUP BY ran.project, ran.name
       ) AS week
 WHERE week.cost > 0
 ORDER BY week.project, week.name;
