-- list_patterns --
-- Patterns that enough changes are cases of, the best known first, the more special before others.
SELECT pattern
FROM honed.mined_template_support
WHERE is_supported
ORDER BY commits + 2 * improvements DESC, length(pattern) DESC, pattern
LIMIT %(most)s::integer;

-- find_history --
-- How far the history of a repository has been read.
SELECT commit
FROM honed.mined_history
WHERE target_id = %(target_id)s::bigint
  AND engine = %(engine)s::text;

-- keep_history --
-- Remembers how far the history of a repository has been read.
INSERT INTO honed.mined_history (target_id, commit, engine)
VALUES (%(target_id)s::bigint, %(commit)s::text, %(engine)s::text)
ON CONFLICT (target_id) DO UPDATE
SET commit = excluded.commit, engine = excluded.engine, mined_at = honed.now();

-- list_kept --
-- Repairs that were let in and kept, and that were not read yet.
SELECT i.improvement_id, c.merge_commit
     , ARRAY(SELECT each.file ->> 'path'
             FROM jsonb_array_elements(i.hypothesis #> '{parameters,change,files}') AS each (file)
       ) AS paths
FROM honed.improvement AS i
JOIN honed.change_request AS c USING (improvement_id)
WHERE i.target_id = %(target_id)s::bigint
  AND i.state = 'kept'
  AND c.state = 'merged'
  AND c.root_cause NOT LIKE 'take back %%'
  AND coalesce(i.hypothesis #>> '{parameters,change,purpose}', 'repair') = 'repair'
  AND jsonb_typeof(i.hypothesis #> '{parameters,change,files}') = 'array'
  AND NOT EXISTS (
        SELECT FROM honed.mined_source AS s WHERE s.improvement_id = i.improvement_id
      )
ORDER BY i.improvement_id
LIMIT 100;

-- list_own --
-- Commits of honed's own changes: they count once they are kept, and as improvements.
SELECT c.head_commit, c.merge_commit
FROM honed.change_request AS c
WHERE c.target_id = %(target_id)s::bigint;

-- keep_source --
-- Keeps a change that was read; returns nothing where it was read before.
INSERT INTO honed.mined_source (target_id, commit, improvement_id, patch_digest)
VALUES (%(target_id)s::bigint, %(commit)s::text, %(improvement_id)s::bigint
      , %(patch_digest)s::text)
ON CONFLICT DO NOTHING;

-- find_source --
-- The row of a change that was read.
SELECT source_id
FROM honed.mined_source
WHERE target_id = %(target_id)s::bigint
  AND commit = %(commit)s::text
  AND improvement_id IS NOT DISTINCT FROM %(improvement_id)s::bigint;

-- keep_pattern --
-- Keeps a pattern.
INSERT INTO honed.mined_template (pattern, digest)
VALUES (%(pattern)s::text, %(digest)s::text)
ON CONFLICT DO NOTHING;

-- keep_case --
-- Keeps that a change is a case of a pattern.
INSERT INTO honed.mined_template_source (template_id, source_id, is_common)
SELECT t.template_id, %(source_id)s::bigint, %(is_common)s::boolean
FROM honed.mined_template AS t
WHERE t.pattern = %(pattern)s::text
ON CONFLICT DO NOTHING;

-- list_cases --
-- What changes say themselves, the newest pattern first, with the changes.
SELECT t.pattern, array_agg(c.source_id) AS sources
FROM honed.mined_template AS t
JOIN honed.mined_template_source AS c USING (template_id)
WHERE NOT c.is_common
GROUP BY t.template_id
ORDER BY t.template_id DESC
LIMIT 5000;
