-- find --
-- What was said last of a change that waits for people.
SELECT standing, reason, score, facts
  FROM honed.aftermath
 WHERE improvement_id = %(improvement_id)s::bigint;

-- store --
-- Keep what is said of a change now.
INSERT INTO honed.aftermath (improvement_id, standing, reason, score, facts)
VALUES (%(improvement_id)s::bigint, %(standing)s::text, %(reason)s::text,
        %(score)s::double precision, %(facts)s::jsonb)
ON CONFLICT (improvement_id) DO UPDATE
   SET standing = excluded.standing,
       reason = excluded.reason,
       score = excluded.score,
       facts = excluded.facts,
       looked_at = honed.now();

-- now --
-- The time by honed's clock.
SELECT honed.now() AS now;
