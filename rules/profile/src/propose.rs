//! Proposals for one table.

use crate::column::{ColumnProfile, Nature, almost};
use crate::nice;
use crate::relation::{self, Relation};
use crate::word::{has, is_personal, is_plural_of, referred};
use crate::yaml::{literal, scalar};
use crate::{form, word};
use arrow::datatypes::DataType;
use chrono::{DateTime, Datelike as _, Utc};
use fieldmark_engine::kind::ValueType;
use fieldmark_model::Table;
use fieldmark_model::name::part;
use fieldmark_statistics::Level;
use fieldmark_statistics::interval::{Observed, clopper_pearson};
use std::collections::HashMap;
use std::time::Duration;

/// A sampled table.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The table.
    pub table: &'a Table,
    /// Its columns, as they were seen.
    pub columns: &'a [ColumnProfile],
    /// Rows that were read.
    pub rows: u64,
    /// Rows of the table, as far as known.
    pub population: u64,
    /// Whether all rows were read.
    pub whole: bool,
    /// What the database checks by itself.
    pub checks: &'a [Checked],
    /// Whether the database refuses values that are not of a column's declared type.
    pub typed: bool,
    /// Whether the database sees to foreign keys that are declared, whoever writes.
    pub sees_to_references: bool,
}

/// A CHECK constraint of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Columns that it is about.
    pub columns: Vec<String>,
}

/// A rule that may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The rule as it stands in a rule file, without the dash: one line or several.
    pub rule: String,
    /// Its kind.
    pub kind: &'static str,
    /// Why it is proposed, with its numbers.
    pub evidence: String,
    /// Rows of the sample that say otherwise: it almost holds.
    pub contrary: u64,
}

impl Proposal {
    fn new(kind: &'static str, rule: String, evidence: String) -> Self {
        Self { rule, kind, evidence, contrary: 0 }
    }

    /// One that almost holds.
    fn almost(kind: &'static str, rule: String, contrary: u64, rows: u64) -> Self {
        let evidence = format!("not so in {} of {} rows that were read", nice::count(contrary), nice::count(rows));
        Self { rule, kind, evidence, contrary }
    }
}

/// Fewest rows that say anything.
const FEWEST: u64 = 30;
/// Most values of a set.
const MOST_VALUES: u64 = 20;
/// Rows of a table over which a pass is proposed where no index helps.
const PASSED_OVER: u64 = 50_000;
/// Of so many rows one may be NULL where it is more likely a fault than what is meant.
const SELDOM_NULL: u64 = 200;
/// Relations between columns that are proposed of a table; of those that almost hold half as many.
const MOST_RELATIONS: usize = 12;
/// Newest rows that tell how often rows come.
const NEWEST: usize = 100;

/// Columns that are personal by their names, or by the form of their values.
pub fn personal(columns: &[ColumnProfile]) -> Vec<String> {
    // a few that are none do not make the others less personal
    let mail = |column: &ColumnProfile| {
        column.nature == Nature::Text
            && column.values > 0
            && form_of(column, column.values / 2).is_some_and(|(format, _)| format.name == "e-mail addresses")
    };
    let personal = columns.iter().filter(|column| is_personal(column.name()) || mail(column));
    personal.map(|column| column.name().to_owned()).collect()
}

fn form_of(column: &ColumnProfile, but: u64) -> Option<(&'static form::Format, u64)> {
    form::format(column.texts.iter().flatten().map(String::as_str), but)
}

/// Rules that may hold of a table, with those of the other tables to refer to.
pub fn propose(subject: &Subject<'_>, others: &[&Table], now: DateTime<Utc>) -> Vec<Proposal> {
    if subject.rows < FEWEST {
        return Vec::new();
    }
    let mut proposals = Vec::new();
    proposals.extend(not_null(subject));
    for column in subject.columns.iter().filter(|column| column.values >= FEWEST) {
        let reference = subject.reference(column, others);
        let identifies = subject.identifies(column) || reference.is_some();
        proposals.extend(subject.unique(column));
        proposals.extend(reference);
        // a declared type that is no text, and a table referred to, say what values there are
        let told = subject.typed && column.nature == Nature::Text && !is_text(&column.column.declared);
        if !told && !subject.refers(column) {
            proposals.extend(subject.values(column));
        }
        if !identifies {
            proposals.extend(subject.range(column));
        }
        proposals.extend(subject.nulls(column));
        proposals.extend(subject.fresh(column, now));
    }
    proposals.extend(subject.relations());
    proposals.push(subject.row_count());
    proposals
}

fn not_null(subject: &Subject<'_>) -> Vec<Proposal> {
    let never = |column: &&ColumnProfile| column.column.nullable && column.nulls == 0 && column.unread == 0;
    let hardly = |column: &&ColumnProfile| {
        let values = column.rows();
        column.column.nullable && column.unread == 0 && column.nulls > 0 && column.nulls <= values / SELDOM_NULL
    };
    let almost = subject.columns.iter().filter(hardly).map(|column| {
        Proposal::almost("not_null", format!("not_null: {}", scalar(column.name())), column.nulls, column.rows())
    });
    let of_column = |column: &ColumnProfile| {
        let evidence = format!("may be NULL, and is not in {}", subject.seen(subject.rows));
        Proposal::new("not_null", format!("not_null: {}", scalar(column.name())), evidence)
    };
    subject.columns.iter().filter(never).map(of_column).chain(almost).collect()
}

/// Proposals that say the same of several columns, in one: `not_null: [a, b]`.
pub fn merged(proposals: Vec<Proposal>) -> Vec<Proposal> {
    let mut merged: Vec<Proposal> = Vec::new();
    for proposal in proposals {
        let column = proposal.rule.strip_prefix("not_null: ").map(str::to_owned);
        let same =
            |own: &&mut Proposal| own.kind == "not_null" && own.evidence == proposal.evidence && own.contrary == 0;
        match (column, merged.iter_mut().find(same)) {
            (Some(column), Some(own)) => {
                let columns = own.rule.trim_start_matches("not_null: ").trim_matches(['[', ']']).to_owned();
                own.rule = format!("not_null: [{columns}, {column}]");
            }
            (_, _) => merged.push(proposal),
        }
    }
    merged
}

impl Subject<'_> {
    /// `10 000 rows (at most 0.037 % can differ)`, or `all 200 rows`.
    fn seen(&self, rows: u64) -> String {
        if self.whole {
            return format!("all {} rows", nice::count(rows));
        }
        let none = Observed { failed: 0.0, rows: rows as f64 };
        let high = clopper_pearson(none, Level::NINETY_FIVE).high * 100.0;
        let digits = if high < 0.1 { 3 } else { 2 };
        format!("{} rows (at most {high:.digits$} % can differ)", nice::count(rows))
    }

    /// Whether a column tells rows apart, or is a number that stands for something: no range has a meaning for it.
    fn identifies(&self, column: &ColumnProfile) -> bool {
        let only =
            |columns: &Vec<String>| columns.len() == 1 && columns.first().is_some_and(|own| own == column.name());
        self.table.primary_key.as_ref().is_some_and(|key| key.iter().any(|own| own == column.name()))
            || self.table.unique.iter().any(only)
            || self.table.foreign_keys.iter().any(|key| key.columns.iter().any(|own| own == column.name()))
            || has(column.name(), &["id", "uuid", "ref", "fk"])
    }

    /// Whether the database checks a column by itself.
    fn is_checked(&self, column: &ColumnProfile) -> bool {
        self.checks.iter().any(|check| check.columns.len() == 1 && check.columns.iter().any(|own| own == column.name()))
    }

    /// Whether a foreign key says what values there are.
    fn refers(&self, column: &ColumnProfile) -> bool {
        self.table.foreign_keys.iter().any(|key| key.columns.iter().any(|own| own == column.name()))
    }

    fn unique(&self, column: &ColumnProfile) -> Option<Proposal> {
        const NAMES: [&str; 16] = [
            "no",
            "nr",
            "number",
            "code",
            "key",
            "id",
            "uuid",
            "guid",
            "sku",
            "email",
            "login",
            "username",
            "slug",
            "ref",
            "reference",
            "isbn",
        ];
        let named = has(column.name(), &NAMES) || column.reads_as == Some(ValueType::Uuid);
        let enforced = self
            .table
            .unique
            .iter()
            .chain(&self.table.primary_key)
            .any(|columns| columns.len() == 1 && columns.first().is_some_and(|own| own == column.name()));
        let sort = matches!(column.nature, Nature::Integer | Nature::Text) || is_uuid(column);
        let many = column.values >= 100;
        // without an index it takes a pass over the table
        let cheap = self.table.indexed(&[column.name().to_owned()]) || self.population <= PASSED_OVER;
        let again = column.values - column.distinct().filter(|_| named && sort && many && cheap && !enforced)?;
        let rule = format!("unique: {}", scalar(column.name()));
        if again > 0 {
            return (again <= almost(column.values)).then(|| Proposal::almost("unique", rule, again, column.values));
        }
        let evidence = format!("no constraint says so, and all values of {} differ", self.seen(column.values));
        Some(Proposal::new("unique", rule, evidence))
    }

    /// A foreign key that is declared and that a writer may pass over.
    fn declared_reference(&self, column: &ColumnProfile) -> Option<Proposal> {
        let alone = |columns: &[String]| columns.len() == 1 && columns.first().is_some_and(|own| own == column.name());
        let key = self.table.foreign_keys.iter().find(|key| alone(&key.columns))?;
        let to = format!("{}.{}", part(&key.table.name), part(key.to.first()?));
        let rule = format!("references: {{ column: {}, to: {} }}", scalar(column.name()), quoted(&to));
        let seen = self.seen(column.values);
        let evidence =
            format!("declared as a foreign key, which writers may switch off; every value of {seen} was found");
        Some(Proposal::new("references", rule, evidence))
    }

    fn reference(&self, column: &ColumnProfile, others: &[&Table]) -> Option<Proposal> {
        let declared = self.table.foreign_keys.iter().any(|key| key.columns.iter().any(|own| own == column.name()));
        if declared && !self.sees_to_references {
            return self.declared_reference(column);
        }
        if declared || !(matches!(column.nature, Nature::Integer | Nature::Text) || is_uuid(column)) {
            return None;
        }
        let stored = |table: &&&Table| table.kind.is_stored();
        let target = |stem: &String| {
            others.iter().filter(stored).filter(|table| is_plural_of(&table.name.name, stem)).find_map(|table| {
                let keys = table.primary_key.iter().chain(&table.unique).filter(|key| key.len() == 1);
                let fits = |key: &&String| {
                    let own = &column.column.data_type;
                    table
                        .column(key)
                        .is_some_and(|to| to.data_type == *own || (is_integer(&to.data_type) && is_integer(own)))
                };
                let key = keys.filter_map(|key| key.first()).find(fits)?;
                let itself = table.name == self.table.name && key == column.name();
                (!itself).then_some((*table, key.clone()))
            })
        };
        // a column that is called as another table's key, where that says something
        let same_name = || {
            let said = !["id", "uuid", "key", "code", "no", "nr", "name", "number"]
                .contains(&column.name().to_lowercase().as_str());
            let keyed = |table: &&&Table| {
                let key = table.primary_key.as_deref();
                table.name != self.table.name && key.is_some_and(|key| key == [column.name().to_owned()])
            };
            let table = others.iter().filter(stored).find(keyed).filter(|_| said)?;
            let own = &column.column.data_type;
            let to = table.column(column.name())?;
            let fits = to.data_type == *own || (is_integer(&to.data_type) && is_integer(own));
            fits.then(|| (*table, column.name().to_owned()))
        };
        let (table, key) = referred(column.name()).iter().find_map(target).or_else(same_name)?;
        let mut to = format!("{}.{}", part(&table.name.name), part(&key));
        if table.name.schema != self.table.name.schema {
            to = format!("{}.{to}", part(&table.name.schema));
        }
        let rule = format!("references: {{ column: {}, to: {} }}", scalar(column.name()), quoted(&to));
        let found = self.seen(column.values);
        let evidence = format!("no foreign key says so; by its name, and every value of {found} was found there");
        Some(Proposal::new("references", rule, evidence))
    }

    /// What values there are: a set or a form that holds, else one that almost does.
    fn values(&self, column: &ColumnProfile) -> Option<Proposal> {
        let holds = |proposal: &Proposal| proposal.contrary == 0;
        let set = self.set(column);
        if set.as_ref().is_some_and(holds) {
            return set;
        }
        let text = self.text(column);
        if text.as_ref().is_some_and(holds) { text } else { set.or(text) }
    }

    fn set(&self, column: &ColumnProfile) -> Option<Proposal> {
        if self.is_checked(column) || is_personal(column.name()) || column.values < 100 {
            return None;
        }
        column.distinct()?;
        // a value that was hardly met says that others were not met at all; where the rest is almost all, it may be a slip. So may one
        // be that is another one but for case and blanks
        let slip = |(value, count): &(&String, &u64)| {
            let like = |other: &&String| *other != *value && other.trim().eq_ignore_ascii_case(value.trim());
            **count < 3 || column.counts.iter().any(|(other, times)| like(&other) && *times > **count)
        };
        let (rare, common): (Vec<_>, Vec<_>) = column.counts.iter().partition(slip);
        let contrary = rare.iter().map(|(_, count)| **count).sum::<u64>();
        let distinct = common.len() as u64;
        if !(1..=MOST_VALUES).contains(&distinct) || contrary > almost(column.values) {
            return None;
        }
        let short = common.iter().all(|(value, _)| (1..=40).contains(&value.chars().count()));
        let of_text = column.nature == Nature::Text && short && column.reads_as.is_none();
        const NAMES: [&str; 8] = ["status", "state", "type", "kind", "level", "priority", "category", "flag"];
        let of_number = column.nature == Nature::Integer && has(column.name(), &NAMES) && distinct <= 8;
        if !(of_text || of_number) {
            return None;
        }
        let mut values: Vec<(&String, &u64)> = common;
        values.sort_by(|one, other| other.1.cmp(one.1).then(one.0.cmp(other.0)));
        let spelled: Vec<String> =
            values.iter().map(|(value, _)| if of_number { (*value).clone() } else { scalar(value) }).collect();
        let least = values.last().map_or(0, |(_, count)| **count);
        let rule = format!("in_set: {{ column: {}, values: [{}] }}", scalar(column.name()), spelled.join(", "));
        if contrary > 0 {
            return Some(Proposal::almost("in_set", rule, contrary, column.values));
        }
        let (values, seen) = (values_word(distinct), self.seen(column.values));
        let evidence = format!("{values} in {seen}, each {} times or more", nice::count(least));
        Some(Proposal::new("in_set", rule, evidence))
    }

    /// Form or type of texts.
    fn text(&self, column: &ColumnProfile) -> Option<Proposal> {
        let of_text =
            column.column.data_type == DataType::Utf8 && !column.column.canonical_text && column.lengths.is_some();
        if !of_text || self.is_checked(column) {
            return None;
        }
        let enough = column.distinct().is_none_or(|distinct| distinct >= 20);
        self.form(column, enough, 0).or_else(|| self.form(column, enough, almost(column.values)))
    }

    /// What texts read as, but for so many.
    fn form(&self, column: &ColumnProfile, enough: bool, but: u64) -> Option<Proposal> {
        let name = scalar(column.name());
        let made = |kind: &'static str, rule: String, contrary: u64, why: String| match contrary {
            0 => Proposal::new(kind, rule, why),
            contrary => Proposal::almost(kind, rule, contrary, column.values),
        };
        let read = column.reads_as.map(|value_type| (value_type, 0)).or(column.nearly_reads_as.filter(|_| but > 0));
        if let Some((value_type, contrary)) = read.filter(|_| enough) {
            let rule = format!("type_is: {{ column: {name}, type: {} }}", value_type.as_str());
            let why = format!("declared as {}, and {} read so", column.column.declared, self.seen(column.values));
            return Some(made("type_is", rule, contrary, why));
        }
        let pattern_rule = |pattern: &str| format!("matches: {{ column: {name}, pattern: {} }}", literal(pattern));
        if let Some((format, contrary)) = form_of(column, but) {
            let why = format!("{}: {}", format.name, self.seen(column.values));
            return Some(made("matches", pattern_rule(format.pattern), contrary, why));
        }
        let hidden = is_personal(column.name());
        let texts = column.texts.iter().flatten().map(String::as_str);
        if let Some((texts, contrary)) = form::of_one_form(texts.clone(), but).filter(|_| enough && !hidden)
            && let Some(pattern) = form::common_pattern(texts.into_iter())
        {
            let why = format!("one form in {}", self.seen(column.values));
            return Some(made("matches", pattern_rule(&pattern), contrary, why));
        }
        let mut lengths: HashMap<usize, u64> = HashMap::new();
        texts.for_each(|text| *lengths.entry(text.chars().count()).or_default() += 1);
        let (length, of_length) = lengths.into_iter().max_by_key(|(length, count)| (*count, *length))?;
        let contrary = column.values - of_length;
        (length > 0 && enough && contrary <= but).then(|| {
            let rule = format!("length: {{ column: {name}, min: {length}, max: {length} }}");
            let why = format!("always so many characters in {}", self.seen(column.values));
            made("length", rule, contrary, why)
        })
    }

    fn range(&self, column: &ColumnProfile) -> Option<Proposal> {
        if self.is_checked(column) || column.distinct() == Some(1) {
            return None;
        }
        let (least, most) = column.extremes()?;
        let name = scalar(column.name());
        if column.nature == Nature::Time {
            let first = DateTime::from_timestamp(least as i64, 0)?;
            // a date of birth is as old as people get; a row is no older than its table
            let year = if has(column.name(), &["birth", "birthday", "dob", "born"]) { 1900 } else { first.year() };
            let rule = format!("in_range: {{ column: {name}, min: {year:04}-01-01 }}");
            let evidence =
                format!("not before {year} in {}; dates such as 0001-01-01 stand for none", self.seen(column.values));
            return (year >= 1).then(|| Proposal::new("in_range", rule, evidence));
        }
        if !column.is_number() {
            return None;
        }
        // a few below zero among many that are not
        let below = column.numbers.iter().flatten().filter(|number| **number < 0.0).count() as u64;
        let slips = below > 0 && below <= almost(column.values);
        let least = if slips { 0.0 } else { least };
        let share =
            has(column.name(), &["percent", "pct", "percentage", "rate", "ratio", "share", "fraction", "discount"]);
        let min = if least >= 0.0 { 0.0 } else { -nice::above(-least * 2.0) };
        let max = match most {
            most if share && most <= 1.0 && least >= 0.0 => 1.0,
            most if share && most <= 100.0 && least >= 0.0 => 100.0,
            most if has(column.name(), &["year"]) && least > 1000.0 => nice::above(most - 1900.0) + 1900.0,
            most if most > 0.0 => nice::above(most * 2.0),
            _ => 0.0,
        };
        let rule = format!("in_range: {{ column: {name}, min: {}, max: {} }}", nice::spelled(min), nice::spelled(max));
        if slips {
            return Some(Proposal::almost("in_range", rule, below, column.values));
        }
        Some(Proposal::new("in_range", rule, format!("with room beyond what {} have", self.seen(column.values))))
    }

    /// Columns that are NULL now and then.
    fn nulls(&self, column: &ColumnProfile) -> Option<Proposal> {
        let rows = column.rows();
        let share = column.nulls as f64 / rows.max(1) as f64;
        if column.nulls == 0 || column.nulls <= rows / SELDOM_NULL || share > 0.25 || column.unread > 0 {
            return None;
        }
        let high =
            clopper_pearson(Observed { failed: column.nulls as f64, rows: rows as f64 }, Level::NINETY_FIVE).high;
        let most = nice::above((high * 2.0).min(1.0)).min(1.0) * 100.0;
        let (name, most) = (scalar(column.name()), nice::spelled(most));
        let rule = format!("distribution: {{ column: {name}, null_fraction: \"<= {most}%\" }}");
        let (nulls, rows) = (nice::count(column.nulls), nice::count(rows));
        Some(Proposal::new("distribution", rule, format!("{nulls} of {rows} are NULL ({:.2} %)", share * 100.0)))
    }

    fn fresh(&self, column: &ColumnProfile, now: DateTime<Utc>) -> Option<Proposal> {
        const NAMES: [&str; 12] = [
            "created",
            "updated",
            "modified",
            "changed",
            "inserted",
            "added",
            "seen",
            "received",
            "recorded",
            "time",
            "timestamp",
            "ts",
        ];
        let alone = [column.name().to_owned()];
        let cheap = self.table.indexed(&alone) || self.population <= PASSED_OVER;
        if column.nature != Nature::Time || !has(column.name(), &NAMES) || !cheap {
            return None;
        }
        let now = now.timestamp_millis() as f64 / 1000.0;
        let mut times: Vec<f64> = column.numbers.iter().flatten().copied().filter(|time| *time <= now).collect();
        times.sort_by(f64::total_cmp);
        let newest = *times.last()?;
        let age = now - newest;
        let newest_ones = times.get(times.len().saturating_sub(NEWEST)..).unwrap_or_default();
        let spread = newest - newest_ones.first().copied().unwrap_or(newest);
        // rows come more often than sampled ones
        let share = (self.rows as f64 / self.population.max(1) as f64).min(1.0);
        let gap = spread / (newest_ones.len().max(2) - 1) as f64 * share;
        if age > 7.0 * 86_400.0 {
            return None;
        }
        let within = nice::duration(Duration::from_secs_f64((10.0 * gap).max(4.0 * age).max(900.0)));
        let rule = format!("fresh: {{ column: {}, within: {within} }}", scalar(column.name()));
        let evidence = format!("the newest row is {} old, and one comes about every {}", span(age), span(gap));
        Some(Proposal::new("fresh", rule, evidence))
    }

    fn relations(&self) -> Vec<Proposal> {
        let all: Vec<&ColumnProfile> = self.columns.iter().collect();
        let ids = |column: &&&ColumnProfile| self.identifies(column);
        let measures: Vec<&ColumnProfile> = all.iter().filter(|column| !ids(column)).copied().collect();
        let few = |column: &&&ColumnProfile| {
            column.nature == Nature::Text
                && !is_personal(column.name())
                && column.distinct().is_some_and(|n| (2..=8).contains(&n))
        };
        let kinds: Vec<&ColumnProfile> = measures.iter().filter(few).copied().collect();
        // a time may be a part of a key, and is a time all the same
        let times: Vec<&ColumnProfile> = all.iter().filter(|column| column.nature == Nature::Time).copied().collect();
        let found = relation::sums(&measures).into_iter();
        let found = found.chain(relation::orders(&times)).chain(relation::present_where(&times, &kinds));
        let (hold, almost): (Vec<_>, Vec<_>) = found.partition(|relation| relation.contrary == 0);
        let found = hold.into_iter().take(MOST_RELATIONS).chain(almost.into_iter().take(MOST_RELATIONS / 2));
        found.map(|relation| self.relation(&relation)).collect()
    }

    fn relation(&self, relation: &Relation) -> Proposal {
        let id = if relation.filter.is_some() {
            format!(
                "{}_where_{}",
                relation.columns.first().cloned().unwrap_or_default(),
                word::words(relation.filter.as_deref().unwrap_or_default()).join("_")
            )
        } else {
            relation.columns.join("_and_")
        };
        let id: String = id.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).take(80).collect();
        let mut rule = format!("id: {}.{id}\nexpect: {}", id_part(&self.table.name.name), expression(&relation.expect));
        if let Some(filter) = &relation.filter {
            rule.push_str(&format!("\nwhere: {}", expression(filter)));
        }
        match relation.contrary {
            0 => Proposal::new("expect", rule, format!("holds in {}", self.seen(relation.rows))),
            contrary => Proposal::almost("expect", rule, contrary, relation.rows),
        }
    }

    fn row_count(&self) -> Proposal {
        let least = nice::below(self.population as f64 / 2.0);
        let about = if self.whole { "" } else { "about " };
        let rule = format!("row_count: {{ min: {}, change: 50% }}", nice::spelled(least));
        Proposal::new("row_count", rule, format!("{about}{} rows now", nice::count(self.population)))
    }
}

/// Whether a declared type takes any text.
fn is_text(declared: &str) -> bool {
    let declared = declared.to_ascii_lowercase();
    ["text", "char", "citext", "varchar", "string", "clob", "bpchar"].iter().any(|word| declared.contains(word))
}

fn is_uuid(column: &ColumnProfile) -> bool {
    column.column.declared.eq_ignore_ascii_case("uuid")
}

fn is_integer(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Int16 | DataType::Int32 | DataType::Int64)
}

fn values_word(distinct: u64) -> String {
    if distinct == 1 { "one value".to_owned() } else { format!("{distinct} values") }
}

/// An expression as a YAML scalar: plain where nothing in it means something to YAML.
fn expression(text: &str) -> String {
    let odd = text.contains(": ")
        || text.contains(" #")
        || text.starts_with(['"', '\'', '[', '{', '*', '&', '!', '%', '@', '`', '>', '|']);
    if odd { literal(text) } else { text.to_owned() }
}

/// A reference in a flow mapping.
fn quoted(text: &str) -> String {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
    if plain { text.to_owned() } else { literal(text) }
}

fn id_part(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || c == '_' { c } else { '_' }).collect()
}

fn span(seconds: f64) -> String {
    match seconds.max(0.0) {
        seconds if seconds < 1.0 => "under a second".to_owned(),
        seconds if seconds < 120.0 => format!("{seconds:.0} s"),
        seconds if seconds < 7_200.0 => format!("{:.0} min", seconds / 60.0),
        seconds if seconds < 172_800.0 => format!("{:.0} h", seconds / 3_600.0),
        seconds => format!("{:.0} d", seconds / 86_400.0),
    }
}

#[cfg(test)]
mod tests;
