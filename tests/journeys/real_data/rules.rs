//! The rules, each with the SQL that counts what it has to find; the SQL is the same for both databases.

/// A rule, and SQL conditions over the rows of its table.
pub(super) struct Rule {
    table: &'static str,
    id: &'static str,
    /// As it stands in the rule file, without its id.
    pub(super) rule: &'static str,
    /// The allowed fraction that `rule` gives.
    pub(super) tolerance: f64,
    pub(super) kept: &'static str,
    pub(super) fails: &'static str,
    pub(super) unknown: &'static str,
    pub(super) errors: &'static str,
}

impl Rule {
    const fn of(table: &'static str, id: &'static str, rule: &'static str, fails: &'static str) -> Self {
        Self { table, id, rule, tolerance: 0.0, kept: "TRUE", fails, unknown: "FALSE", errors: "FALSE" }
    }
    const fn unknown(self, unknown: &'static str) -> Self {
        Self { unknown, ..self }
    }
    const fn kept(self, kept: &'static str) -> Self {
        Self { kept, ..self }
    }
    const fn errors(self, errors: &'static str) -> Self {
        Self { unknown: errors, errors, ..self }
    }
    const fn tolerance(self, tolerance: f64) -> Self {
        Self { tolerance, ..self }
    }

    /// Whether it is a rule of that table, or of the one that it is a copy of.
    pub(super) fn is_of(&self, table: &str) -> bool {
        table.starts_with(self.table)
    }
    /// Its id in the rule file of that table.
    pub(super) fn id_in(&self, table: &str) -> String {
        format!("{table}.{}", self.id)
    }
    /// Whether it counts the table.
    pub(super) fn counts(&self) -> bool {
        self.rule.starts_with("row_count")
    }
    /// Whether it speaks of rows.
    pub(super) fn is_about_rows(&self) -> bool {
        !self.counts() && !self.rule.starts_with("fresh")
    }
}

const MOVIES: &str = "movies";
const FLIGHTS: &str = "flights";

/// All of them.
pub(super) static RULES: &[Rule] = &[
    Rule::of(MOVIES, "titled", "not_null: title", "title IS NULL"),
    Rule::of(MOVIES, "directed", "not_null: director, tolerance: 45%", "director IS NULL").tolerance(0.45),
    Rule::of(MOVIES, "dated", "not_null: released", "released IS NULL"),
    Rule::of(
        MOVIES,
        "one_title",
        "unique: title",
        "title IN (SELECT title FROM movies GROUP BY title HAVING count(*) > 1)",
    ),
    Rule::of(
        MOVIES,
        "one_title_a_day",
        "unique: [title, released]",
        "(title, released) IN (SELECT title, released FROM movies GROUP BY title, released HAVING count(*) > 1)",
    ),
    Rule::of(
        MOVIES,
        "one_title_of_the_restricted",
        "unique: title, where: mpaa = 'R'",
        "title IN (SELECT title FROM movies WHERE mpaa = 'R' GROUP BY title HAVING count(*) > 1)",
    )
    .kept("mpaa = 'R'"),
    Rule::of(
        MOVIES,
        "rated",
        "in_set: { column: mpaa, values: [G, PG, PG-13, R, NC-17, Not Rated] }",
        "mpaa NOT IN ('G', 'PG', 'PG-13', 'R', 'NC-17', 'Not Rated')",
    )
    .unknown("mpaa IS NULL"),
    Rule::of(
        MOVIES,
        "of_a_genre",
        "in_set: { column: genre, values: [Drama, Comedy, Action, Adventure] }, nulls: fail",
        "genre IS NULL OR genre NOT IN ('Drama', 'Comedy', 'Action', 'Adventure')",
    )
    .unknown("genre IS NULL"),
    Rule::of(MOVIES, "liked", "in_range: { column: imdb, min: 2.5, max: 8.75 }", "imdb < 2.5 OR imdb > 8.75")
        .unknown("imdb IS NULL"),
    Rule::of(
        MOVIES,
        "of_some_length",
        "in_range: { column: minutes, min: 90, max: 200 }, nulls: fail",
        "minutes IS NULL OR minutes < 90 OR minutes > 200",
    )
    .unknown("minutes IS NULL"),
    Rule::of(
        MOVIES,
        "released_by_now",
        "in_range: { column: released, min: 1930-01-01, max: 2010-12-31 }",
        "released < '1930-01-01' OR released > '2010-12-31'",
    ),
    Rule::of(MOVIES, "has_earned", "in_range: { column: worldwide_gross, min: 1 }", "worldwide_gross < 1")
        .unknown("worldwide_gross IS NULL"),
    Rule::of(
        MOVIES,
        "date_as_printed",
        r"matches: { column: release_date, pattern: '^[A-Z][a-z]{2} \d{2} (19|20)\d{2}$' }",
        "release_date NOT LIKE '___ __ 19__' AND release_date NOT LIKE '___ __ 20__'",
    ),
    Rule::of(
        MOVIES,
        "title_in_ascii",
        r"matches: { column: title, pattern: '^[\x00-\x7f]*$' }",
        "octet_length(title) <> length(title)",
    )
    .unknown("title IS NULL"),
    Rule::of(MOVIES, "title_fits", "length: { column: title, min: 2, max: 40 }", "length(title) NOT BETWEEN 2 AND 40")
        .unknown("title IS NULL"),
    Rule::of(
        MOVIES,
        "title_is_a_number",
        "type_is: { column: title, type: integer }, severity: info",
        "trim(title, '0123456789') <> ''",
    )
    .unknown("title IS NULL"),
    Rule::of(MOVIES, "released_is_a_date", "type_is: { column: released, type: date }", "FALSE"),
    Rule::of(
        MOVIES,
        "known_director",
        "references: { column: director, to: directors.name }",
        "director NOT IN (SELECT name FROM directors)",
    ),
    Rule::of(MOVIES, "world_holds_us", "expect: worldwide_gross >= us_gross", "worldwide_gross < us_gross")
        .unknown("worldwide_gross IS NULL OR us_gross IS NULL"),
    // 66 films have earned nothing in the US
    Rule::of(
        MOVIES,
        "not_ten_times_the_us",
        "expect: worldwide_gross / us_gross < 10, where: us_gross IS NOT NULL, tolerance: 2%",
        "worldwide_gross / nullif(us_gross, 0) >= 10",
    )
    .kept("us_gross IS NOT NULL")
    .errors("us_gross = 0")
    .tolerance(0.02),
    Rule::of(
        MOVIES,
        "paid_off",
        "expect: budget <= worldwide_gross, where: worldwide_gross > 0, tolerance: 50%",
        "budget > worldwide_gross",
    )
    .kept("worldwide_gross > 0")
    .unknown("budget IS NULL")
    .tolerance(0.5),
    Rule::of(MOVIES, "all_movies", "row_count: { min: 3201, max: 3201 }", "FALSE"),
    Rule::of(MOVIES, "too_many_movies", "row_count: { max: 3000 }", "TRUE"),
    Rule::of(MOVIES, "fresh", "fresh: { column: released, within: 30d }", "FALSE"),
    Rule::of(FLIGHTS, "delayed_or_not", "not_null: delay", "delay IS NULL"),
    Rule::of(FLIGHTS, "little_delay", "in_range: { column: delay, min: -60, max: 180 }", "delay < -60 OR delay > 180"),
    Rule::of(FLIGHTS, "far", "in_range: { column: distance, min: 100 }, tolerance: 1%", "distance < 100")
        .tolerance(0.01),
    Rule::of(FLIGHTS, "within_the_day", "in_range: { column: time, min: 0, max: 24 }", "time < 0 OR time > 24"),
    Rule::of(FLIGHTS, "before_eleven", "in_range: { column: time, max: 22.98 }, tolerance: 5%", "time > 22.98")
        .tolerance(0.05),
    Rule::of(
        FLIGHTS,
        "one_of_its_kind",
        "unique: [distance, delay, time]",
        "(distance, delay, time) IN
            (SELECT distance, delay, time FROM flights GROUP BY distance, delay, time HAVING count(*) > 1)",
    ),
    Rule::of(FLIGHTS, "whole_miles", "type_is: { column: distance, type: integer }", "FALSE"),
    Rule::of(
        FLIGHTS,
        "usual_route",
        "references: { column: distance, to: routes.distance }",
        "distance NOT IN (SELECT distance FROM routes)",
    ),
    Rule::of(FLIGHTS, "quicker_by_air", "expect: abs(delay) <= distance", "abs(delay) > distance"),
    Rule::of(
        FLIGHTS,
        "evenings_are_in_time",
        "expect: delay < 60, where: time >= 18 AND distance > 300, tolerance: 10%",
        "delay >= 60",
    )
    .kept("time >= 18 AND distance > 300")
    .tolerance(0.1),
    Rule::of(FLIGHTS, "all_flights", "row_count: { min: 200000, max: 200000 }", "FALSE"),
];
