-- The shop of this guide, for SQLite: sqlite3 shop.db < docs/guide/shop.sql
-- 400 customers, 5 000 orders; five orders are not as they should be.
CREATE TABLE customers (
  id         INTEGER PRIMARY KEY,
  name       TEXT NOT NULL,
  email      TEXT NOT NULL,
  country    TEXT NOT NULL,
  created_at TEXT NOT NULL
);
CREATE TABLE orders (
  id          INTEGER PRIMARY KEY,
  order_no    TEXT NOT NULL UNIQUE,
  customer_id INTEGER NOT NULL,
  status      TEXT NOT NULL,
  net_cents   INTEGER NOT NULL,
  tax_cents   INTEGER NOT NULL,
  total_cents INTEGER NOT NULL,
  details     TEXT,
  created_at  TEXT NOT NULL,
  shipped_at  TEXT
);

WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
INSERT INTO customers
SELECT i, 'Customer ' || i, 'customer' || i || '@shop.example',
  CASE i % 4 WHEN 0 THEN 'DE' WHEN 1 THEN 'FR' WHEN 2 THEN 'NL' ELSE 'SE' END,
  datetime('2023-01-01', '+' || i || ' days')
FROM n;

WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
INSERT INTO orders
SELECT i, 'A-' || (100000 + i), 1 + i % 400,
  CASE i % 5 WHEN 0 THEN 'new' WHEN 1 THEN 'paid' WHEN 2 THEN 'cancelled' ELSE 'shipped' END,
  i % 900 * 10, i % 900 * 2, i % 900 * 12,
  CASE WHEN i % 10 = 0 THEN '{"gift": true}' END,
  datetime('2024-01-01', '+' || i || ' hours'),
  CASE WHEN i % 5 > 2 THEN datetime('2024-01-03', '+' || i || ' hours') END
FROM n;

-- two orders of nobody, and three with a wrong total
UPDATE orders SET customer_id = 9000 WHERE id IN (17, 2518);
UPDATE orders SET total_cents = total_cents + 1 WHERE id IN (1201, 1202, 1203);
