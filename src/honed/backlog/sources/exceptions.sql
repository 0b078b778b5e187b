-- list_groups --
-- Exceptions and logged errors that were seen since a time and are not settled, each with its newest evidence and with how many came, and whom they met, on the last day.
SELECT signal_group.group_id, project.name AS project, signal_group.fingerprint,
       signal_group.type, signal_group.title, signal_group.culprit, signal_group.files,
       signal_group.first_seen_at, signal_group.last_seen_at, signal_group.event_count,
       signal_group.releases, signal_group.environments, signal_group.regressed_at,
       signal_group.regressed_count, honed.now() AS now,
       left(coalesce(raised.said ->> 'type', ''), 200) AS error_type,
       left(coalesce(raised.said ->> 'message', signal_group.latest ->> 'message', ''), 2000)
         AS message,
       coalesce(raised.said -> 'handled' = 'false', false) AS is_unhandled,
       coalesce(calls.frames, '[]') AS frames,
       recent.events, recent.users
  FROM honed.signal_group
  JOIN honed.project USING (project_id)
 -- The last exception of a chain is the one that was raised last.
 CROSS JOIN LATERAL (SELECT signal_group.latest -> 'exceptions' -> -1 AS said) AS raised
  LEFT JOIN LATERAL (
         SELECT jsonb_agg(jsonb_build_object(
                  'file', frame.said ->> 'file', 'function', frame.said ->> 'function',
                  'line', frame.said -> 'line', 'code', left(frame.said ->> 'code', 200)
                ) ORDER BY frame.place) AS frames
           FROM (
                  SELECT each.said, each.place
                    FROM jsonb_array_elements(
                           CASE WHEN jsonb_typeof(raised.said -> 'frames') = 'array'
                                THEN raised.said -> 'frames' ELSE '[]' END
                         ) WITH ORDINALITY AS each (said, place)
                   WHERE each.said -> 'in_app' = 'true'
                   ORDER BY each.place DESC
                   LIMIT 8
                ) AS frame
       ) AS calls ON true
 -- No more than there are in a busy hour are counted: beyond that it makes no difference.
 CROSS JOIN LATERAL (
         SELECT count(*) AS events, count(DISTINCT last_day.who) AS users
           FROM (
                  SELECT signal.body -> 'user' AS who
                    FROM honed.signal
                   WHERE signal.fingerprint = signal_group.fingerprint
                     AND signal.fingerprint <> ''
                     AND signal.project_id = signal_group.project_id
                     AND signal.at > honed.now() - interval '1 day'
                   LIMIT 10000
                ) AS last_day
       ) AS recent
 WHERE signal_group.type IN ('exception', 'log')
   -- Messages that are no errors are grouped, too.
   AND coalesce(signal_group.latest ->> 'level', 'error') IN ('error', 'fatal', 'critical')
   AND signal_group.fingerprint <> 'overflow'
   AND signal_group.resolved_at IS NULL
   -- By the store's clock: a sender's may be behind.
   AND signal_group.counted_at >= %(since)s
 ORDER BY signal_group.group_id;
