-- defer_message --
-- Put one message into a queue; null where its queueing lock is already held.
SELECT honed.defer_message(
         p_queue => %(queue)s::text,
         p_task => %(task)s::text,
         p_message => %(message)s::jsonb,
         p_priority => %(priority)s::integer,
         p_lock => %(lock)s::text,
         p_queueing_lock => %(queueing_lock)s::text,
         p_delay_s => %(delay_s)s::double precision
       ) AS job_id;

-- lock_own_job --
-- Lock the row of a job, if this worker still does it. Lock order: job, cycle, improvement, ledger head.
SELECT job.id
  FROM honed.procrastinate_jobs AS job
 WHERE job.id = %(job_id)s
   AND job.worker_id = %(worker_id)s
   AND job.attempts = %(attempts)s
   AND job.status = 'doing'
   FOR UPDATE;

-- find_own_job --
-- Find a job, if this worker still does it; nothing is locked.
SELECT job.id
  FROM honed.procrastinate_jobs AS job
 WHERE job.id = %(job_id)s
   AND job.worker_id = %(worker_id)s
   AND job.attempts = %(attempts)s
   AND job.status = 'doing';

-- finish_job --
-- Mark a job as done; its row is locked by the fence.
UPDATE honed.procrastinate_jobs
   SET status = 'succeeded', attempts = attempts + 1
 WHERE id = %(job_id)s;

-- fetch_job --
-- Take the next message that is due: of these queues, and about this target, where any are named. It
-- is taken as procrastinate_fetch_job_v2() does, which knows no targets: of messages with the same
-- lock one at a time, in their order. The message stays text, because whatever somebody put into the
-- row must not break the worker before it is checked.
WITH next AS (
  SELECT job.id
    FROM honed.procrastinate_jobs AS job
   WHERE job.status = 'todo'
     AND (%(queues)s::varchar[] IS NULL OR job.queue_name = ANY (%(queues)s::varchar[]))
     AND (%(target_id)s::bigint IS NULL
          OR job.args -> 'target_id' = to_jsonb(%(target_id)s::bigint))
     AND (job.scheduled_at IS NULL OR job.scheduled_at <= clock_timestamp())
     AND NOT EXISTS (
           SELECT FROM honed.procrastinate_jobs AS other
            WHERE other.lock = job.lock
              AND (other.status = 'doing'
                   OR (other.status = 'todo'
                       AND (other.priority > job.priority
                            OR (other.priority = job.priority AND other.id < job.id)))))
   ORDER BY job.priority DESC, job.id
   LIMIT 1
     FOR UPDATE OF job SKIP LOCKED
)
UPDATE honed.procrastinate_jobs AS job
   SET status = 'doing', worker_id = %(worker_id)s::bigint
  FROM next
 WHERE job.id = next.id
RETURNING job.id, job.task_name, job.queue_name, job.args::text AS message, job.attempts;

-- put_back --
-- Make a job, whose row is locked, wait in its queue again, and wake the workers.
WITH waiting AS (
  UPDATE honed.procrastinate_jobs AS job
     SET status = 'todo',
         worker_id = NULL,
         abort_requested = false,
         attempts = job.attempts + 1,
         scheduled_at = CASE
           WHEN %(delay_s)s::double precision > 0
           THEN clock_timestamp() + make_interval(secs => %(delay_s)s::double precision)
         END,
         -- Another message may have taken the place in the meantime; then both are handled.
         queueing_lock = CASE
           WHEN EXISTS (
             SELECT FROM honed.procrastinate_jobs AS other
              WHERE other.queueing_lock = job.queueing_lock AND other.status = 'todo'
           ) THEN NULL ELSE job.queueing_lock
         END
   WHERE job.id = %(job_id)s
  RETURNING job.id, job.queue_name
)
SELECT pg_notify(
         channel.name,
         json_build_object('type', 'job_inserted', 'job_id', waiting.id)::text
       )
  FROM waiting,
       unnest(ARRAY[
         'procrastinate_queue_v1#' || waiting.queue_name, 'procrastinate_any_queue_v1'
       ]) AS channel (name);

-- count_exception --
-- Count one more exception of a message.
INSERT INTO honed.job_trouble AS trouble (job_id, exceptions, error)
VALUES (%(job_id)s, 1, %(error)s)
ON CONFLICT (job_id) DO UPDATE
   SET exceptions = trouble.exceptions + 1, error = excluded.error, updated_at = honed.now()
RETURNING trouble.exceptions AS count;

-- count_crash --
-- Count one more death of a worker that handled a message.
INSERT INTO honed.job_trouble AS trouble (job_id, crashes, error)
VALUES (%(job_id)s, 1, %(error)s)
ON CONFLICT (job_id) DO UPDATE
   SET crashes = trouble.crashes + 1, error = excluded.error, updated_at = honed.now()
RETURNING trouble.crashes AS count;

-- forget_trouble --
-- Forget what went wrong with a message, now that its dead letter tells it.
DELETE FROM honed.job_trouble WHERE job_id = %(job_id)s;

-- lock_stalled_jobs --
-- Lock the jobs of workers that are gone or silent. Rows that are locked are skipped: their worker
-- is committing, or another one takes them over.
SELECT job.id, job.task_name, job.worker_id, job.attempts
  FROM honed.procrastinate_jobs AS job
  LEFT JOIN honed.procrastinate_workers AS worker ON worker.id = job.worker_id
 WHERE job.status = 'doing'
   AND (worker.id IS NULL
        OR worker.last_heartbeat
           < clock_timestamp() - make_interval(secs => %(stalled_after_s)s::double precision))
 ORDER BY job.id
   FOR UPDATE OF job SKIP LOCKED;

-- send_heartbeat --
-- Give a sign of life; no row where the worker was taken for dead and removed.
UPDATE honed.procrastinate_workers
   SET last_heartbeat = clock_timestamp()
 WHERE id = %(worker_id)s
RETURNING id;

-- purge_jobs --
-- Delete jobs that ended long ago; what failed is kept as a dead letter.
DELETE FROM honed.procrastinate_jobs AS job
 WHERE job.status IN ('succeeded', 'failed', 'cancelled', 'aborted')
   AND NOT EXISTS (
         SELECT FROM honed.procrastinate_events AS event
          WHERE event.job_id = job.id
            AND event.at > clock_timestamp() - make_interval(secs => %(older_than_s)s::double precision)
       );

-- bury --
-- Keep a message that is no longer tried.
INSERT INTO honed.dead_letter (
         job_id, queue, task, message, priority, lock, queueing_lock,
         cause, error, exceptions, crashes
       )
SELECT job.id, job.queue_name, job.task_name, job.args, job.priority, job.lock, job.queueing_lock,
       %(cause)s, %(error)s, coalesce(trouble.exceptions, 0), coalesce(trouble.crashes, 0)
  FROM honed.procrastinate_jobs AS job
  LEFT JOIN honed.job_trouble AS trouble ON trouble.job_id = job.id
 WHERE job.id = %(job_id)s
RETURNING dead_letter_id, job_id, queue, task, message::text AS message, cause, error, exceptions,
          crashes, buried_at,
          '' AS resolution, '' AS resolved_by, resolved_at, 0 AS replay_job_id;

-- fail_job --
-- End a job whose message is a dead letter now.
UPDATE honed.procrastinate_jobs
   SET status = 'failed', attempts = attempts + 1, abort_requested = false
 WHERE id = %(job_id)s;

-- list_dead_letters --
-- The newest dead letters, newest first.
SELECT dead_letter_id, job_id, queue, task, message::text AS message, cause, error, exceptions,
       crashes, buried_at,
       coalesce(resolution, '') AS resolution, coalesce(resolved_by, '') AS resolved_by,
       resolved_at, coalesce(replay_job_id, 0) AS replay_job_id
  FROM honed.dead_letter
 WHERE resolution IS NULL OR %(resolved)s
 ORDER BY dead_letter_id DESC
 LIMIT %(limit)s;

-- get_dead_letter --
-- One dead letter.
SELECT dead_letter_id, job_id, queue, task, message::text AS message, cause, error, exceptions,
       crashes, buried_at,
       coalesce(resolution, '') AS resolution, coalesce(resolved_by, '') AS resolved_by,
       resolved_at, coalesce(replay_job_id, 0) AS replay_job_id
  FROM honed.dead_letter
 WHERE dead_letter_id = %(dead_letter_id)s;

-- replay --
-- Put the message of a dead letter back into its queue.
SELECT honed.replay_dead_letter(%(dead_letter_id)s::bigint) AS job_id;

-- discard --
-- Settle that the message of a dead letter will not be handled.
SELECT honed.discard_dead_letter(%(dead_letter_id)s::bigint);
