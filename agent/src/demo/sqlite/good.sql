BEGIN IMMEDIATE;
ALTER TABLE orders ADD COLUMN total_cents INTEGER NOT NULL DEFAULT 0;
UPDATE orders SET total_cents = CAST(round(total * 100) AS INTEGER);
ALTER TABLE orders DROP COLUMN total;
ALTER TABLE customers ADD COLUMN first_name TEXT NOT NULL DEFAULT '';
ALTER TABLE customers ADD COLUMN last_name TEXT NOT NULL DEFAULT '';
UPDATE customers SET first_name = substr(name, 1, instr(name, ' ') - 1), last_name = substr(name, instr(name, ' ') + 1);
ALTER TABLE customers DROP COLUMN name;
COMMIT;
