//! The graph of columns: nodes that survive a rename, their names and their edges, each with when it began and ended.
//!
//! A node is one column for ever; where the database says what survives a rename, by that, else by its name. An edge is between nodes, so
//! that a rename neither ends nor begins one. What was so at a time is what had begun by then and not ended.

use super::read::all;
use super::{StoreError, failed, stored};
use crate::lineage::{
    BetweenSources, ColumnOf, Difference, Direction, EdgeOf, Job, OriginOf, OriginRow, Place, Reached, Renamed, Unused,
    Walk, Walked,
};
use chrono::{DateTime, Utc};
use fieldmark_model::lineage::{
    Certainty, ColumnName, Kind, LineagePart, LineageSeen, LineageTable, Origin, OriginKind,
};
use fieldmark_model::{SourceName, TableName};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

/// The end of what has not ended: later than any time.
const OPEN: &str = "9999-12-31T23:59:59.999999Z";

type Node = i64;
/// An edge, and the nodes that it is between.
type Between = (EdgeOf, (Node, Node));

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Takes note of a piece of lineage, as of this time.
pub(super) fn record(connection: &Connection, seen: &LineageSeen, time: DateTime<Utc>) -> Result<(), StoreError> {
    let (source, time) = (seen.source.as_str(), stored(time));
    match &seen.part {
        LineagePart::Tables { tables, gone } => {
            for table in tables {
                of_table(connection, source, table, &time)?;
            }
            for table in gone {
                let sql = "UPDATE lineage_names SET until = ?3 WHERE source = ?1 AND of_table = ?2 AND until = ?4
                           AND since <= ?3";
                connection.prepare_cached(sql)?.execute(params![source, table, time, OPEN])?;
            }
        }
        LineagePart::Origin(origin) => {
            let own = |column: &ColumnName| ColumnOf {
                source: seen.source.clone(),
                table: column.table.clone(),
                column: column.column.clone(),
            };
            let edges = origin.edges.iter();
            let edges: Vec<BetweenSources> =
                edges.map(|edge| (own(&edge.source), own(&edge.target), edge.kind, edge.masked)).collect();
            of_origin(connection, source, origin, &edges, &time)?;
        }
        LineagePart::Place { namespace, prefix } => {
            let sql = "INSERT INTO lineage_places (source, namespace, prefix) VALUES (?1, ?2, ?3)
                       ON CONFLICT (source) DO UPDATE SET namespace = ?2, prefix = ?3";
            connection.prepare_cached(sql)?.execute(params![source, namespace, prefix])?;
        }
        LineagePart::Gone { origins } => {
            for name in origins {
                let sql = "SELECT id FROM lineage_origins WHERE source = ?1 AND name = ?2 AND seen <= ?3";
                let id = connection.prepare_cached(sql)?.query_row(params![source, name, time], |row| row.get(0));
                let Some(id) = id.optional()? else { continue };
                let id: i64 = id;
                end_edges(connection, id, &time)?;
                let sql = "UPDATE lineage_origins SET until = ?2, seen = ?2 WHERE id = ?1";
                connection.prepare_cached(sql)?.execute(params![id, time])?;
            }
        }
    }
    Ok(())
}

fn end_edges(connection: &Connection, origin: i64, time: &str) -> Result<(), StoreError> {
    let sql = "UPDATE lineage_edges SET until = ?2 WHERE origin = ?1 AND until = ?3";
    connection.prepare_cached(sql)?.execute(params![origin, time, OPEN])?;
    Ok(())
}

fn of_table(connection: &Connection, source: &str, table: &LineageTable, time: &str) -> Result<(), StoreError> {
    let mut nodes = BTreeSet::new();
    for column in &table.columns {
        let identity = table.identity.zip(column.identity).map(|(table, column)| (number(table), number(column)));
        let node = match of_identity(connection, source, identity)? {
            Some(node) => node,
            None => match named(connection, source, &table.name, &column.name, None)? {
                // one of which only the name was known, or whose table was made anew under the old name
                Some(node) => {
                    if let Some((table, column)) = identity {
                        let sql = "UPDATE lineage_nodes SET table_identity = ?2, column_identity = ?3 WHERE id = ?1";
                        connection.prepare_cached(sql)?.execute(params![node, table, column])?;
                    }
                    node
                }
                None => new_node(connection, source, identity)?,
            },
        };
        call(connection, source, (node, &table.name, &column.name, &column.declared), time)?;
        nodes.insert(node);
    }
    // columns that are no more
    let sql = "SELECT node FROM lineage_names WHERE source = ?1 AND of_table = ?2 AND until = ?3 AND since < ?4";
    let known = all(connection, sql, &[&source, &table.name, &OPEN, &time], |row| Ok(row.get::<_, Node>(0)?))?;
    for node in known.into_iter().filter(|node| !nodes.contains(node)) {
        let sql = "UPDATE lineage_names SET until = ?2 WHERE node = ?1 AND of_table = ?3 AND until = ?4";
        connection.prepare_cached(sql)?.execute(params![node, time, table.name, OPEN])?;
    }
    Ok(())
}

fn of_identity(
    connection: &Connection,
    source: &str,
    identity: Option<(i64, i64)>,
) -> Result<Option<Node>, StoreError> {
    let Some((table, column)) = identity else { return Ok(None) };
    let sql = "SELECT id FROM lineage_nodes WHERE source = ?1 AND table_identity = ?2 AND column_identity = ?3";
    let found = connection.prepare_cached(sql)?.query_row(params![source, table, column], |row| row.get(0));
    Ok(found.optional()?)
}

/// The node of a name, at a time or now.
fn named(
    connection: &Connection,
    source: &str,
    table: &str,
    column: &str,
    at: Option<&str>,
) -> Result<Option<Node>, StoreError> {
    let found = match at {
        None => {
            let sql = "SELECT node FROM lineage_names WHERE source = ?1 AND of_table = ?2 AND name = ?3 AND until = ?4";
            connection.prepare_cached(sql)?.query_row(params![source, table, column, OPEN], |row| row.get(0))
        }
        Some(at) => {
            let sql = "SELECT node FROM lineage_names WHERE source = ?1 AND of_table = ?2 AND name = ?3
                       AND since <= ?4 AND until > ?4";
            connection.prepare_cached(sql)?.query_row(params![source, table, column, at], |row| row.get(0))
        }
    };
    Ok(found.optional()?)
}

fn new_node(connection: &Connection, source: &str, identity: Option<(i64, i64)>) -> Result<Node, StoreError> {
    let (table, column) = identity.unzip();
    let sql = "INSERT INTO lineage_nodes (source, table_identity, column_identity) VALUES (?1, ?2, ?3)";
    connection.prepare_cached(sql)?.execute(params![source, table, column])?;
    Ok(connection.last_insert_rowid())
}

/// A node has this name from now on.
fn call(
    connection: &Connection,
    source: &str,
    (node, table, name, declared): (Node, &str, &str, &str),
    time: &str,
) -> Result<(), StoreError> {
    let sql = "SELECT of_table, name, since FROM lineage_names WHERE node = ?1 AND until = ?2";
    let known: Option<(String, String, String)> = connection
        .prepare_cached(sql)?
        .query_row(params![node, OPEN], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    match known {
        Some((own_table, own_name, since)) if (own_table.as_str(), own_name.as_str()) == (table, name) => {
            let sql = "UPDATE lineage_names SET declared = ?2 WHERE node = ?1 AND until = ?3 AND since <= ?4";
            connection.prepare_cached(sql)?.execute(params![node, declared, OPEN, time])?;
            debug_assert!(!since.is_empty());
            return Ok(());
        }
        // what comes late does not change what is newer
        Some((_, _, since)) if since.as_str() > time => return Ok(()),
        Some(_) => {
            let sql = "UPDATE lineage_names SET until = ?2 WHERE node = ?1 AND until = ?3";
            connection.prepare_cached(sql)?.execute(params![node, time, OPEN])?;
        }
        None => {}
    }
    // whatever had the name has it no more
    let sql = "UPDATE lineage_names SET until = ?4 WHERE source = ?1 AND of_table = ?2 AND name = ?3 AND until = ?5";
    connection.prepare_cached(sql)?.execute(params![source, table, name, time, OPEN])?;
    let sql = "INSERT INTO lineage_names (node, source, of_table, name, declared, since, until)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    connection.prepare_cached(sql)?.execute(params![node, source, table, name, declared, time, OPEN])?;
    Ok(())
}

/// What a job of somebody else makes: columns of whichever sources.
pub(super) fn record_job(connection: &Connection, job: &Job, now: DateTime<Utc>) -> Result<(), StoreError> {
    let time = stored(job.time.min(now));
    for (source, table) in &job.tables {
        // what an agent says of its own database is more exact
        let sql = "SELECT 1 FROM lineage_places WHERE source = ?1";
        let known = connection.prepare_cached(sql)?.query_row([source.as_str()], |_| Ok(())).optional()?;
        if known.is_none() {
            of_table(connection, source.as_str(), table, &time)?;
        }
    }
    of_origin(connection, job.source.as_str(), &job.origin, &job.edges, &time)
}

/// Where the databases of sources are, as OpenLineage names places.
pub(super) fn places(connection: &Connection) -> Result<Vec<Place>, StoreError> {
    all(connection, "SELECT source, namespace, prefix FROM lineage_places ORDER BY source", &[], |row| {
        Ok(Place { source: SourceName::new(row.get::<_, String>(0)?), namespace: row.get(1)?, prefix: row.get(2)? })
    })
}

/// Removes what ended long ago.
pub(super) fn retain(connection: &Connection, before: DateTime<Utc>) -> Result<(), StoreError> {
    let before = stored(before);
    connection.execute("DELETE FROM lineage_edges WHERE until < ?1", [&before])?;
    connection.execute("DELETE FROM lineage_names WHERE until < ?1", [&before])?;
    let sql = "DELETE FROM lineage_origins WHERE until < ?1
               AND NOT EXISTS (SELECT 1 FROM lineage_edges e WHERE e.origin = lineage_origins.id)";
    connection.execute(sql, [&before])?;
    Ok(())
}

/// The node of a column that an edge names; one that no catalogue knows is a node by its name.
fn node_of(connection: &Connection, column: &ColumnOf, time: &str) -> Result<Node, StoreError> {
    let source = column.source.as_str();
    if let Some(node) = named(connection, source, &column.table, &column.column, None)? {
        return Ok(node);
    }
    let node = new_node(connection, source, None)?;
    call(connection, source, (node, &column.table, &column.column, ""), time)?;
    Ok(node)
}

fn kind_number(kind: Kind) -> i64 {
    Kind::ALL.iter().position(|own| *own == kind).map_or(0, |at| at as i64)
}

fn kind_of(number: i64) -> Result<Kind, StoreError> {
    let kind = usize::try_from(number).ok().and_then(|at| Kind::ALL.get(at).copied());
    kind.ok_or_else(|| failed("a kind of an edge that is none"))
}

fn word<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        _ => Err(failed("a word that is none")),
    }
}

fn of_word<T: serde::de::DeserializeOwned>(word: String) -> Result<T, StoreError> {
    serde_json::from_value(serde_json::Value::String(word)).map_err(|_| failed("a word that is not known"))
}

fn of_origin(
    connection: &Connection,
    source: &str,
    origin: &Origin,
    edges: &[BetweenSources],
    time: &str,
) -> Result<(), StoreError> {
    let sql = "SELECT id, seen FROM lineage_origins WHERE source = ?1 AND name = ?2";
    let known: Option<(i64, String)> = connection
        .prepare_cached(sql)?
        .query_row(params![source, origin.name], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let unresolved = serde_json::to_string(&origin.unresolved).map_err(|_| failed("what cannot be written"))?;
    let calls = origin.calls.map(number);
    let (kind, certainty) = (word(&origin.kind)?, word(&origin.certainty)?);
    let id = match known {
        Some((_, seen)) if seen.as_str() > time => return Ok(()),
        Some((id, _)) => {
            let sql = "UPDATE lineage_origins SET kind = ?2, certainty = ?3, owner = ?4, calls = ?5, unresolved = ?6,
                       seen = ?7, until = ?8 WHERE id = ?1";
            let parameters = params![id, kind, certainty, origin.owner, calls, unresolved, time, OPEN];
            connection.prepare_cached(sql)?.execute(parameters)?;
            id
        }
        None => {
            let sql = "INSERT INTO lineage_origins (source, name, kind, certainty, owner, calls, unresolved, since, seen, until)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9)";
            let parameters = params![source, origin.name, kind, certainty, origin.owner, calls, unresolved, time, OPEN];
            connection.prepare_cached(sql)?.execute(parameters)?;
            connection.last_insert_rowid()
        }
    };
    let mut wanted: HashMap<(Node, Node, i64), bool> = HashMap::new();
    for (from, to, kind, masked) in edges {
        let (from, to) = (node_of(connection, from, time)?, node_of(connection, to, time)?);
        wanted.insert((from, to, kind_number(*kind)), *masked);
    }
    let sql = "SELECT id, source_node, target_node, kind, masked FROM lineage_edges WHERE origin = ?1 AND until = ?2";
    let open = all(connection, sql, &[&id, &OPEN], |row| {
        let edge: (Node, Node, i64) = (row.get(1)?, row.get(2)?, row.get(3)?);
        Ok((row.get::<_, i64>(0)?, edge, row.get::<_, bool>(4)?))
    })?;
    for (edge, key, masked) in open {
        if wanted.get(&key) == Some(&masked) {
            wanted.remove(&key);
        } else {
            let sql = "UPDATE lineage_edges SET until = ?2 WHERE id = ?1";
            connection.prepare_cached(sql)?.execute(params![edge, time])?;
        }
    }
    let mut wanted: Vec<_> = wanted.into_iter().collect();
    wanted.sort_unstable();
    for ((from, to, kind), masked) in wanted {
        let sql = "INSERT INTO lineage_edges (source_node, target_node, kind, masked, origin, since, until)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        connection.prepare_cached(sql)?.execute(params![from, to, kind, masked, id, time, OPEN])?;
    }
    Ok(())
}

/// The time that is asked about, as it is stored.
fn at(as_of: Option<DateTime<Utc>>) -> String {
    stored(as_of.unwrap_or_else(Utc::now))
}

fn column_of(row: &Row<'_>, first: usize) -> Result<ColumnOf, StoreError> {
    Ok(ColumnOf {
        source: SourceName::new(row.get::<_, String>(first)?),
        table: row.get(first + 1)?,
        column: row.get(first + 2)?,
    })
}

fn name_of(connection: &Connection, node: Node, at: &str) -> Result<Option<ColumnOf>, StoreError> {
    // one that is no more is told by its last name
    let sql = "SELECT source, of_table, name FROM lineage_names WHERE node = ?1 AND since <= ?2
               ORDER BY until > ?2 DESC, since DESC LIMIT 1";
    let found = all(connection, sql, &[&node, &at], |row| column_of(row, 0))?;
    Ok(found.into_iter().next())
}

fn origin_of(row: &Row<'_>, first: usize) -> Result<OriginOf, StoreError> {
    Ok(OriginOf {
        name: row.get(first)?,
        kind: of_word::<OriginKind>(row.get(first + 1)?)?,
        certainty: of_word::<Certainty>(row.get(first + 2)?)?,
        owner: row.get(first + 3)?,
        calls: row.get::<_, Option<i64>>(first + 4)?.and_then(|calls| u64::try_from(calls).ok()),
        last_seen: super::read::time(&row.get::<_, String>(first + 5)?)?,
    })
}

/// Nodes of a table's columns, or of one of them, as they were called then.
fn start(connection: &Connection, walk: &Walk, at: &str) -> Result<Vec<(Node, ColumnOf)>, StoreError> {
    let sql =
        "SELECT node, source, of_table, name FROM lineage_names WHERE of_table = ?2 AND since <= ?1 AND until > ?1
               AND (?3 IS NULL OR name = ?3) AND (?4 IS NULL OR source = ?4)";
    let source = walk.source.as_ref().map(|source| source.as_str().to_owned());
    let mut from = Vec::new();
    for table in tables_called(connection, &walk.table)? {
        let parameters: [&dyn rusqlite::ToSql; 4] = [&at, &table, &walk.column, &source];
        from.extend(all(connection, sql, &parameters, |row| Ok((row.get::<_, Node>(0)?, column_of(row, 1)?)))?);
    }
    from.sort_by(|(_, one), (_, other)| one.cmp(other));
    Ok(from)
}

/// The whole names of the tables that are meant: that of a table alone may be in several schemas.
fn tables_called(connection: &Connection, name: &str) -> Result<Vec<String>, StoreError> {
    if name.contains('.') {
        return Ok(vec![name.to_owned()]);
    }
    // from each name to the next by the index, not through the columns of all
    let sql = "WITH RECURSIVE known (name) AS (
                   SELECT min(of_table) FROM lineage_names
                   UNION ALL
                   SELECT (SELECT min(of_table) FROM lineage_names WHERE of_table > known.name) FROM known
                   WHERE known.name IS NOT NULL)
               SELECT name FROM known WHERE name = ?1 OR substr(name, -length(?1) - 1) = '.' || ?1";
    all(connection, sql, &[&name], |row| Ok(row.get(0)?))
}

/// One step of a walk.
struct Step {
    to: Node,
    kind: Kind,
    masked: bool,
    /// The number of what makes it.
    origin: i64,
}

fn steps(connection: &Connection, node: Node, direction: Direction, at: &str) -> Result<Vec<Step>, StoreError> {
    let sql = match direction {
        Direction::Down => {
            "SELECT target_node, kind, masked, origin FROM lineage_edges
             WHERE source_node = ?1 AND since <= ?2 AND until > ?2 ORDER BY kind, target_node"
        }
        Direction::Up => {
            "SELECT source_node, kind, masked, origin FROM lineage_edges
             WHERE target_node = ?1 AND since <= ?2 AND until > ?2 ORDER BY kind, source_node"
        }
    };
    all(connection, sql, &[&node, &at], |row| {
        Ok(Step { to: row.get(0)?, kind: kind_of(row.get(1)?)?, masked: row.get(2)?, origin: row.get(3)? })
    })
}

/// Columns that are reached, nearest first: each once, by values all the way where there is such a way, else by whichever way is shortest.
pub(super) fn walk(connection: &Connection, walk: &Walk) -> Result<Walked, StoreError> {
    let at = at(walk.as_of);
    let from = start(connection, walk, &at)?;
    let mut walking = Walking {
        connection,
        walk,
        at: &at,
        places: HashMap::new(),
        origins: HashMap::new(),
        reached: Vec::new(),
        cut_off: false,
    };
    for (node, _) in &from {
        walking.places.insert(*node, (0, None));
    }
    walking.go(true)?;
    if !walk.direct {
        walking.go(false)?;
    }
    let cut_off = walking.cut_off;
    let mut order: Vec<usize> = (0..walking.reached.len()).collect();
    let depth = |at: &usize| walking.reached.get(*at).map_or(0, |reached| reached.depth);
    order.sort_by_key(depth);
    let mut moved = vec![0; order.len()];
    for (new, old) in order.iter().enumerate() {
        if let Some(slot) = moved.get_mut(*old) {
            *slot = new;
        }
    }
    let one = |old: &usize| {
        let mut reached = walking.reached.get(*old)?.clone();
        reached.via = reached.via.and_then(|via| moved.get(via).copied());
        Some(reached)
    };
    let reached = order.iter().filter_map(one).collect();
    Ok(Walked { from: from.into_iter().map(|(_, column)| column).collect(), reached, cut_off })
}

struct Walking<'w> {
    connection: &'w Connection,
    walk: &'w Walk,
    at: &'w str,
    /// Of each node that was met how far away it is, and where in the answer it stands.
    places: HashMap<Node, (u32, Option<usize>)>,
    /// What makes steps: of most, more than one.
    origins: HashMap<i64, OriginOf>,
    reached: Vec<Reached>,
    cut_off: bool,
}

impl Walking<'_> {
    fn origin(&mut self, id: i64) -> Result<OriginOf, StoreError> {
        if let Some(known) = self.origins.get(&id) {
            return Ok(known.clone());
        }
        let sql = "SELECT name, kind, certainty, owner, calls, seen FROM lineage_origins WHERE id = ?1";
        let found = all(self.connection, sql, &[&id], |row| origin_of(row, 0))?.pop();
        let found = found.ok_or_else(|| failed("an edge that nothing makes"))?;
        self.origins.insert(id, found.clone());
        Ok(found)
    }

    /// Goes on from all that was met: over values alone, or over whatever there is.
    fn go(&mut self, direct: bool) -> Result<(), StoreError> {
        let mut waiting: BinaryHeap<Reverse<(u32, Node)>> =
            self.places.iter().map(|(node, (depth, _))| Reverse((*depth, *node))).collect();
        while let Some(Reverse((depth, node))) = waiting.pop() {
            if depth >= self.walk.depth {
                continue;
            }
            let via = self.places.get(&node).and_then(|(_, via)| *via);
            for step in steps(self.connection, node, self.walk.direction, self.at)? {
                if self.places.contains_key(&step.to) || (direct && !step.kind.is_direct()) {
                    continue;
                }
                if self.reached.len() >= self.walk.limit {
                    self.cut_off = true;
                    return Ok(());
                }
                let Some(column) = name_of(self.connection, step.to, self.at)? else { continue };
                self.places.insert(step.to, (depth + 1, Some(self.reached.len())));
                let Step { kind, masked, origin, to } = step;
                let origin = self.origin(origin)?;
                self.reached.push(Reached { column, depth: depth + 1, direct, kind, masked, via, origin });
                waiting.push(Reverse((depth + 1, to)));
            }
        }
        Ok(())
    }
}

/// Tables of the same source that are reached from a table, as they are called now; of a great many the nearest.
pub(super) fn related(
    connection: &Connection,
    source: &SourceName,
    table: &TableName,
    direction: Direction,
) -> Result<BTreeSet<TableName>, StoreError> {
    const MOST: usize = 10_000;
    let asked = Walk {
        source: Some(source.clone()),
        table: table.to_string(),
        column: None,
        direction,
        depth: u32::MAX,
        direct: false,
        as_of: None,
        limit: MOST,
    };
    let reached = walk(connection, &asked)?.reached;
    let here = reached.into_iter().filter(|reached| reached.column.source == *source);
    let name = |reached: Reached| match TableName::split(&reached.column.table)?.as_slice() {
        [schema, name] => Some(TableName::new(schema, name)),
        _ => None,
    };
    Ok(here.filter_map(name).filter(|own| own != table).collect())
}

/// Whatever has columns in a source now.
pub(super) fn tables(connection: &Connection, source: &SourceName) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT DISTINCT of_table FROM lineage_names WHERE source = ?1 AND until = ?2 ORDER BY of_table";
    all(connection, sql, &[&source.as_str(), &OPEN], |row| Ok(row.get(0)?))
}

/// Whether anything was known of a source then.
pub(super) fn is_known(connection: &Connection, source: &SourceName, at: DateTime<Utc>) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM lineage_names WHERE source = ?1 AND since <= ?2 AND until > ?2 LIMIT 1";
    Ok(connection.prepare_cached(sql)?.exists(params![source.as_str(), stored(at)])?)
}

/// Every edge of a source as it was then.
pub(super) fn edges(
    connection: &Connection,
    source: Option<&SourceName>,
    as_of: Option<DateTime<Utc>>,
) -> Result<Vec<EdgeOf>, StoreError> {
    edges_at(connection, source.map(SourceName::as_str), &at(as_of))
        .map(|edges| edges.into_iter().map(|(edge, _)| edge).collect())
}

fn edges_at(connection: &Connection, source: Option<&str>, at: &str) -> Result<Vec<Between>, StoreError> {
    let sql = "SELECT e.source_node, e.target_node, e.kind, e.masked, o.name, o.certainty, e.since
               FROM lineage_edges e JOIN lineage_origins o ON o.id = e.origin
               WHERE e.since <= ?1 AND e.until > ?1 AND (?2 IS NULL OR o.source = ?2)";
    let mut names: HashMap<Node, Option<ColumnOf>> = HashMap::new();
    let rows = all(connection, sql, &[&at, &source], |row| {
        let nodes: (Node, Node) = (row.get(0)?, row.get(1)?);
        let since = super::read::time(&row.get::<_, String>(6)?)?;
        let certainty: Certainty = of_word(row.get(5)?)?;
        Ok((nodes, kind_of(row.get(2)?)?, row.get::<_, bool>(3)?, row.get::<_, String>(4)?, certainty, since))
    })?;
    let mut edges = Vec::new();
    for (nodes, kind, masked, origin, certainty, since) in rows {
        for node in [nodes.0, nodes.1] {
            if let std::collections::hash_map::Entry::Vacant(entry) = names.entry(node) {
                entry.insert(name_of(connection, node, at)?);
            }
        }
        let name = |node: Node| names.get(&node).cloned().flatten();
        if let (Some(source), Some(target)) = (name(nodes.0), name(nodes.1)) {
            edges.push((EdgeOf { source, target, kind, masked, origin, certainty, since }, nodes));
        }
    }
    edges.sort();
    Ok(edges)
}

/// What became of the lineage of a source between two times.
pub(super) fn difference(
    connection: &Connection,
    source: &SourceName,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Difference, StoreError> {
    let (from, to) = (stored(from), stored(to));
    let (before, after) =
        (edges_at(connection, Some(source.as_str()), &from)?, edges_at(connection, Some(source.as_str()), &to)?);
    // a view that was made anew is another node of the same name, and no change: nor is an edge between renamed columns
    let key = |edge: &EdgeOf| (edge.source.clone(), edge.target.clone(), edge.kind);
    let known = |edges: &[(EdgeOf, (Node, Node))]| {
        let names: BTreeSet<_> = edges.iter().map(|(edge, _)| key(edge)).collect();
        let nodes: BTreeSet<_> = edges.iter().map(|(edge, nodes)| (*nodes, edge.kind)).collect();
        (names, nodes)
    };
    let (old, new) = (known(&before), known(&after));
    let only = |edges: Vec<(EdgeOf, (Node, Node))>, other: &(BTreeSet<_>, BTreeSet<_>)| {
        let is_new = |(edge, nodes): &(EdgeOf, (Node, Node))| {
            !other.0.contains(&key(edge)) && !other.1.contains(&(*nodes, edge.kind))
        };
        let mut all: Vec<EdgeOf> = edges.into_iter().filter(is_new).map(|(edge, _)| edge).collect();
        all.dedup_by(|one, other| key(one) == key(other));
        all
    };
    let sql = "SELECT a.node, a.source, a.of_table, a.name, b.source, b.of_table, b.name FROM lineage_names a
               JOIN lineage_names b ON b.node = a.node WHERE a.source = ?1 AND a.since <= ?2 AND a.until > ?2
               AND b.since <= ?3 AND b.until > ?3 AND (a.of_table <> b.of_table OR a.name <> b.name)
               ORDER BY a.of_table, a.name";
    let renamed = all(connection, sql, &[&source.as_str(), &from, &to], |row| {
        Ok(Renamed { from: column_of(row, 1)?, to: column_of(row, 4)? })
    })?;
    Ok(Difference { added: only(after, &old), removed: only(before, &new), renamed })
}

/// What is known of each origin that there is.
pub(super) fn origins(connection: &Connection, source: Option<&SourceName>) -> Result<Vec<OriginRow>, StoreError> {
    let sql = "SELECT o.source, o.name, o.kind, o.certainty, o.owner, o.calls, o.seen, o.unresolved,
               (SELECT count(*) FROM lineage_edges e WHERE e.origin = o.id AND e.until = ?1)
               FROM lineage_origins o WHERE o.until = ?1 AND (?2 IS NULL OR o.source = ?2) ORDER BY o.source, o.name";
    let source = source.map(|source| source.as_str().to_owned());
    all(connection, sql, &[&OPEN, &source], |row| {
        let unresolved: String = row.get(7)?;
        Ok(OriginRow {
            source: SourceName::new(row.get::<_, String>(0)?),
            origin: origin_of(row, 1)?,
            edges: u64::try_from(row.get::<_, i64>(8)?).unwrap_or(0),
            unresolved: serde_json::from_str(&unresolved).map_err(|_| failed("what could not be resolved"))?,
        })
    })
}

/// Columns of tables, as of now, that no edge begins at.
pub(super) fn unused(connection: &Connection, source: Option<&SourceName>) -> Result<Vec<Unused>, StoreError> {
    let sql = "SELECT n.source, n.of_table, n.name, n.since FROM lineage_names n JOIN lineage_nodes c ON c.id = n.node
               WHERE n.until = ?1 AND (?2 IS NULL OR n.source = ?2) AND n.declared <> ''
               AND NOT EXISTS (SELECT 1 FROM lineage_edges e WHERE e.source_node = n.node AND e.until = ?1)
               ORDER BY n.source, n.of_table, n.name";
    let source = source.map(|source| source.as_str().to_owned());
    all(connection, sql, &[&OPEN, &source], |row| {
        Ok(Unused { column: column_of(row, 0)?, since: super::read::time(&row.get::<_, String>(3)?)? })
    })
}

/// The columns of a table as they are called then, with their types, in order of name.
pub(super) fn columns(
    connection: &Connection,
    source: &SourceName,
    table: &str,
    as_of: Option<DateTime<Utc>>,
) -> Result<Vec<(String, String)>, StoreError> {
    let sql =
        "SELECT name, declared FROM lineage_names WHERE source = ?1 AND of_table = ?2 AND since <= ?3 AND until > ?3
               ORDER BY node";
    all(connection, sql, &[&source.as_str(), &table, &at(as_of)], |row| Ok((row.get(0)?, row.get(1)?)))
}
