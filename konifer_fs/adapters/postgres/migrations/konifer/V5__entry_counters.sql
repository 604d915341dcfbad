-- Entry ids: 0, 1, 2, ... for each path, never given twice. The counter's row lock serialises inserts at one path.
CREATE TABLE path_entry_counter (
  path          ltree PRIMARY KEY,
  last_entry_id bigint NOT NULL DEFAULT 0
);

CREATE FUNCTION fn_assign_entry_id() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO path_entry_counter AS counter (path) VALUES (NEW.path)
    ON CONFLICT (path) DO UPDATE SET last_entry_id = counter.last_entry_id + 1
    RETURNING counter.last_entry_id INTO NEW.entry_id;
  RETURN NEW;
END $$;

CREATE TRIGGER tr_assign_entry_id BEFORE INSERT ON asset_tree FOR EACH ROW EXECUTE FUNCTION fn_assign_entry_id();
