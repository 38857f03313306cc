//! While a mark is written: it is written to its end, and nothing is begun after it.

use super::{SIGNALS, ended, says, send, started};
use crate::journeys::bad_input::locks::{held, until_waited_for};
use crate::journeys::bad_input::{TABLES, marks};
use crate::journeys::shop::Shop;
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_begins_after_a_signal() {
    for (signal, code) in SIGNALS {
        for arguments in [&["before", "--control", "0s"][..], &["guard", "--control", "0s", "--", "touch", "started"]] {
            let shop = Shop::new(TABLES);
            shop.rules("t", "rules:\n  - not_null: [id]\n");
            // whoever writes a mark has the source's lock, and waits for it here
            let path = shop.path("state/locks/shop.lock");
            let lock = held(&path);
            let child = started(&mut Command::from(shop.command(arguments)));
            until_waited_for(&path, child.id().unwrap());
            send(signal, child.id().unwrap());
            drop(lock);
            let run = ended(child).await.gives(code);
            says(&run, &["interrupted", "nothing was left half-written"]);
            assert_eq!(run.out, "");
            assert!(!shop.path("started").exists(), "{arguments:?}: the command was started all the same");
            assert!(marks(&shop).iter().all(|name| !name.starts_with('.')), "{:?}", marks(&shop));
        }
    }
}
