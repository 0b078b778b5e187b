-- list_unanswered --
-- Open findings whose cycle is over and of which every claim, if there was any, came to nothing.
SELECT finding.finding_id, finding.target_id, target.name AS target, finding.type, finding.subject,
       finding.title, finding.evidence, finding.weight, finding.times_seen, finding.first_seen_at,
       finding.last_seen_at, answers.tried
  FROM honed.finding
  JOIN honed.target USING (target_id)
  LEFT JOIN honed.analysis USING (analysis_id)
  LEFT JOIN honed.cycle ON cycle.cycle_id = analysis.cycle_id
 CROSS JOIN LATERAL (
         SELECT coalesce(bool_and(improvement.state IN (
                  'refuted', 'inconclusive', 'failed', 'rolled_back'
                )), true) AS are_in_vain,
                coalesce(jsonb_agg(jsonb_build_object(
                  'improvement_id', improvement.improvement_id,
                  'kind', improvement.kind,
                  'claim', improvement.hypothesis ->> 'claim',
                  'state', improvement.state
                ) ORDER BY improvement.improvement_id)
                  FILTER (WHERE improvement.improvement_id IS NOT NULL), '[]') AS tried
           FROM honed.improvement_finding AS link
           JOIN honed.improvement USING (improvement_id)
          WHERE link.finding_id = finding.finding_id
       ) AS answers
 WHERE finding.closed_at IS NULL
   AND target.removed_at IS NULL
   -- Exceptions have a source of their own, and so has what is untidy.
   AND finding.type NOT IN ('exception', 'code_smell')
   -- Its kinds have been asked: until then nobody knows whether one answers.
   AND coalesce(cycle.phase, 'finished') IN ('finished', 'failed', 'superseded')
   AND answers.are_in_vain
 ORDER BY finding.finding_id;
