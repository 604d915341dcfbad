CREATE TABLE prompt_embedding (
  id          uuid PRIMARY KEY,
  model       text NOT NULL,
  prompt_text text NOT NULL,
  embedding   real[] NOT NULL,
  created_at  timestamp NOT NULL,
  CONSTRAINT prompt_embedding_cache_uq UNIQUE (model, prompt_text)
);
