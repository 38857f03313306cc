//! The two files into tables: honest types, nothing mended.

use rusqlite::Connection;
use sqlx::PgConnection;
use std::path::Path;

/// The copy of the flights without a key, where blocks have to be drawn.
pub(super) const UNKEYED: &str = "flights_unkeyed";

/// A file of the package.
fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-data/vega-datasets-3.2.1").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("the test data is not there ({}: {error}): tests/run gets it, once", path.display())
    })
}

/// `Jun 12 1998` as `1998-06-12`. The title has no type, so that those that are numbers stay numbers.
const SQLITE_MOVIES: &str = "
    CREATE TABLE movies (
        id INTEGER PRIMARY KEY, title, us_gross INTEGER, worldwide_gross INTEGER, dvd_sales INTEGER, budget INTEGER,
        release_date TEXT, released DATE, mpaa TEXT, minutes INTEGER, distributor TEXT, genre TEXT, director TEXT,
        tomatoes INTEGER, imdb NUMERIC, votes INTEGER);
    INSERT INTO movies SELECT key + 1, value ->> 'Title', value ->> 'US Gross', value ->> 'Worldwide Gross',
        value ->> 'US DVD Sales', value ->> 'Production Budget', value ->> 'Release Date',
        substr(value ->> 'Release Date', 8, 4) || '-' || printf('%02d', (2 + instr('JanFebMarAprMayJunJulAugSepOctNovDec',
            substr(value ->> 'Release Date', 1, 3))) / 3) || '-' || substr(value ->> 'Release Date', 5, 2),
        value ->> 'MPAA Rating', value ->> 'Running Time min', value ->> 'Distributor', value ->> 'Major Genre',
        value ->> 'Director', value ->> 'Rotten Tomatoes Rating', value ->> 'IMDB Rating', value ->> 'IMDB Votes'
    FROM json_each(?1)";

const SQLITE_FLIGHTS: &str = "
    CREATE TABLE flights (id INTEGER PRIMARY KEY, delay INTEGER, distance INTEGER, time REAL);
    INSERT INTO flights SELECT key + 1, value ->> 'delay', value ->> 'distance', value ->> 'time' FROM json_each(?1)";

const POSTGRES_MOVIES: &str = "
    create table movies (
        id bigint primary key, title text, us_gross bigint, worldwide_gross bigint, dvd_sales bigint, budget bigint,
        release_date text, released date, mpaa text, minutes integer, distributor text, genre text, director text,
        tomatoes smallint, imdb numeric, votes integer);
    insert into movies select n, m ->> 'Title', (m ->> 'US Gross')::bigint, (m ->> 'Worldwide Gross')::bigint,
        (m ->> 'US DVD Sales')::bigint, (m ->> 'Production Budget')::bigint, m ->> 'Release Date',
        to_date(m ->> 'Release Date', 'Mon DD YYYY'), m ->> 'MPAA Rating', (m ->> 'Running Time min')::integer,
        m ->> 'Distributor', m ->> 'Major Genre', m ->> 'Director', (m ->> 'Rotten Tomatoes Rating')::smallint,
        (m ->> 'IMDB Rating')::numeric, (m ->> 'IMDB Votes')::integer
    from json_array_elements($1::json) with ordinality as each(m, n)";

const POSTGRES_FLIGHTS: &str = "
    create table flights (id integer primary key, delay integer, distance integer, time double precision);
    insert into flights select n, (f ->> 'delay')::integer, (f ->> 'distance')::integer, (f ->> 'time')::float8
    from json_array_elements($1::json) with ordinality as each(f, n)";

/// Tables to refer to, and indexes for what is looked up: directors of two films or more, distances flown fifty times or more.
const AROUND: &str = "
    CREATE TABLE directors (name TEXT PRIMARY KEY);
    INSERT INTO directors SELECT director FROM movies WHERE director IS NOT NULL GROUP BY director HAVING count(*) > 1;
    CREATE TABLE routes (distance INTEGER PRIMARY KEY);
    INSERT INTO routes SELECT distance FROM flights GROUP BY distance HAVING count(*) >= 50;
    CREATE INDEX movies_title ON movies (title);
    CREATE INDEX movies_released ON movies (released);
    CREATE INDEX flights_all ON flights (distance, delay, time);";

pub(super) fn sqlite(path: &Path) -> Connection {
    let mut connection = Connection::open(path).unwrap();
    let transaction = connection.transaction().unwrap();
    for (sql, data) in [(SQLITE_MOVIES, "movies.json"), (SQLITE_FLIGHTS, "flights-200k.json")] {
        let (create, fill) = sql.split_once(';').unwrap();
        transaction.execute(create, []).unwrap();
        transaction.execute(fill, [file(data)]).unwrap();
    }
    transaction.execute_batch(AROUND).unwrap();
    transaction.commit().unwrap();
    connection
}

pub(super) async fn postgres(connection: &mut PgConnection) {
    for (sql, data) in [(POSTGRES_MOVIES, "movies.json"), (POSTGRES_FLIGHTS, "flights-200k.json")] {
        let (create, fill) = sql.split_once(';').unwrap();
        sqlx::query(create).execute(&mut *connection).await.unwrap();
        sqlx::query(fill).bind(file(data)).execute(&mut *connection).await.unwrap();
    }
    sqlx::raw_sql(AROUND).execute(&mut *connection).await.unwrap();
    let copy = "create table flights_unkeyed as select delay, distance, time from flights order by id;
                create index on flights_unkeyed (distance, delay, time);";
    for sql in [copy, "vacuum analyze"] {
        sqlx::raw_sql(sql).execute(&mut *connection).await.unwrap();
    }
}
