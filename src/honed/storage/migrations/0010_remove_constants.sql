-- Why: viewers may read the texts and plans of statements, so no constant of production may stand in
-- them. From now on none is written; this clears what was. Plans are written again at the next look.
-- Locks: rows of honed.statement and honed.statement_plan.  Rows rewritten: those with constants.

update honed.statement set text = '' where sort = 'utility' and text <> '';

update honed.statement_plan set plan = '{"Plan": {}}';
