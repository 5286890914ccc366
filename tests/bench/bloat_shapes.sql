-- Tables and indexes of many shapes with known bloat: every second, tenth or no row deleted, rows updated, nulls, wide
-- rows, values out of line, fill factors, partial, expression, covering, unique and duplicated indexes.
CREATE EXTENSION IF NOT EXISTS pgstattuple;
SELECT setseed(0.42);
CREATE TABLE narrow_ints (a int, b int);
INSERT INTO narrow_ints SELECT i, i FROM generate_series(1, 400000) i;
CREATE TABLE padded (a int, b bigint, c smallint, d timestamptz);
INSERT INTO padded SELECT i, i, 1, now() FROM generate_series(1, 300000) i;
CREATE TABLE half_deleted (id bigint PRIMARY KEY, t text);
INSERT INTO half_deleted SELECT i, repeat('x', 20 + (i % 60)::int) FROM generate_series(1, 300000) i;
DELETE FROM half_deleted WHERE id % 2 = 0;
CREATE TABLE tenth_left (id bigint PRIMARY KEY, t text);
INSERT INTO tenth_left SELECT i, md5(i::text) FROM generate_series(1, 300000) i;
DELETE FROM tenth_left WHERE id % 10 <> 0;
CREATE TABLE nulls (a int, b text, c text, d bigint, e text, f int, g int, h int, i int);
INSERT INTO nulls SELECT i, CASE WHEN random() < 0.5 THEN 'hello world' END, NULL, CASE WHEN random() < 0.3 THEN i END,
       CASE WHEN random() < 0.9 THEN repeat('y', (random() * 40)::int) END, 1, 2, 3, CASE WHEN random() < 0.2 THEN 4 END
  FROM generate_series(1, 200000) i;
CREATE TABLE wide (id int, t text);
INSERT INTO wide SELECT i, repeat(md5(i::text), 25 + (random() * 30)::int) FROM generate_series(1, 30000) i;
ALTER TABLE wide ALTER t SET STORAGE PLAIN;
CREATE TABLE wide_plain (id int, t text);
ALTER TABLE wide_plain ALTER t SET STORAGE PLAIN;
INSERT INTO wide_plain SELECT i, repeat(md5(i::text), 10 + (random() * 60)::int) FROM generate_series(1, 40000) i;
CREATE TABLE toasted (id int, t text);
ALTER TABLE toasted ALTER t SET STORAGE EXTERNAL;
INSERT INTO toasted SELECT i, repeat(md5(i::text), 120) FROM generate_series(1, 10000) i;
DELETE FROM toasted WHERE id % 2 = 0;
CREATE TABLE filled_70 (id int, t text) WITH (fillfactor = 70);
INSERT INTO filled_70 SELECT i, md5(i::text) FROM generate_series(1, 200000) i;
CREATE TABLE updated (id int PRIMARY KEY, n int, t text);
INSERT INTO updated SELECT i, i, md5(i::text) FROM generate_series(1, 150000) i;
UPDATE updated SET n = n + 1;
CREATE TABLE dropped_column (id int, gone bigint, t text);
ALTER TABLE dropped_column DROP gone;
INSERT INTO dropped_column SELECT i, md5(i::text) FROM generate_series(1, 150000) i;
CREATE TABLE jsons (id bigint, doc jsonb, at timestamptz, tags text[]);
INSERT INTO jsons SELECT i, jsonb_build_object('a', i, 'b', md5(i::text), 'c', random()), now(), ARRAY['a', 'b', md5(i::text)]
  FROM generate_series(1, 80000) i;
CREATE TABLE uuids (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), at timestamptz DEFAULT now(), n numeric(12,2), ok bool);
INSERT INTO uuids (n, ok) SELECT (random() * 100000)::numeric(12,2), random() < 0.5 FROM generate_series(1, 200000) i;
CREATE TABLE fixed_chars (c char(37), d varchar(10), e "char", f int);
INSERT INTO fixed_chars SELECT 'abc', 'de', 'x', i FROM generate_series(1, 150000) i;
CREATE TABLE keys (id bigint, few int, several int, many int, skew int, name text, n numeric, maybe int);
INSERT INTO keys SELECT i, i % 10, (random() * 20000)::int, (random() * 150000)::int, (random() ^ 4 * 10000)::int,
       md5((i % 5000)::text), (i % 1000)::numeric, CASE WHEN i % 4 = 0 THEN i END FROM generate_series(1, 300000) i;
CREATE UNIQUE INDEX keys_id ON keys (id);
CREATE INDEX keys_few ON keys (few);
CREATE INDEX keys_several ON keys (several);
CREATE INDEX keys_many ON keys (many);
CREATE INDEX keys_skew ON keys (skew);
CREATE INDEX keys_name ON keys (name);
CREATE INDEX keys_numeric ON keys (n);
CREATE INDEX keys_maybe ON keys (maybe);
CREATE INDEX keys_partial ON keys (id) WHERE few = 3;
CREATE INDEX keys_expression ON keys (lower(name));
CREATE INDEX keys_covering ON keys (id) INCLUDE (name);
CREATE UNIQUE INDEX keys_two ON keys (few, id);
CREATE INDEX keys_filled_60 ON keys (id) WITH (fillfactor = 60);
CREATE TABLE churned (id bigint, name text);
INSERT INTO churned SELECT i, md5(i::text) FROM generate_series(1, 300000) i;
CREATE UNIQUE INDEX churned_id ON churned (id);
CREATE UNIQUE INDEX churned_name ON churned (name, id);
DELETE FROM churned WHERE id % 3 <> 0;
VACUUM ANALYZE;
