CREATE TABLE customers (
  id bigint PRIMARY KEY,
  name text NOT NULL,
  email text NOT NULL UNIQUE,
  country char(2) NOT NULL,
  address text NOT NULL
);
CREATE TABLE orders (
  id bigint PRIMARY KEY,
  customer_id bigint NOT NULL,
  status text NOT NULL,
  quantity integer NOT NULL,
  total double precision NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL,
  shipped_at timestamptz
);
INSERT INTO customers
SELECT i,
       (ARRAY['Ada','Grace','Edgar','Barbara','Jim','Margaret','Niklaus'])[1 + i % 7] || ' ' ||
       (ARRAY['Byron','Hopper','Codd','Liskov','Gray'])[1 + i % 5] || '-' || i,
       'customer' || i || '@example.com',
       (ARRAY['DE','FR','NL','IT'])[1 + i % 4],
       (i % 250) || ' ' || (ARRAY['Long Meadow Street','Am alten Güterbahnhof','Hill Road'])[1 + i % 3] || ', building ' || (i % 40)
FROM generate_series(1, 20000) AS i;
INSERT INTO orders
SELECT i, 1 + (i * 7919) % 20000,
       (ARRAY['new','cancelled','paid','paid','shipped','shipped','shipped','shipped','shipped','shipped'])[1 + (i * 31) % 10],
       1 + (i * 13) % 20,
       ((i * 104729) % 5000000) / 100.0,
       timestamptz '2024-01-01 00:00:00+00' + (i % 1000000) * interval '1 minute',
       CASE WHEN (i * 31) % 10 > 3 THEN timestamptz '2024-01-03 00:00:00+00' + (i % 1000000) * interval '1 minute' END
FROM generate_series(1::bigint, 300000) AS i;
CREATE INDEX orders_customer ON orders (customer_id);
ANALYZE customers;
ANALYZE orders;
