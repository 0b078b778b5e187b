-- find_search --
-- Why a search for a change of one cause found nothing on a commit, if it was made by this engine, and was so for now, today.
SELECT reason
  FROM honed.code_search
 WHERE target_id = %(target_id)s::bigint
   AND kind = %(kind)s::text
   AND cause = %(cause)s::text
   AND commit = %(commit)s::text
   AND engine IN (
         %(engine)s::text
       , %(engine)s::text || ' on ' || to_char(honed.now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')
       );

-- keep_search --
-- Remembers that a search found nothing; the last word counts.
INSERT INTO honed.code_search (target_id, kind, cause, commit, engine, reason)
VALUES (%(target_id)s::bigint, %(kind)s::text, %(cause)s::text, %(commit)s::text,
        %(engine)s::text || CASE WHEN %(is_for_now)s::boolean
          THEN ' on ' || to_char(honed.now() AT TIME ZONE 'UTC', 'YYYY-MM-DD') ELSE '' END,
        %(reason)s::text)
ON CONFLICT (target_id, kind, commit, md5(cause), md5(engine))
DO UPDATE SET reason = excluded.reason, searched_at = honed.now();

-- list_searches --
-- Searches in vain on a commit, the newest first.
SELECT kind, cause, reason, searched_at
  FROM honed.code_search
 WHERE target_id = %(target_id)s::bigint
   AND commit = %(commit)s::text
 ORDER BY searched_at DESC, search_id DESC;

-- forget_searches --
-- Lets causes of a repository be searched again that have these words in them.
DELETE FROM honed.code_search
 WHERE target_id = %(target_id)s::bigint
   AND strpos(cause, %(named)s::text) > 0;

-- drop_searches --
-- Forgets searches on commits that are long gone.
DELETE FROM honed.code_search
 WHERE target_id = %(target_id)s::bigint
   AND searched_at < honed.now() - interval '90 days';
