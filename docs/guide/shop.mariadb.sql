-- The shop of this guide, for MariaDB: mariadb --defaults-file=owner.cnf shop < docs/guide/shop.mariadb.sql
-- 400 customers, 60 000 orders, all as they should be.
CREATE TABLE customers (
  id         bigint PRIMARY KEY,
  name       varchar(100) NOT NULL,
  email      varchar(100) NOT NULL,
  country    char(2) NOT NULL,
  created_at datetime NOT NULL
);
CREATE TABLE orders (
  id          bigint PRIMARY KEY,
  order_no    varchar(20) NOT NULL UNIQUE,
  customer_id bigint NOT NULL,
  status      varchar(20) NOT NULL,
  total       decimal(12,2) NOT NULL,
  created_at  datetime NOT NULL,
  shipped_at  datetime
);

INSERT INTO customers
SELECT seq, CONCAT('Customer ', seq), CONCAT('customer', seq, '@shop.example'), ELT(1 + seq % 4, 'DE', 'FR', 'NL', 'SE'),
  TIMESTAMP '2023-01-01 00:00:00' + INTERVAL seq DAY
FROM seq_1_to_400;

INSERT INTO orders
SELECT seq, CONCAT('A-', 100000 + seq), 1 + seq % 400, ELT(1 + seq % 5, 'new', 'paid', 'cancelled', 'shipped', 'shipped'),
  seq % 9000 * 0.12, TIMESTAMP '2024-01-01 00:00:00' + INTERVAL seq MINUTE,
  IF(seq % 5 > 2, TIMESTAMP '2024-01-03 00:00:00' + INTERVAL seq MINUTE, NULL)
FROM seq_1_to_60000;

ANALYZE TABLE customers, orders;
