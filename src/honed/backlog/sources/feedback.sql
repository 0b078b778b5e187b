-- list_feedback --
-- What users said lately, oldest first, with the highest rating that their project has; no more than the newest thousands of each project.
SELECT said.project, said.signal_id, said.at, said.received_at, said.text, said.rating, said.sentiment, said.user_token, said.page,
       said.highest, said.release
  FROM (
         SELECT user_feedback.project, user_feedback.at, user_feedback.received_at,
                user_feedback.signal_id,
                left(coalesce(user_feedback.text, ''), 4000) AS text, user_feedback.rating,
                coalesce(user_feedback.sentiment, '') AS sentiment,
                coalesce(user_feedback.user_token, '') AS user_token,
                coalesce(user_feedback.page, '') AS page, user_feedback.release,
                coalesce(max(user_feedback.rating) OVER (PARTITION BY user_feedback.project), 0)
                  AS highest,
                row_number() OVER (
                  PARTITION BY user_feedback.project ORDER BY user_feedback.signal_id DESC
                ) AS place
           FROM honed.user_feedback
       ) AS said
 WHERE said.place <= %(most)s
 ORDER BY said.project, said.at, said.signal_id;

-- list_topics --
-- What the tickets of feedback are about, whatever became of them, how much was counted in each, and up to where; oldest first.
SELECT ticket.project, ticket.subject, coalesce(ticket.source_count, 0) AS counted,
       coalesce((ticket.metadata ->> 'settled_signal_id')::bigint, 0) AS settled_signal_id,
       coalesce(ticket.metadata -> 'unsettled_signal_ids', '[]') AS unsettled_signal_ids
  FROM honed.ticket
 WHERE ticket.source = 'feedback'
 ORDER BY ticket.ticket_id;

-- now --
-- The store's time.
SELECT honed.now() AS now;
