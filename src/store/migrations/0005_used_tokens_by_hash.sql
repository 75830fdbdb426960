-- A used token is looked for under every registration that its issuer had.
CREATE INDEX used_tokens_by_hash ON used_tokens (token_hash);
