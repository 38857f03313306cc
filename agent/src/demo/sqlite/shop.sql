PRAGMA journal_mode = WAL;
CREATE TABLE customers (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  email TEXT NOT NULL UNIQUE,
  country TEXT NOT NULL,
  address TEXT NOT NULL
);
CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL,
  status TEXT NOT NULL,
  quantity INTEGER NOT NULL,
  total DECIMAL(10,2) NOT NULL DEFAULT 0,
  created_at TIMESTAMP NOT NULL,
  shipped_at TIMESTAMP
);
CREATE INDEX orders_customer ON orders (customer_id);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
INSERT INTO customers
SELECT i,
       (CASE i % 7 WHEN 0 THEN 'Ada' WHEN 1 THEN 'Grace' WHEN 2 THEN 'Edgar' WHEN 3 THEN 'Barbara'
        WHEN 4 THEN 'Jim' WHEN 5 THEN 'Margaret' ELSE 'Niklaus' END) || ' ' ||
       (CASE i % 5 WHEN 0 THEN 'Byron' WHEN 1 THEN 'Hopper' WHEN 2 THEN 'Codd' WHEN 3 THEN 'Liskov' ELSE 'Gray' END) || '-' || i,
       'customer' || i || '@example.com',
       (CASE i % 4 WHEN 0 THEN 'DE' WHEN 1 THEN 'FR' WHEN 2 THEN 'NL' ELSE 'IT' END),
       (i % 250) || ' ' || (CASE i % 3 WHEN 0 THEN 'Long Meadow Street' WHEN 1 THEN 'Am alten Güterbahnhof' ELSE 'Hill Road' END) || ', building ' || (i % 40)
FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)
INSERT INTO orders
SELECT i,
       1 + (i * 7919) % 20000,
       (CASE (i * 31) % 10 WHEN 0 THEN 'new' WHEN 1 THEN 'cancelled' WHEN 2 THEN 'paid' WHEN 3 THEN 'paid' ELSE 'shipped' END),
       1 + (i * 13) % 20,
       ((i * 104729) % 5000000) / 100.0,
       datetime('2024-01-01', (i % 1000000) || ' minutes'),
       (CASE WHEN (i * 31) % 10 > 3 THEN datetime('2024-01-03', (i % 1000000) || ' minutes') END)
FROM n;
ANALYZE;
