-- list_exceptions --
-- Groups of exceptions of a repository's projects that came lately and that nobody has settled, with the ticket of each, most events first.
SELECT project.name AS project, grouped.fingerprint, grouped.title, grouped.culprit, grouped.files,
       grouped.event_count, grouped.first_seen_at, grouped.last_seen_at, grouped.releases,
       ticket.ticket_id
  FROM honed.signal_group AS grouped
  JOIN honed.project USING (project_id)
  LEFT JOIN honed.ticket
    ON ticket.source = 'exception' AND ticket.project = project.name
   AND ticket.subject = grouped.fingerprint
 WHERE (project.target_id = %(target_id)s::bigint OR project.name = %(project)s::text)
   AND grouped.type = 'exception'
   -- Messages that are no errors are grouped, too.
   AND coalesce(grouped.latest ->> 'level', 'error') IN ('error', 'fatal', 'critical')
   AND grouped.fingerprint <> 'overflow'
   AND grouped.resolved_at IS NULL
   AND ticket.state IS DISTINCT FROM 'rejected'
   AND grouped.counted_at >= honed.now() - %(lookback)s::interval
 ORDER BY grouped.event_count DESC, grouped.fingerprint
 LIMIT %(most)s::integer;

-- list_samples --
-- What came of one group of exceptions: its newest event, its first one, and others of late.
SELECT sample.body
  FROM honed.signal_group AS grouped
  JOIN honed.project USING (project_id)
 CROSS JOIN LATERAL (
         SELECT grouped.latest AS body, 0 AS place
         UNION ALL
         SELECT grouped.sample, 1
         UNION ALL
         (SELECT signal.body, 2
            FROM honed.signal
           WHERE signal.project_id = grouped.project_id
             AND signal.fingerprint = grouped.fingerprint
             AND signal.fingerprint <> ''
             AND signal.type = 'exception'
           ORDER BY signal.at DESC
           LIMIT %(most)s::integer)
       ) AS sample
 WHERE project.name = %(project)s::text
   AND grouped.fingerprint = %(fingerprint)s::text
 ORDER BY sample.place;

-- list_projects --
-- Every project, the target that it is linked to, and whether it has sent an exception yet.
SELECT project.name, project.target_id,
       EXISTS (
         SELECT FROM honed.signal_group AS grouped
          WHERE grouped.project_id = project.project_id AND grouped.type = 'exception'
       ) AS has_sent
  FROM honed.project
 ORDER BY project.name;

-- list_repositories --
-- The repositories whose services report to a project, by name.
SELECT target.name
  FROM honed.target
  LEFT JOIN honed.project
    ON project.target_id = target.target_id AND project.name = %(project)s::text
 WHERE target.sort = 'repository'
   AND target.removed_at IS NULL
   AND (project.project_id IS NOT NULL
        OR target.options ->> 'project' = %(project)s::text
        -- What a repository's own scan tells is called by its name.
        OR target.name = %(project)s::text)
 ORDER BY target.name;
