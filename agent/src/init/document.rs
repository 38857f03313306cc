//! The rule file of one table, as text.

use chrono::{DateTime, Utc};
use fieldmark_model::{SourceName, TableName};
use fieldmark_profile::Proposal;
use fieldmark_profile::yaml::{list, table_name};
use std::collections::BTreeSet;

/// Widest line of a comment.
const WIDTH: usize = 110;

/// What is proposed for a table.
pub(super) struct Document {
    pub(super) source: SourceName,
    pub(super) table: TableName,
    /// Whether the table's name is told with its schema.
    pub(super) with_schema: bool,
    /// Whether its schema is the source's default.
    pub(super) of_default_schema: bool,
    /// Name of its file in the folder of rules.
    pub(super) file: String,
    pub(super) pii: Vec<String>,
    /// What was read of it, in words.
    pub(super) read: String,
    pub(super) proposals: Vec<Proposal>,
    pub(super) left_out: Vec<LeftOut>,
    pub(super) made: DateTime<Utc>,
}

/// A proposal that did not hold.
pub(super) struct LeftOut {
    pub(super) proposal: Proposal,
    pub(super) why: String,
    /// Whether rows fail it, and not only too few were read to tell.
    pub(super) failed: bool,
}

impl Document {
    /// Rules in it.
    pub(super) fn rules(&self) -> usize {
        self.proposals.len()
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "# Proposed by `fieldmark init` on {} from {}. A guess: read it, correct it, keep it under version control.\n\
             # Values and limits in it come from the data. `fieldmark rules` prints what else can be said.\n",
            self.made.format("%Y-%m-%d"),
            self.read
        );
        text.push_str(&format!("version: 1\ntable: {}\n", table_name(&self.source, &self.table, self.with_schema)));
        text.push_str("# owner: team-…        # who answers for it\n");
        if !self.pii.is_empty() {
            text.push_str("# personal by their names or their form: kept in marks only as keyed digests\n");
            text.push_str(&format!("pii: {}\n", list(self.pii.iter().map(String::as_str))));
        }
        if self.proposals.is_empty() {
            text.push_str(
                "rules: []              # too few rows, or nothing that the database does not see to by itself\n",
            );
        } else {
            text.push_str("rules:\n");
        }
        for proposal in &self.proposals {
            text.push_str(&comment("  ", &proposal.evidence));
            text.push_str(&item(&proposal.rule));
        }
        for (failed, head) in [
            (true, "These almost hold. The rows that are otherwise may be where a fault is:"),
            (false, "These may hold, and could not be told when they were tried:"),
        ] {
            let left_out: Vec<&LeftOut> = self.left_out.iter().filter(|own| own.failed == failed).collect();
            if !left_out.is_empty() {
                text.push_str(&format!("  # {head}\n"));
            }
            for left_out in left_out {
                text.push_str(&comment("  ", &left_out.why));
                let rule = item(&left_out.proposal.rule);
                rule.lines()
                    .for_each(|line| text.push_str(&format!("  #{}\n", line.strip_prefix(' ').unwrap_or(line))));
            }
        }
        text.push_str("across_migrations:       # of the same rows before and after a migration\n");
        text.push_str("  rows: kept\n  # same: […]            # columns whose values no migration changes\n");
        text
    }
}

/// A rule as an item of a list.
pub(super) fn item(rule: &str) -> String {
    let mut text = String::new();
    for (at, line) in rule.lines().enumerate() {
        text.push_str(if at == 0 { "  - " } else { "    " });
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// Text as lines of comments.
fn comment(indent: &str, text: &str) -> String {
    let mut lines = vec![format!("{indent}#")];
    // a control character would end the line, or the file
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("{indent}# {word}")),
        }
    }
    lines.join("\n") + "\n"
}

/// Gives each document a file of its own: that of a table in the default schema needs no schema in its name, and no source where there is
/// one alone.
pub(super) fn name_files(documents: &mut [Document]) {
    let mut taken = BTreeSet::new();
    let first = documents.first().map(|document| document.source.clone());
    let several = documents.iter().any(|document| Some(&document.source) != first.as_ref());
    for document in documents {
        let table = &document.table;
        let plain = if document.of_default_schema || !document.with_schema {
            table.name.clone()
        } else {
            format!("{}.{}", table.schema, table.name)
        };
        let plain = if several { format!("{}.{plain}", document.source) } else { plain };
        let safe: String = plain
            .chars()
            .map(|c| if c.is_alphanumeric() || matches!(c, '_' | '-' | '.') { c } else { '_' })
            .take(100)
            .collect();
        // a leading dot hides a file, and `_defaults` is another kind of file
        let safe = safe.trim_start_matches(['.', '_']).to_owned();
        let safe = if safe.is_empty() { "table".to_owned() } else { safe };
        let mut file = format!("{safe}.yaml");
        let mut number = 2;
        while !taken.insert(file.to_lowercase()) {
            file = format!("{safe}-{number}.yaml");
            number += 1;
        }
        document.file = file;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(table: TableName) -> Document {
        Document {
            source: SourceName::new("shop"),
            table,
            with_schema: true,
            of_default_schema: false,
            file: String::new(),
            pii: vec!["email".into()],
            read: "all 40 rows".into(),
            proposals: vec![Proposal {
                rule: "not_null: a".into(),
                kind: "not_null",
                evidence: "so it is\nhere".into(),
                contrary: 0,
            }],
            left_out: Vec::new(),
            made: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn files_have_names_of_their_own() {
        let names = [("public", "orders"), ("audit", "orders"), ("public", "a/b"), ("public", "a b"), ("public", "_x")];
        let names = names.map(|(schema, name)| TableName::new(schema, name));
        let mut documents: Vec<Document> = names.iter().cloned().map(document).collect();
        for document in &mut documents {
            document.of_default_schema = document.table.schema == "public";
        }
        name_files(&mut documents);
        let files: Vec<&str> = documents.iter().map(|document| document.file.as_str()).collect();
        assert_eq!(files, ["orders.yaml", "audit.orders.yaml", "a_b.yaml", "a_b-2.yaml", "x.yaml"]);
    }

    #[test]
    fn evidence_stays_within_its_comment() {
        let text = document(TableName::new("public", "t")).text();
        assert!(text.contains("\n  # so it is here\n  - not_null: a\n"), "{text}");
    }
}
