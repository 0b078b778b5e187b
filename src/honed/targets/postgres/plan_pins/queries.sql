-- What plan pins ask the store.

-- list_hint_pins --
-- Statements whose hints in a target are a pin of ours.
SELECT p.statement_id
FROM honed.plan_pins AS p
JOIN honed.improvement AS i ON i.improvement_id = p.improvement_id
WHERE i.target_id = %(target_id)s
  AND p.mechanism = 'hint_table'
  AND p.status NOT IN ('rolled back', 'taken back');
