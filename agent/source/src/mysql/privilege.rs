//! What the role may do, as `information_schema` says; nothing is tried.

use super::MySqlSource;
use super::courtesy::Call;
use super::literal::text;
use crate::Error;
use crate::label::Name;
use crate::privilege::{Privileges, SchemaPrivileges, TablePrivileges};
use fieldmark_model::TableName;

/// A privilege: on what, and which.
struct Granted {
    schema: Option<String>,
    table: Option<String>,
    /// Whether on some columns alone.
    of_columns: bool,
    word: String,
}

/// What writes.
const WRITES: [&str; 5] = ["INSERT", "UPDATE", "DELETE", "DROP", "ALTER"];

impl MySqlSource {
    pub(super) async fn granted(&mut self, call: &Call) -> Result<Privileges, Error> {
        let role = "SELECT CURRENT_USER(), CURRENT_ROLE(), DATABASE()";
        let role = self.session.answers(call, Name::Privileges, role).await?;
        let role = role.first().ok_or_else(|| Error::Internal { what: "a session without a user".to_owned() })?;
        let account = role.text(0).unwrap_or_default();
        let (user, host) = account.rsplit_once('@').unwrap_or((&account, "%"));
        let mut grantees = vec![format!("'{user}'@'{host}'")];
        // the privileges of a role that is in force are those of the user, too
        grantees.extend(role.text(1).map(|role| format!("'{role}'@''")));
        let list = grantees.iter().map(|grantee| text(grantee)).collect::<Vec<_>>().join(", ");
        let mut granted = Vec::new();
        for (what, of_columns) in [
            ("NULL, NULL, p.PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES", false),
            ("p.TABLE_SCHEMA, NULL, p.PRIVILEGE_TYPE FROM information_schema.SCHEMA_PRIVILEGES", false),
            ("p.TABLE_SCHEMA, p.TABLE_NAME, p.PRIVILEGE_TYPE FROM information_schema.TABLE_PRIVILEGES", false),
            ("p.TABLE_SCHEMA, p.TABLE_NAME, p.PRIVILEGE_TYPE FROM information_schema.COLUMN_PRIVILEGES", true),
        ] {
            let sql = format!("SELECT {what} AS p WHERE p.GRANTEE IN ({list})");
            for answer in self.session.answers(call, Name::Privileges, &sql).await? {
                let Some(word) = answer.text(2) else { continue };
                granted.push(Granted { schema: answer.text(0), table: answer.text(1), of_columns, word });
            }
        }
        let everywhere = |word: &str| granted.iter().any(|own| own.schema.is_none() && own.word == word);
        let in_schema = |schema: &str, word: &str| {
            let of = |own: &&Granted| own.table.is_none() && own.schema.as_deref().is_some_and(|own| fits(own, schema));
            everywhere(word) || granted.iter().filter(of).any(|own| own.word == word)
        };
        let on_table = |name: &TableName, word: &str, columns: bool| {
            let of = |own: &&Granted| {
                own.schema.as_deref() == Some(&name.schema) && own.table.as_deref() == Some(&name.name)
            };
            in_schema(&name.schema, word)
                || granted.iter().filter(of).any(|own| own.word == word && (columns || !own.of_columns))
        };
        let mut tables = Vec::new();
        for schema in self.schemas.clone() {
            let sql = format!(
                "SELECT t.TABLE_NAME FROM information_schema.TABLES AS t WHERE t.TABLE_SCHEMA = {} \
                 AND t.TABLE_TYPE <> 'SEQUENCE' ORDER BY t.TABLE_NAME",
                text(&schema)
            );
            for answer in self.session.answers(call, Name::Privileges, &sql).await? {
                let Some(name) = answer.text(0).map(|name| TableName::new(schema.as_str(), name)) else { continue };
                tables.push(TablePrivileges {
                    select: on_table(&name, "SELECT", false),
                    some_columns: on_table(&name, "SELECT", true),
                    writes: WRITES.into_iter().filter(|word| on_table(&name, word, true)).collect(),
                    row_security: false,
                    owned: false,
                    part_of: None,
                    name,
                });
            }
        }
        let schema =
            |name: &String| SchemaPrivileges { name: name.clone(), usage: true, create: in_schema(name, "CREATE") };
        Ok(Privileges {
            role: account.clone(),
            database: role.text(2).unwrap_or_default(),
            superuser: everywhere("SUPER"),
            bypass_row_security: true,
            administers: ["CREATE USER", "RELOAD", "SHUTDOWN", "REPLICATION SLAVE ADMIN"].into_iter().any(everywhere),
            reads_all_statistics: everywhere("PROCESS"),
            writes_all_data: WRITES.into_iter().any(everywhere),
            runs_programs: everywhere("FILE"),
            creates_in_database: everywhere("CREATE"),
            schemas: self.schemas.iter().map(schema).collect(),
            type_schemas: Vec::new(),
            tables,
        })
    }
}

/// Whether a schema's name fits one of a grant, in which `%` and `_` stand for others unless a backslash is in front.
fn fits(pattern: &str, name: &str) -> bool {
    let mut pattern = pattern.chars();
    match pattern.next() {
        None => name.is_empty(),
        Some('%') => {
            let rest = pattern.as_str();
            let ends = name.char_indices().map(|(at, _)| at).chain(std::iter::once(name.len()));
            ends.into_iter().any(|at| name.get(at..).is_some_and(|name| fits(rest, name)))
        }
        Some(c) => {
            let (any, literal) = match c {
                '_' => (true, c),
                '\\' => (false, pattern.next().unwrap_or('\\')),
                c => (false, c),
            };
            let mut name = name.chars();
            name.next().is_some_and(|own| any || own == literal) && fits(pattern.as_str(), name.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_of_grants_are_patterns() {
        for (pattern, name, expected) in [
            ("shop", "shop", true),
            ("sh_p", "shop", true),
            ("sh\\_p", "shop", false),
            ("sh\\_p", "sh_p", true),
            ("%", "shop", true),
            ("s%p%", "shop", true),
            ("s%x", "shop", false),
            ("shop", "shops", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }
}
