//! What a role needs, and nothing else, as the statements that give it.

use super::literal::quoted;
use crate::grant::Grant;
use crate::privilege::Privileges;
use fieldmark_model::TableName;

/// A user as MariaDB spells it; of one without a host, from anywhere.
pub fn account(role: &str) -> String {
    let (user, host) = role.rsplit_once('@').unwrap_or((role, "%"));
    let plain = |part: &str| part.trim_matches(['\'', '`']).replace('\'', "''");
    format!("'{}'@'{}'", plain(user), plain(host))
}

/// What `role` needs to read these tables. What is there already is that of the role that asked.
pub(crate) fn grants(role: &str, privileges: &Privileges, tables: &[&TableName]) -> Vec<Grant> {
    let to = account(role);
    let mut grants: Vec<Grant> = Vec::new();
    for name in tables {
        if grants.iter().any(|grant| grant.table.as_ref() == Some(*name)) {
            continue;
        }
        let own = privileges.tables.iter().find(|table| table.name == **name);
        grants.push(Grant {
            point: "select",
            what: format!("to read {name}"),
            sql: format!("GRANT SELECT ON {} TO {to};", quoted(name)),
            table: Some((*name).clone()),
            given: own.is_some_and(|own| own.select),
        });
    }
    grants.push(Grant {
        point: "read_all_stats",
        what: "to see who waits for a read of ours, which then ends, and since when transactions of others run"
            .to_owned(),
        sql: format!("GRANT PROCESS ON *.* TO {to};"),
        table: None,
        given: privileges.reads_all_statistics,
    });
    grants
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_have_hosts() {
        assert_eq!(account("fm"), "'fm'@'%'");
        assert_eq!(account("fm@10.0.0.%"), "'fm'@'10.0.0.%'");
        assert_eq!(account("it's"), "'it''s'@'%'");
    }
}
