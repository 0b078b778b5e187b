"""Two servers: the secondary tries first; what held up there the primary tries and adopts."""
