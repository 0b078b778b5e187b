-- list_needed --
-- Digests of the wheels that claims ask for which are not settled yet.
SELECT DISTINCT i.hypothesis #>> '{parameters,wheel,sha256}' AS sha256
FROM honed.improvement AS i
WHERE i.state IN ('proposed', 'on_trial', 'proven', 'awaiting_approval', 'approved')
  AND i.hypothesis #> '{parameters,wheel,sha256}' IS NOT NULL;
