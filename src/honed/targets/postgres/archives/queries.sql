-- What the store says of archives.

-- list_recorded_archives --
-- The digests of archives that steps have made, as they are in the ledger, too.
SELECT DISTINCT e.detail ->> 'archive_sha256' AS sha256
FROM honed.effect AS e
WHERE e.detail ? 'archive_sha256';
