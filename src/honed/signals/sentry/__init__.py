"""Reading what the SDKs of Sentry send: envelopes, and the sorts of items in them."""
