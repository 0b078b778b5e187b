-- What the store says of archives.

-- list_recorded_archives --
-- The digests of archives that steps have made, as they are in the ledger, too.
SELECT DISTINCT e.detail ->> 'archive_sha256' AS sha256
FROM honed.effect AS e
WHERE e.detail ? 'archive_sha256';

-- list_kept_archives --
-- The folder and the digest of each archive that steps have made and that no undo has removed.
SELECT DISTINCT e.detail ->> 'archive' AS folder
     , e.detail ->> 'archive_sha256' AS sha256
FROM honed.effect AS e
WHERE e.direction = 'do'
  AND e.detail ? 'archive_sha256'
  AND NOT EXISTS (SELECT FROM honed.effect AS u
                  WHERE u.improvement_id = e.improvement_id
                    AND u.direction = 'undo'
                    AND u.outcome IN ('done', 'found_done', 'not_needed')
                    AND u.step -> 'do' = e.step -> 'undo')
ORDER BY folder, sha256;
