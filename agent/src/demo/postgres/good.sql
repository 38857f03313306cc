BEGIN;
ALTER TABLE orders ADD COLUMN total_cents bigint NOT NULL DEFAULT 0;
UPDATE orders SET total_cents = round(total * 100)::bigint;
ALTER TABLE orders DROP COLUMN total;
ALTER TABLE customers ADD COLUMN first_name text NOT NULL DEFAULT '', ADD COLUMN last_name text NOT NULL DEFAULT '';
UPDATE customers SET first_name = split_part(name, ' ', 1), last_name = split_part(name, ' ', 2);
ALTER TABLE customers DROP COLUMN name;
COMMIT;
