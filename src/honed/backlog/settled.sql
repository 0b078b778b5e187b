-- list_applied --
-- Tickets of one source that are applied, with what was told of them last.
SELECT coalesce(ticket.target_id, 0) AS target_id, ticket.project, ticket.subject,
       ticket.applied_at, ticket.evidence
  FROM honed.ticket
 WHERE ticket.source = %(source)s AND ticket.state = 'applied';
