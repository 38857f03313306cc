//! The spool held against a model, over a disk that crashes; and that the model notices a spool without syncs or without checksums.

mod damage;
mod disk;
mod model;

use disk::Manner;
use model::{Plan, plan, run};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::record::Checked;

/// Random writes, reads, acknowledgements, restarts, failures of the disk and crashes at every write.
#[test]
fn what_was_taken_is_given_once_or_told_as_lost() {
    let mut runner = TestRunner::new(Config { cases: 10_000, failure_persistence: None, ..Config::default() });
    let held = runner.run(&plan(), |plan| run(&plan, Manner::Honest, Checked::Yes).map_err(TestCaseError::fail));
    held.unwrap_or_else(|error| panic!("{error}"));
}

/// How many of a thousand plans the model finds something wrong with.
fn noticed(manner: Manner, checked: Checked) -> usize {
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    let mut plans = (0..1_000).map(|_| plan().new_tree(&mut runner).unwrap().current());
    plans.by_ref().filter(|plan: &Plan| run(plan, manner, checked).is_err()).count()
}

#[test]
fn a_spool_that_does_not_sync_is_noticed() {
    assert!(noticed(Manner::Unsynced, Checked::Yes) > 100);
    assert!(noticed(Manner::NamesUnsynced, Checked::Yes) > 10);
    assert_eq!(noticed(Manner::Honest, Checked::Yes), 0);
}

#[test]
fn a_spool_that_does_not_check_is_noticed() {
    assert!(noticed(Manner::Honest, Checked::No) > 10);
}
