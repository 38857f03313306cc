//! What MariaDB is sent: each statement says whose it is, and is one of the list.

use super::{Market, Run, Server};
use crate::journeys::sent::{Sent, statement};
use crate::journeys::served::DEADLINE;
use std::process::Stdio;
use tokio::process::Command;

/// Tables that are read in each way there is.
const TABLES: &str = "
    create table parents (id int primary key);
    insert into parents select seq from seq_1_to_100;
    create table keyed (id bigint primary key, parent_id int, code varchar(20), seen datetime, key (code), key (seen));
    insert into keyed select seq, if(seq % 10, 1 + seq % 100, 9999), concat('c', seq), '2001-01-01' from seq_1_to_20000;
    create table named (code varchar(20) collate utf8mb4_bin primary key, parent_id int);
    insert into named select concat('n', seq), 1 + seq % 100 from seq_1_to_20000;
    create table small (id int primary key, n int check (n > 0));
    insert into small select seq, seq from seq_1_to_10;
    analyze table parents, keyed, named, small;";

/// Everything that the program does with a server, one after the other; whatever it sent.
pub(in crate::journeys) async fn of_mariadb() -> Vec<Sent> {
    let market = Market::new(TABLES).await;
    market.write("fieldmark.yaml", &market.read("fieldmark.yaml").replace("\" }", "\", sql: allow }"));
    market.rules(
        "keyed",
        "sample: { rows: 500 }\nrules:\n  - unique: code\n  - { id: orphaned, references: { column: parent_id, to: parents.id } }\n  \
         - fresh: { column: seen, within: 1d }\n",
    );
    market.rules("named", "sample: { rows: 500 }\nrules:\n  - references: { column: parent_id, to: parents.id }\n");
    market.rules("small", "rules:\n  - { id: query, sql: SELECT id FROM small WHERE n > 100 }\n");
    let server = Server::get().await.unwrap();
    server.log(true).await.unwrap();
    for (arguments, code) in [
        (&["check", "--plan"][..], 0),
        (&["check", "--no-enlarge", "--duty", "100%", "--seed", "1"], 1),
        (&["before", "--control", "200ms", "--seed", "1"], 0),
        (&["after", "--control", "200ms", "--seed", "1"], 1),
        (&["doctor"], 0),
        (&["init", "--table", "small", "--duty", "100%", "--seed", "1"], 0),
    ] {
        market.shown(arguments, code);
    }
    an_interrupted_query(&market).await;
    server.log(false).await.unwrap();
    let messages = server.logged(&market.reader).unwrap();
    // a database that is called the same every time
    let own = format!("`{}`", market.database);
    market.close().await;
    messages.iter().map(|message| statement(&message.replace(&own, "`shop`"))).collect()
}

/// A check that is interrupted while the server works on a rule's query.
async fn an_interrupted_query(market: &Market) {
    let slow = "rules:\n  - { sql: 'SELECT SLEEP(50) AS nothing', timeout: 55s, id: slow }\n";
    market.write("rules/slow.yaml", &format!("version: 1\ntable: shop.small\n{slow}"));
    let mut command = Command::from(market.command(&["check", "--rule", "slow"]));
    let child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut watcher = market.another().await;
    let runs = format!(
        "select count(*) from information_schema.processlist where user = '{}' and command = 'Query' and info like '%SLEEP%'",
        market.reader
    );
    Server::get().await.unwrap().until(&mut watcher, &runs).await.unwrap();
    let interrupt = format!("kill -s INT {}", child.id().unwrap());
    assert!(std::process::Command::new("sh").args(["-c", &interrupt]).status().unwrap().success());
    let output = tokio::time::timeout(DEADLINE, child.wait_with_output()).await.expect("it does not end").unwrap();
    Run::of(output).gives(130);
    // the statement has ended on the server, too
    let gone = format!(
        "select not exists (select 1 from information_schema.processlist where user = '{}' and info like '%SLEEP%')",
        market.reader
    );
    Server::get().await.unwrap().until(&mut watcher, &gone).await.unwrap();
}
