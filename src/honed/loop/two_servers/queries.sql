-- take_lease --
-- Take a role, or renew it; no row where another process holds it. The epoch grows with the holder.
INSERT INTO honed.lease AS lease (role, server, instance, epoch, expires_at)
VALUES (%(role)s, %(server)s, %(instance)s, 1,
        honed.now() + make_interval(secs => %(lease_s)s::double precision))
ON CONFLICT (role) DO UPDATE
   SET server = excluded.server,
       instance = excluded.instance,
       epoch = lease.epoch + (lease.instance <> excluded.instance)::integer,
       taken_at
         = CASE WHEN lease.instance = excluded.instance THEN lease.taken_at ELSE honed.now() END,
       renewed_at = honed.now(),
       expires_at = excluded.expires_at
 WHERE lease.instance = excluded.instance
    OR lease.expires_at <= honed.now()
RETURNING role, server, instance, epoch, taken_at, renewed_at, expires_at, true AS is_held;

-- leave_lease --
-- Give a role back, so that the next process need not wait for its end.
UPDATE honed.lease
   SET expires_at = honed.now()
 WHERE role = %(role)s
   AND instance = %(instance)s
   AND expires_at > honed.now();

-- list_leases --
-- Who holds, or held last, each role of this store.
SELECT role, server, instance, epoch, taken_at, renewed_at, expires_at,
       expires_at > honed.now() AS is_held
  FROM honed.lease
 ORDER BY role;

-- lock_lease --
-- A role, if this process holds it; locked, so that nobody takes it until the transaction ends.
SELECT role, server, instance, epoch, taken_at, renewed_at, expires_at, true AS is_held
  FROM honed.lease
 WHERE role = %(role)s
   AND instance = %(instance)s
   AND expires_at > honed.now()
   FOR UPDATE;

-- list_unsigned --
-- What the secondary has to say and has not signed under its present epoch, oldest first.
SELECT outbox.outbox_id, outbox.improvement_id, outbox.state, outbox.verdict, outbox.outcome,
       outbox.measured_log_ratio, outbox.production_log_ratio, event.leaf_hash, event.ledger_index,
       target.target_id, target.options ->> 'twin' AS twin
  FROM honed.outbox
  JOIN honed.improvement_event AS event USING (event_id)
  JOIN honed.improvement ON improvement.improvement_id = outbox.improvement_id
  JOIN honed.target ON target.target_id = improvement.target_id
 WHERE outbox.delivered_at IS NULL
   AND outbox.refused_at IS NULL
   AND outbox.epoch IS DISTINCT FROM %(epoch)s
 ORDER BY outbox.outbox_id
 LIMIT %(limit)s;

-- store_envelope --
-- Keep what was signed, unless it was delivered or signed by somebody else meanwhile.
UPDATE honed.outbox
   SET epoch = %(epoch)s, envelope = %(envelope)s, sha256 = %(sha256)s
 WHERE outbox_id = %(outbox_id)s
   AND delivered_at IS NULL
   AND epoch IS DISTINCT FROM %(epoch)s
RETURNING outbox_id;

-- next_undelivered --
-- The oldest that is signed under an epoch and not delivered, of targets that nothing holds up.
SELECT outbox.outbox_id, outbox.envelope, improvement.target_id
  FROM honed.outbox
  JOIN honed.improvement USING (improvement_id)
 WHERE outbox.delivered_at IS NULL
   AND outbox.refused_at IS NULL
   AND outbox.epoch = %(epoch)s
   AND improvement.target_id <> ALL(%(held_up)s::bigint[])
 ORDER BY outbox.outbox_id
 LIMIT 1;

-- mark_delivered --
-- The other server has it.
UPDATE honed.outbox
   SET delivered_at = honed.now(), attempts = attempts + 1, error = ''
 WHERE outbox_id = %(outbox_id)s;

-- mark_failed --
-- It could not be delivered, and why; for good, or until the next attempt.
UPDATE honed.outbox
   SET attempts = attempts + 1,
       error = %(error)s,
       refused_at = CASE WHEN %(for_good)s THEN honed.now() END
 WHERE outbox_id = %(outbox_id)s;

-- count_outbox --
-- How much of the outbox waits, was delivered and was refused, and what the last attempt said.
SELECT count(*) FILTER (WHERE delivered_at IS NULL AND refused_at IS NULL) AS waiting,
       count(*) FILTER (WHERE delivered_at IS NOT NULL) AS delivered,
       count(*) FILTER (WHERE refused_at IS NOT NULL) AS refused,
       coalesce((SELECT error FROM honed.outbox AS failed WHERE failed.error <> ''
                  ORDER BY failed.outbox_id DESC LIMIT 1), '') AS error
  FROM honed.outbox;

-- list_peers --
-- What was last heard of each other server.
SELECT role, server, epoch, sent_at, heard_at, expires_at, expires_at > honed.now() AS is_heard
  FROM honed.peer
 ORDER BY role;

-- read_epoch --
-- The newest epoch that was heard of a role, and the time by this server's clock.
SELECT coalesce(max(epoch), 0) AS epoch, honed.now() AS now
  FROM honed.peer
 WHERE role = %(role)s;

-- hear --
-- Note that the server of a role was heard of; what is older than the last changes nothing.
INSERT INTO honed.peer AS peer (role, server, epoch, sent_at, expires_at)
VALUES (%(role)s, %(server)s, %(epoch)s, %(sent_at)s,
        least(%(sent_at)s::timestamptz, honed.now())
          + make_interval(secs => %(lease_s)s::double precision))
ON CONFLICT (role) DO UPDATE
   SET server = excluded.server,
       epoch = excluded.epoch,
       sent_at = excluded.sent_at,
       heard_at = honed.now(),
       expires_at = excluded.expires_at
 WHERE excluded.epoch > peer.epoch
    OR (excluded.epoch = peer.epoch AND excluded.sent_at > peer.sent_at)
RETURNING role;

-- has_twin --
-- Whether this store has a target of the primary with this twin.
SELECT EXISTS (
         SELECT FROM honed.target
          WHERE options ->> 'twin' = %(twin)s
            AND options ->> 'role' = 'primary'
            AND removed_at IS NULL
       ) AS is_there;

-- is_known --
-- Whether evidence has arrived before, in this envelope or in another one.
SELECT EXISTS (
         SELECT FROM honed.evidence
          WHERE sha256 = %(sha256)s
             OR (key_id = %(key_id)s AND entry_leaf = %(entry_leaf)s)
       ) AS is_known;

-- store_evidence --
-- Keep evidence; no row where it has arrived before.
INSERT INTO honed.evidence (
         sha256, key_id, entry_leaf, entry_index, server, epoch, twin, kind, subject, state,
         outcome, log_ratio, published_at, counts_until, envelope
       )
VALUES (%(sha256)s, %(key_id)s, %(entry_leaf)s, %(entry_index)s, %(server)s, %(epoch)s, %(twin)s,
        %(kind)s, %(subject)s, %(state)s, %(outcome)s, %(log_ratio)s, %(published_at)s,
        %(published_at)s::timestamptz
          + make_interval(secs => %(max_age_s)s::double precision),
        %(envelope)s)
ON CONFLICT DO NOTHING
RETURNING evidence_id;

-- name_arrival --
-- Write which entry of the ledger records the arrival of evidence.
UPDATE honed.evidence SET ledger_leaf = %(leaf)s WHERE evidence_id = %(evidence_id)s;

-- note_refusal --
-- Count what was refused, by its reason.
INSERT INTO honed.evidence_refusal AS refusal (reason, error)
VALUES (%(reason)s, %(error)s)
ON CONFLICT (reason) DO UPDATE
   SET times = refusal.times + 1, error = excluded.error, last_at = honed.now();

-- list_refusals --
-- What was refused, by its reason, the latest first.
SELECT reason, times, error, last_at FROM honed.evidence_refusal ORDER BY last_at DESC, reason;

-- list_evidence --
-- The newest evidence that arrived, newest first, with the improvement that rests on it.
SELECT evidence.evidence_id, evidence.sha256, evidence.server, evidence.epoch, evidence.twin,
       evidence.kind, evidence.subject, evidence.state, coalesce(evidence.outcome, '') AS outcome,
       evidence.log_ratio, evidence.published_at, evidence.received_at, evidence.counts_until,
       ARRAY(
         SELECT adoption.improvement_id
           FROM honed.adoption
          WHERE adoption.evidence_id = evidence.evidence_id
          ORDER BY adoption.improvement_id
       ) AS improvement_ids
  FROM honed.evidence
 ORDER BY evidence.evidence_id DESC
 LIMIT %(limit)s;

-- read_pair --
-- What a target of the primary may know of its twin; no row for any other target, and none where
-- the policy knows of one server only.
SELECT target.options ->> 'twin' AS twin,
       policy.primary_threshold AS threshold,
       honed.is_held('primary') AND honed.is_heard('secondary') AS is_together
  FROM honed.target
 CROSS JOIN (
         SELECT two_servers, primary_threshold
           FROM honed.policy
          ORDER BY policy_version DESC
          LIMIT 1
       ) AS policy
 WHERE target.target_id = %(target_id)s
   AND target.options ->> 'role' = 'primary'
   AND target.options ->> 'twin' <> ''
   AND policy.two_servers;

-- newest_evidence --
-- The newest thing that the other server said of a claim, if it still counts.
SELECT evidence_id, sha256, server, epoch, state, coalesce(outcome, '') AS outcome, log_ratio,
       ledger_leaf, published_at
  FROM honed.evidence
 WHERE twin = %(twin)s
   AND kind = %(kind)s
   AND md5(subject) = md5(%(subject)s)
   AND subject = %(subject)s
   AND counts_until > honed.now()
 ORDER BY published_at DESC, entry_index DESC
 LIMIT 1;

-- store_adoption --
-- Say on which evidence an improvement rests.
INSERT INTO honed.adoption (improvement_id, evidence_id)
VALUES (%(improvement_id)s, %(evidence_id)s);

-- is_adoption --
-- Whether an improvement rests on evidence of the other server.
SELECT EXISTS (
         SELECT FROM honed.adoption WHERE improvement_id = %(improvement_id)s
       ) AS is_adoption;

-- adoption_obstacle --
-- Why an improvement that rests on the other server may not go ahead now; empty: it may.
SELECT honed.adoption_obstacle(%(improvement_id)s::bigint) AS obstacle;
