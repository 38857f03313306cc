-- The shop that the rule files of this corpus speak of: a key of two columns, a table without a key, a table of many
-- columns, a view, a name that needs quotes, and a column of each type that SQLite files declare.
CREATE TABLE customers (
    id INTEGER PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    full_name TEXT,
    country CHAR(2),
    born DATE,
    created_at TIMESTAMP NOT NULL
);
CREATE TABLE products (
    sku TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    price NUMERIC(10, 2),
    weight REAL,
    rating NUMERIC,
    picture BLOB
);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    order_no TEXT NOT NULL UNIQUE,
    customer_id INTEGER NOT NULL,
    status TEXT NOT NULL,
    net_cents INTEGER NOT NULL,
    tax_cents INTEGER NOT NULL,
    total_cents INTEGER NOT NULL,
    paid BOOLEAN,
    payload JSON,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP
);
CREATE TABLE order_lines (
    order_id INTEGER NOT NULL,
    line INTEGER NOT NULL,
    sku TEXT NOT NULL,
    quantity INTEGER NOT NULL,
    PRIMARY KEY (order_id, line)
);
CREATE TABLE "audit.log" ("when" TIMESTAMP, "who?" TEXT, what TEXT);
CREATE TABLE readings (
    id INTEGER PRIMARY KEY,
    m01 REAL, m02 REAL, m03 REAL, m04 REAL, m05 REAL, m06 REAL, m07 REAL, m08 REAL, m09 REAL, m10 REAL,
    m11 REAL, m12 REAL, m13 REAL, m14 REAL, m15 REAL, m16 REAL, m17 REAL, m18 REAL, m19 REAL, m20 REAL,
    m21 REAL, m22 REAL, m23 REAL, m24 REAL, m25 REAL, m26 REAL, m27 REAL, m28 REAL, m29 REAL, m30 REAL,
    m31 REAL, m32 REAL, m33 REAL, m34 REAL, m35 REAL, m36 REAL, m37 REAL, m38 REAL, m39 REAL, m40 REAL,
    m41 REAL, m42 REAL, m43 REAL, m44 REAL, m45 REAL
);
CREATE VIEW open_orders AS SELECT id, status, total_cents FROM orders WHERE status <> 'cancelled';
INSERT INTO customers VALUES
    (1, 'ada@example.org', 'Ada', 'gb', '1980-12-10', '2024-01-01 09:00:00'),
    (2, 'grace@example.org', 'Grace', 'us', '1976-12-09', '2024-01-02 10:00:00');
INSERT INTO products VALUES ('tea', 'Tea', 4.50, 0.25, 4.5, NULL), ('cup', 'Cup', 12.00, 0.4, 5, x'00');
INSERT INTO orders VALUES
    (1, 'A-1', 1, 'paid', 1000, 190, 1190, 1, '{"gift": true}', '2024-02-01 12:00:00', '2024-02-01 12:05:00'),
    (2, 'A-2', 2, 'new', 500, 95, 595, 0, NULL, '2024-02-02 12:00:00', NULL);
INSERT INTO order_lines VALUES (1, 1, 'tea', 2), (1, 2, 'cup', 1), (2, 1, 'tea', 1);
INSERT INTO "audit.log" VALUES ('2024-02-01 12:00:00', 'ada', 'paid');
