-- read --
-- What gates said of an improvement, and who approved it.
SELECT i.improvement_id
     , i.evidence
     , coalesce((
         SELECT a.authority
         FROM honed.approval AS a
         WHERE a.improvement_id = i.improvement_id AND a.decision = 'approved'
         ORDER BY a.approval_id DESC
         LIMIT 1
       ), '') AS approved_by
FROM honed.improvement AS i
WHERE i.improvement_id = %(improvement_id)s::bigint;

-- list_entries --
-- The entries of the ledger about an improvement, oldest first.
SELECT e.to_state AS event
     , e.ledger_index AS index
     , e.leaf_hash
FROM honed.improvement_event AS e
WHERE e.improvement_id = %(improvement_id)s::bigint
  AND e.ledger_index IS NOT NULL
ORDER BY e.event_id;
