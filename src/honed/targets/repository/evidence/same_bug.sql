-- find_bug --
-- Whether what a change changed is kept.
SELECT true AS is_known
FROM honed.known_bug
WHERE change_id = %(change_id)s::bigint
LIMIT 1;

-- keep_bug --
-- Keeps what a function was like before a change of it.
INSERT INTO honed.known_bug (change_id, path, name, kind, form, digest)
VALUES (%(change_id)s::bigint, %(path)s::text, %(name)s::text, %(kind)s::text, %(form)s::text
      , %(digest)s::text)
ON CONFLICT DO NOTHING;

-- list_bugs --
-- What functions of any repository were like before a change of them that was let in and stays.
SELECT b.path, b.name, b.form, b.digest, b.change_id, t.name AS target, c.title, c.url
     , c.merge_commit
FROM honed.known_bug AS b
JOIN honed.change_request AS c USING (change_id)
JOIN honed.target AS t USING (target_id)
LEFT JOIN honed.improvement AS i USING (improvement_id)
WHERE i.state IS DISTINCT FROM 'rolled_back'
ORDER BY b.known_bug_id;
