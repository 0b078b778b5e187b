-- What plan pins ask the store.

-- list_pinned_statements --
-- Statements that a mechanism holds a pin of ours for.
SELECT p.statement_id
FROM honed.plan_pins AS p
JOIN honed.improvement AS i ON i.improvement_id = p.improvement_id
WHERE i.target_id = %(target_id)s
  AND p.mechanism = %(mechanism)s
  AND p.status NOT IN ('rolled back', 'taken back');
