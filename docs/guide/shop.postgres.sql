-- The shop of this guide, for PostgreSQL: psql "$OWNER_URL" -f docs/guide/shop.postgres.sql
-- 400 customers, 60 000 orders, all as they should be.
CREATE TABLE customers (
  id         bigint PRIMARY KEY,
  name       text NOT NULL,
  email      text NOT NULL,
  country    text NOT NULL,
  created_at timestamptz NOT NULL
);
CREATE TABLE orders (
  id          bigint PRIMARY KEY,
  order_no    text NOT NULL UNIQUE,
  customer_id bigint NOT NULL,
  status      text NOT NULL,
  total       numeric(12,2) NOT NULL,
  created_at  timestamptz NOT NULL,
  shipped_at  timestamptz
);

INSERT INTO customers
SELECT i, 'Customer ' || i, 'customer' || i || '@shop.example', (ARRAY['DE', 'FR', 'NL', 'SE'])[1 + i % 4],
  timestamptz '2023-01-01 00:00:00Z' + i * interval '1 day'
FROM generate_series(1, 400) AS i;

INSERT INTO orders
SELECT i, 'A-' || (100000 + i), 1 + i % 400, (ARRAY['new', 'paid', 'cancelled', 'shipped', 'shipped'])[1 + i % 5],
  i % 9000 * 0.12, timestamptz '2024-01-01 00:00:00Z' + i * interval '1 minute',
  CASE WHEN i % 5 > 2 THEN timestamptz '2024-01-03 00:00:00Z' + i * interval '1 minute' END
FROM generate_series(1, 60000) AS i;

ANALYZE customers, orders;
