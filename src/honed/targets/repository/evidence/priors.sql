-- list_priors --
-- By how much the changes of each template are likelier than others.
SELECT template, prior::double precision AS prior
FROM honed.template_prior;
