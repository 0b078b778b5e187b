-- find_change --
-- The newest change that was proposed for a claim; what takes one back is none.
SELECT c.change_id, c.state, c.closed_by_person, c.end_reason, c.merge_commit, c.base_commit
     , c.number, c.ended_at
FROM honed.change_request AS c
WHERE c.target_id = %(target_id)s::bigint
  AND c.root_cause NOT LIKE 'take back %%'
  AND (c.patch_digest = %(patch_digest)s::text
       OR c.improvement_id IN (
            SELECT i.improvement_id
            FROM honed.improvement AS i
            WHERE i.target_id = %(target_id)s::bigint
              AND i.kind = %(kind)s::text
              AND md5(i.subject) = md5(%(subject)s::text)
          ))
ORDER BY c.change_id DESC
LIMIT 1;

-- find_facts --
-- What was written down of a merge when it was looked at before.
SELECT a.facts, a.looked_at
FROM honed.aftermath AS a
JOIN honed.improvement AS i USING (improvement_id)
WHERE i.target_id = %(target_id)s::bigint
  AND i.kind = %(kind)s::text
  AND md5(i.subject) = md5(%(subject)s::text)
  AND i.state = 'watching'
  AND a.facts ->> 'merge_commit' = %(merge_commit)s::text;
